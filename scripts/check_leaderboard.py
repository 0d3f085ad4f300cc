"""Check the rows of docs/leaderboard.md against their run folders: python scripts/check_leaderboard.py [--file FILE].

A row stands on runs in `leaderboard/NAME/` beside the page. Each must have the fingerprint of its own config, and all
together the numbers of the row. Exit code 1, with a line for each fault, if a row is not what its folders say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import yaml

from cu.disk.files import Damaged
from cu.errors import ConfigError
from cu.store.plan import plan_unlearning
from cu.store.result import RunResult, read_run_result

COLUMNS = ("name", "data set", "model", "scenario", "method", "seeds", "references")
METRICS = ("forget_test_acc", "retain_test_acc", "probe/linear_forget_test_acc")
FEWEST_SEEDS, FEWEST_REFERENCES = 3, 2
TOLERANCE = 0.0501  # percent are written with one digit


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=Path(__file__).parents[1] / "docs" / "leaderboard.md")
    page = parser.parse_args(arguments).file
    rows = list(rows_of(page.read_text(encoding="utf-8")))
    found = [f"{row[0]}: {fault}" for row in rows for fault in faults(row, page.parent / "leaderboard" / row[0])]
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(rows)} rows, {len(found)} faults")
    return int(bool(found))


def rows_of(text: str) -> Iterator[list[str]]:
    """The cells of each row of the page's table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def faults(row: Sequence[str], folder: Path) -> Iterator[str]:
    """What is wrong with a row; nothing if it is what its run folders say."""
    if len(row) != len(COLUMNS) + 2 * len(METRICS):
        yield f"has {len(row)} cells, not {len(COLUMNS) + 2 * len(METRICS)}"
        return
    places = sorted(path.parent for path in folder.rglob("result.json"))
    if not places:
        yield f"no result.json below {folder}"
        return
    results: list[RunResult] = []
    for place in places:
        try:
            results.append(checked(place))
        except (Damaged, ConfigError, OSError, yaml.YAMLError, KeyError) as error:
            yield f"{place.name}: {error}"
    if len(results) == len(places):
        yield from differences(dict(zip(COLUMNS, row, strict=False)), row[len(COLUMNS) :], results)


def checked(place: Path) -> RunResult:
    """The result of a run folder whose config has its fingerprint.

    Raises:
        ConfigError: It has not.
    """
    config = yaml.safe_load((place / "config.yaml").read_text(encoding="utf-8"))
    result = read_run_result(place)
    if result is None:
        raise ConfigError("its result.json is of an earlier version")
    plan = plan_unlearning(config, result.names)
    if not plan.fingerprint == result.fingerprint == place.name:
        raise ConfigError(
            f"config.yaml gives {plan.fingerprint}, result.json {result.fingerprint}, the folder {place.name}"
        )
    return result


def differences(told: Mapping[str, str], numbers: Sequence[str], results: Sequence[RunResult]) -> Iterator[str]:
    """Where a row says something else than its results."""
    for column, group in (("data set", "dataset"), ("model", "model"), ("scenario", "scenario"), ("method", "method")):
        names = {result.names[group] for result in results}
        if names != {told[column]}:
            yield f"{column} is {told[column]}, its runs have {', '.join(sorted(names))}"
    seeds, references = len({result.seeds for result in results}), min(result.references for result in results)
    if seeds < FEWEST_SEEDS or references < FEWEST_REFERENCES:
        yield f"{seeds} seeds and {references} retrained models; it takes {FEWEST_SEEDS} and {FEWEST_REFERENCES}"
    for column, real in (("seeds", seeds), ("references", references)):
        if told[column] != str(real):
            yield f"{column} is {told[column]}, its runs have {real}"
    expected = [mean(results, key, part) for key in METRICS for part in ("value", "gap")]
    for name, text, real in zip(
        [f"{k} {p}" for k in METRICS for p in ("value", "gap")], numbers, expected, strict=True
    ):
        if not same(text, real):
            yield f"{name} is {text}, its runs give {'n/a' if real is None else f'{real:.1f}'}"


def mean(results: Sequence[RunResult], key: str, part: str) -> float | None:
    """Percent, over all runs; None if one has no value."""
    values = [getattr(result.metrics[key], part) if key in result.metrics else None for result in results]
    known = [value for value in values if value is not None]
    return 100 * fmean(known) if len(known) == len(results) else None


def same(text: str, real: float | None) -> bool:
    """Whether a cell says a number."""
    if real is None:
        return text == "n/a"
    try:
        return abs(float(text.replace("−", "-")) - real) < TOLERANCE
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
