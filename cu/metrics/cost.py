"""What making the model took, and how much less that is than retraining."""

from __future__ import annotations

from collections.abc import Mapping

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.spec import metric

COSTS = ("unlearn_seconds", "prep_seconds", "samples_seen_forget", "samples_seen_retain", "steps", "peak_mem_mb")
UNKNOWN = float("nan")


@metric(keys=tuple(f"eff/{name}" for name in COSTS), direction="lower", needs=("cost",), version=3)
def unlearning_cost(case: Case, /) -> dict[str, float]:
    """Seconds of unlearning and of preparing for it, samples, steps and megabytes more than before; lower is better.

    Scoring, logging and what a process does only once are off the clock. Samples are those of optimizer steps and those
    that preparation and looks at the accuracy read, once for each time they do; images made from forget
    samples count as those, held-out images and noise as retained ones. They do not depend on the hardware.
    """
    assert case.cost is not None
    return {f"eff/{name}": float(case.cost[name]) for name in COSTS}


@metric(keys=("eff/flops",), direction="lower", needs=("cost",))
def operations(case: Case, /) -> dict[str, float]:
    """Floating-point operations of all forward and backward passes on the clock, >= 0, lower is better.

    Images that went through a model times its operations; a backward pass counts as one to all weights. The only cost
    that compares machines, and methods whose steps do not cost the same. NaN for accounts that counted no passes.
    """
    assert case.cost is not None
    return {"eff/flops": float(case.cost.get("flops", UNKNOWN))}


@metric(keys=("eff/total_seconds",), direction="lower", needs=("cost",), version=2)
def total_seconds(case: Case, /) -> dict[str, float]:
    """Seconds of preparing and unlearning together, >= 0, lower is better: the time that papers print."""
    assert case.cost is not None
    return {"eff/total_seconds": case.cost["prep_seconds"] + case.cost["unlearn_seconds"]}


@metric(keys=("eff/speedup_vs_retrain",), direction="higher", needs=("retrained", "cost"), version=3)
def speedup(case: Case, /) -> dict[str, float]:
    """Mean seconds of retraining over seconds of preparing and unlearning, > 0, higher is better.

    Retraining in the seconds that it takes beside the judged method: some of its steps are timed in the same job, on
    the same machine under the same load. NaN where that was not done (the seconds of another hour say nothing; compare
    samples and operations instead), or the method did nothing: it saw no sample and prepared nothing.
    """
    assert case.cost is not None
    own = case.cost["prep_seconds"] + case.cost["unlearn_seconds"]
    timed = "retrain_seconds_per_sample" in case.cost
    retraining = primitives.mean([cost["unlearn_seconds"] for cost in case.retrained_cost])
    known = own and timed and (samples_of(case.cost) or case.cost["prep_seconds"])
    return {"eff/speedup_vs_retrain": retraining / own if known else UNKNOWN}


@metric(
    keys=("eff/samples_vs_retrain", "eff/flops_vs_retrain"), direction="higher", needs=("retrained", "cost"), version=2
)
def work_saved(case: Case, /) -> dict[str, float]:
    """Mean samples and operations of retraining over those of unlearning, > 0, higher is better, on any machine.

    NaN if the method saw no sample, or an account counted no passes.
    """
    assert case.cost is not None
    samples, flops = samples_of(case.cost), case.cost.get("flops", UNKNOWN)
    return {
        "eff/samples_vs_retrain": primitives.mean([*map(samples_of, case.retrained_cost)]) / (samples or UNKNOWN),
        "eff/flops_vs_retrain": primitives.mean([c.get("flops", UNKNOWN) for c in case.retrained_cost])
        / (flops or UNKNOWN),
    }


def samples_of(cost: Mapping[str, float]) -> float:
    """Samples of all splits."""
    return cost["samples_seen_forget"] + cost["samples_seen_retain"]
