"""How often each verdict is wrong about real retrained models, where it may be wrong in 5 % of the cases.

    python scripts/calibration.py [--outputs outputs/calibration] [--classes 3 5 8] [--draws 200]

Trains 12 retrained models of digits per forgotten class (kept in the outputs folder), plays some of them as the method
and others as the references of two or three runs, and prints per verdict how often it is given where it must not be:
`large` (star) and dagger to a row of retrained models, bold to one of two methods that are both retraining, and
`equivalent` to a method that is off by exactly the margin. Intervals are Wilson's; draws share the 12 models, so they
are narrower than they should be. Exit code 1 if a lower end is above 5 %.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.folder import config_folder
from cu.data.task import make_task
from cu.evaluation.cases import by_split
from cu.evaluation.compare import compare
from cu.evaluation.comparison import Comparison
from cu.evaluation.facing import compares, in_place, judge, judge_pairs, judge_reference
from cu.evaluation.suite import Metrics, spec_of
from cu.experiment.workspace import set_up
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions
from cu.reporting.collect.images import images_of
from cu.reporting.statistics.aggregate import Cells
from cu.reporting.statistics.hidden_knowledge import exposing_key
from cu.reporting.statistics.intervals import wilson_interval
from cu.reporting.statistics.judge import closest, is_equivalent, is_large
from cu.reporting.statistics.judge import judge as verdicts
from cu.reporting.statistics.types import Statistic
from cu.seeds import derive_seed, generator
from cu.store.plan import plan_unlearning

MODELS, LEVEL = 12, 0.05
SETTINGS = ((2, 2), (3, 2), (2, 3))  # runs, and retrained models per run; two methods are judged in each
VERDICTS = ("large", "dagger", "bold", "equivalent")


@dataclass(frozen=True, eq=False)
class Pool:
    """Retrained models of one task.

    Attributes:
        case: The task; whichever model it judges does not matter.
        models: Retrained from seeds of their own.
        sizes: Samples by split.
        shown: Keys of the default table: the family that a row's stars are corrected for.
    """

    case: Case
    models: tuple[ModelPredictions, ...]
    sizes: Mapping[str, int]
    shown: tuple[str, ...]


def rates(pool: Pool, suite: Metrics, runs: int, count: int, draws: int, source: np.random.Generator) -> Counter[str]:
    """How many verdicts were given (`large`, ...) of how many that could be (`of large`, ...)."""
    found: Counter[str] = Counter()
    for _ in range(draws):
        chosen = source.permutation(len(pool.models))[: runs * (2 + count)].reshape(runs, 2 + count).tolist()
        per_run = [compared(pool, suite, those[:2], those[2:]) for those in chosen]
        first, second = (
            {s.key: s for s in statistics(pool, [run[method] for run in per_run], count, f"method {method}")}
            for method in range(2)
        )
        shown = [s for s in first.values() if s.key in pool.shown]
        note(found, "large", any(is_large(s) for s in judged(shown)))
        note(found, "dagger", exposing_key(first, 0.01) is not None)
        both = [key for key in first if key in second]
        rivals = (judged(method[key] for key in both) for method in (first, second))
        for own, other in zip(*rivals, strict=True):
            if own.direction == "match_retrained" and own.margin > 0 and own.gap_n == runs:
                note(found, "bold", closest([own, other], [own.row, other.row]) is not None)
                note(found, "equivalent", is_equivalent(judged([shifted(first[own.key])])[0]))
    return found


def compared(
    pool: Pool, suite: Metrics, methods: Sequence[int], references: Sequence[int]
) -> list[dict[str, Comparison]]:
    """One run: each method's outcome beside the same references."""
    retrained = tuple(pool.models[i] for i in references)
    case = replace(pool.case, retrained=retrained)
    own = [in_place(case, model, None) for model in retrained]
    refs = [judge_reference(suite, seen, i) for i, seen in enumerate(own)]
    pairs = {(i, j): values for i, seen in enumerate(own) for j, values in judge_pairs(suite, seen, i).items()}
    assert case.original is not None
    before = judge(suite, in_place(case, case.original, None))
    outcomes = [judge(suite, in_place(case, pool.models[i], None)) for i in methods]
    return [compare(suite, outcome, refs, before, pairs) for outcome in outcomes]


def statistics(pool: Pool, runs: Sequence[Mapping[str, Comparison]], count: int, method: str) -> Iterator[Statistic]:
    """What the runs say together about each key, as a report has it."""
    for key in runs[0]:
        seen = {(n, n, n): run[key] for n, run in enumerate(runs) if run[key].gap is not None}
        entries = list(seen.values())
        if not entries:
            continue
        gaps = {seeds: float(entry.gap or 0.0) for seeds, entry in seen.items()}
        yield Statistic(
            dataset="digits",
            model="",
            scenario="class",
            data_setting="",
            method=method,
            setting="",
            key=key,
            mean=average(entry.value for entry in entries),
            ref=average(entry.ref for entry in entries),
            gap=average(gaps.values()),
            gap_n=len(gaps),
            abs_gap=average(map(abs, gaps.values())),
            floor=average(entry.floor for entry in entries),
            original=average(entry.original for entry in entries),
            direction=entries[0].direction,
            references=count,
            images=images_of(key, pool.sizes) or 0,
            margin=entries[0].margin or math.nan,
            gaps=gaps,
            stds={seeds: math.nan if entry.ref_std is None else entry.ref_std for seeds, entry in seen.items()},
            counts=dict.fromkeys(seen, count),
        )


def average(values: Any) -> float:
    """Mean; NaN if one is missing."""
    return float(np.mean([math.nan if value is None else value for value in values]))


def judged(stats: Any) -> list[Statistic]:
    """Statistics with p-values, corrected within the row they belong to."""
    nothing = pd.DataFrame()
    return list(verdicts(Cells(tuple(stats), nothing, nothing, ()), lambda s: [s.key], {}).stats)


def shifted(stat: Statistic) -> Statistic:
    """The statistic of a method that is off by exactly the margin, away from where it happened to be."""
    by = math.copysign(stat.margin, 0.5 - stat.ref)
    gaps = {seeds: gap + by for seeds, gap in stat.gaps.items()}
    return replace(stat, mean=stat.mean + by, gap=stat.gap + by, gaps=gaps)


def note(found: Counter[str], verdict: str, given: bool) -> None:
    """Count one case."""
    found[verdict] += given
    found[f"of {verdict}"] += 1


def remembered(function: Callable[[Case], Mapping[str, float]]) -> Callable[[Case], Mapping[str, float]]:
    """A metric that is computed once for each model, and for the retrained ones that it faces if it looks at them."""
    apart = compares(spec_of(function))
    known: dict[tuple[int, ...], Mapping[str, float]] = {}

    def once(case: Case, /) -> Mapping[str, float]:
        asked = (id(case.model), *map(id, case.retrained if apart else ()))
        if asked not in known:
            known[asked] = function(case)
        return known[asked]

    once.spec = spec_of(function)  # type: ignore[attr-defined]
    return once


def pool_of(outputs: Path, digit: int) -> tuple[Pool, Metrics]:
    """The retrained models of one forgotten digit, trained or loaded, and the metrics that read models alone."""
    asked = [f"scenario.classes=[{digit}]", "method=original", f"paths.outputs={outputs}", "tracking=none"]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = OmegaConf.to_container(compose("unlearn", asked), resolve=True)
        report = compose("report").report.columns["class"]
    assert isinstance(config, dict)
    names = {"dataset": "digits", "model": "slim", "recipe": "short", "scenario": "class", "method": "original"}
    plan = plan_unlearning({str(key): value for key, value in config.items()}, names)
    workspace = set_up(plan.config, plan.original)
    task = make_task(workspace.data, build(plan.config.scenario), generator(0, "forget"))
    outcomes = [workspace.reference(task.retain, number) for number in range(MODELS)]
    models = tuple(by_split(workspace.scores(stored), task) for stored in outcomes)
    case = Case(
        model=models[0],
        retrained=models,
        original=by_split(workspace.scores(workspace.original()), task),
        scenario="class",
        forget_classes=task.forget_classes,
        num_classes=task.num_classes,
        seed=derive_seed(0, "evaluation"),
    )
    metrics = {str(name): instantiate(node) for name, node in config["evaluation"]["metrics"].items()}
    suite = {name: remembered(f) for name, f in metrics.items() if "cost" not in spec_of(f).needs}
    sizes = {name: len(getattr(task, name)) for name in ("retain", "forget", "val", "test", "test_forget")}
    return Pool(case, models, sizes, tuple(column["key"] for column in report)), suite


def main() -> int:
    """Print one line per verdict and setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=Path, default=Path("outputs/calibration"))
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 5, 8])
    parser.add_argument("--draws", type=int, default=200, help="per class and setting")
    options = parser.parse_args()
    counted = {setting: Counter[str]() for setting in SETTINGS}
    for digit in options.classes:
        pool, suite = pool_of(options.outputs, digit)
        count = partial(rates, pool, suite, draws=options.draws)
        for runs, references in SETTINGS:
            counted[runs, references] += count(runs, references, source=np.random.default_rng(digit))
    wrong = 0
    for (runs, references), found in counted.items():
        for verdict in VERDICTS:
            given, cases = found[verdict], found[f"of {verdict}"]
            low, high = wilson_interval(given, cases)
            wrong += low > LEVEL
            share = f"{100 * given / max(cases, 1):4.1f} %  [{100 * low:4.1f}, {100 * high:4.1f}] of {cases}"
            print(f"{runs} runs, {references} references each  {verdict:<10}  {share}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
