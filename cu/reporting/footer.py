"""What stands below a table: holes, mixtures that make a comparison unfair, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

_LONGEST_REASON = 200


class Footnotes:
    """Numbers the reasons of a table's "n/a" cells in the order they are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        """The text of a cell that has no value, for this reason."""
        return f"n/a [{self.numbers.setdefault(reason, len(self.numbers) + 1)}]"

    def lines(self) -> tuple[str, ...]:
        """One line per reason."""
        return tuple(f"[{number}] {reason}" for reason, number in self.numbers.items())


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


def warnings(runs: pd.DataFrame, stats: Sequence[Mapping], keys: Sequence[str]) -> tuple[str, ...]:
    """What makes the rows of a table less comparable than they look."""
    finished = runs.loc[runs["state"] == "finished"]
    lines = []
    for column, what in (("commit", "commits of the code"), ("torch", "versions of torch")):
        values = finished.loc[:, column].fillna("unknown").unique()
        if len(values) > 1:
            lines.append(f"mixes {len(values)} {what}")
    if any("+dirty" in str(commit) for commit in finished["commit"]):
        lines.append("some runs were made with uncommitted changes")
    for key in keys:
        versions = {
            v for s in stats if s["key"] == key and isinstance(s["versions"], str) for v in s["versions"].split("; ")
        }
        if len(versions) > 1:
            lines.append(f"{key} mixes versions {', '.join(sorted(versions))} of its formula")
    twins = runs[runs["duplicate"]].groupby(["method", "seed"]).size()
    lines += [
        f"{method}, seed {seed}: {count} runs whose settings do not differ; shown apart by fingerprint, not averaged"
        for (method, seed), count in twins.items()  # type: ignore[misc]
    ]
    return tuple(lines)


def _unique(column: pd.Series) -> list[str]:
    return sorted(str(value) for value in column.dropna().unique())
