"""What making the model took, and how much less that is than retraining."""

from __future__ import annotations

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.spec import metric

COSTS = ("unlearn_seconds", "prep_seconds", "samples_seen_forget", "samples_seen_retain", "steps", "peak_mem_mb")


@metric(keys=tuple(f"eff/{name}" for name in COSTS), direction="lower", needs=("cost",))
def unlearning_cost(case: Case, /) -> dict[str, float]:
    """Seconds of unlearning and of preparing for it, training samples, steps and peak megabytes; lower is better.

    Scoring and logging are off the clock. The samples seen do not depend on the hardware.
    """
    assert case.cost is not None
    return {f"eff/{name}": float(case.cost[name]) for name in COSTS}


@metric(keys=("eff/total_seconds",), direction="lower", needs=("cost",))
def total_seconds(case: Case, /) -> dict[str, float]:
    """Seconds of preparing and unlearning together, >= 0, lower is better: the time that papers print."""
    assert case.cost is not None
    return {"eff/total_seconds": case.cost["prep_seconds"] + case.cost["unlearn_seconds"]}


@metric(keys=("eff/speedup_vs_retrain",), direction="higher", needs=("retrained", "cost"), version=2)
def speedup(case: Case, /) -> dict[str, float]:
    """Mean seconds of retraining over seconds of preparing and unlearning, > 0, higher is better.

    NaN if the retrained models' cost is unknown, or the method did nothing: it saw no sample and prepared nothing. How
    fast that was says nothing.
    """
    assert case.cost is not None
    own = case.cost["prep_seconds"] + case.cost["unlearn_seconds"]
    work = case.cost["prep_seconds"] + case.cost["samples_seen_forget"] + case.cost["samples_seen_retain"]
    retraining = primitives.mean([cost["unlearn_seconds"] for cost in case.retrained_cost])
    return {"eff/speedup_vs_retrain": retraining / own if own and work else float("nan")}
