"""What stands below a table: what marks mean, what makes a comparison unfair, holes, and where numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from cu.reporting.statistics.replicates import replicates
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import FEWEST
from cu.reporting.tables.types import Note, RowMark

_LONGEST_REASON = 200
_ALWAYS = (
    "mean ± std over seeds (gap to the retrained model, paired by seed); for retrained (reference), ± is the spread of "
    "single retrained models. →ref: the retrained value is the target; "
)
LEGEND = _ALWAYS + (
    "bold: closest to it among the unlearning methods by mean absolute gap, within the margin, and closer than every "
    "other in a paired test over seeds (of two equal methods one is bold in at most 5 % of columns)."
)
NO_VERDICTS = _ALWAYS + (
    "no verdicts: they need two seeds or more, and two retrained models or more in each (reference.k=2); nothing is "
    "bold, and no gap is called large or equivalent."
)
EXPOSED = (
    "looks forgotten, is not: the head is as accurate on forgotten classes as the retrained model's, but a probe or "
    "CKA of the embedding is nearer to the original's, and further on its side than retrained models would be (t-test "
    "over runs; at most 5 % of retrained models get this mark); such a row is never bold"
)
DRIFT = (
    "not shown to be nearer to retraining than statistics_only, which moves no weight and only lets the forget batches "
    "pass in training mode: its outcome may be drift of batch normalisation's statistics (average gap, paired t-test "
    "over seeds; of methods that are that baseline's equal 5 % escape this mark)"
)
ROW_MARKS: Mapping[RowMark, str] = {"exposed": EXPOSED, "drift": DRIFT}
LARGE = (
    "further from the retrained models than they are from each other (t-test over runs after Holm's correction over "
    "the metrics of the row: at most 5 % of rows of retrained models have such a mark)"
)
EQUIVALENT = (
    "equivalent to retraining: the paired gap is within {}, the error of the finite number of images included (two "
    "one-sided t-tests over seeds, p < 0.05 after Holm's correction over the methods of the column). A missing mark "
    "proves nothing, and a row that lacks seeds gets none"
)


class Footnotes:
    """Numbers the reasons of a table's cells in the order they are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        """Of the footnote with this reason."""
        return self.numbers.setdefault(reason, len(self.numbers) + 1)

    def notes(self) -> tuple[Note, ...]:
        """One per reason."""
        return tuple(Note(text=reason, mark=number) for reason, number in self.numbers.items())


def legend(stats: Iterable[Statistic]) -> str:
    """How to read the cells; says so where runs are too few for any verdict."""
    judged = any(replicates(s) >= FEWEST and s.references >= FEWEST for s in stats)
    return LEGEND if judged else NO_VERDICTS


def margins_said(margins: Mapping[Any, float]) -> str:
    """The margins that count, as one reads them."""
    if not margins:
        return "the metric's own margin"
    return " or ".join(
        f"{m * 100:g} {'point' if m == 0.01 else 'points'}" if scale == "percent" else f"{m:g}"
        for scale, m in margins.items()
    )


def hole_lines(holes: pd.DataFrame) -> tuple[str, ...]:
    """One line per run that should be in a table and is not, with the reason it left behind."""
    return tuple(_hole(hole) for hole in holes.to_dict("records"))


def _hole(hole: Mapping) -> str:
    setting = f" ({hole['setting']})" if hole["setting"] else ""
    # The last line of a traceback is the one that says what happened.
    lines = [line.strip() for line in str(hole["reason"] or "").splitlines() if line.strip()]
    reason = lines[-1] if lines else "no reason recorded"
    reason = reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
    return f"{hole['method']}{setting}, {_seeds(hole)}: {hole['state']}: {reason}"


def _seeds(run: Mapping) -> str:
    if pd.isna(run["seed"]):
        return "seed unknown"
    text = f"seed {run['seed']}"
    if not run["seed"] == run["forget_seed"] == run["method_seed"]:
        text += f" (forget_seed {run['forget_seed']}, method_seed {run['method_seed']})"
    return text


def provenance(runs: pd.DataFrame) -> str:
    """How many runs a table was made from, and by which code. No dates: equal runs give equal files."""
    finished = runs.loc[runs["state"] == "finished"]
    commits = [
        str(commit)[:12] + ("+dirty" if str(commit).endswith("+dirty") else "")
        for commit in _unique(finished.loc[:, "commit"])
    ]
    versions = _unique(finished.loc[:, "torch"])
    return (
        f"{len(finished)} of {len(runs)} runs finished; commit {', '.join(commits) or 'unknown'}; "
        f"torch {', '.join(versions) or 'unknown'}"
    )


def warnings(runs: pd.DataFrame, stats: Iterable[Statistic], keys: Sequence[str]) -> tuple[str, ...]:
    """What makes the rows of a table less comparable than they look."""
    finished = runs.loc[runs["state"] == "finished"]
    lines = []
    for column, what in (("commit", "commits of the code"), ("torch", "versions of torch")):
        values = finished.loc[:, column].fillna("unknown").unique()
        if len(values) > 1:
            lines.append(f"mixes {len(values)} {what}")
    if any("+dirty" in str(commit) for commit in finished["commit"]):
        lines.append("some runs were made with uncommitted changes")
    versions: dict[str, set[str]] = {key: set() for key in keys}
    for stat in stats:
        if stat.key in versions and stat.versions:
            versions[stat.key].update(stat.versions.split("; "))
    lines += [f"{k} mixes versions {', '.join(sorted(v))} of its formula" for k, v in versions.items() if len(v) > 1]
    twins = runs[runs["duplicate"]].groupby(["method", "seed"]).size()
    lines += [
        f"{method}, seed {seed}: {count} runs whose settings do not differ; shown apart by fingerprint, not averaged"
        for (method, seed), count in twins.items()  # type: ignore[misc]
    ]
    return tuple(lines)


def _unique(column: pd.Series) -> list[str]:
    return sorted(str(value) for value in column.dropna().unique())
