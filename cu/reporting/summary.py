"""One screen at the end of a run: what was forgotten, what it cost, how far it is from retraining.

One run gives no verdict: its gaps stand beside the noise floor, and a report over seeds tells which are large.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cu.evaluation.comparison import Comparison
from cu.reporting.render.escape import terminal
from cu.reporting.render.numbers import number
from cu.reporting.scales import SCALES, scale_of
from cu.reporting.statistics.intervals import wilson_interval
from cu.store.result import RunResult

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 100
HEADINGS = ("metric", "original", "unlearned", "retrained", "gap", "floor")
_DROPPED_FIRST = ("floor", "original")  # where a terminal is narrow
_ACCURACIES = (
    *("forget_train_acc", "forget_test_acc", "unlearn_score"),
    *("retain_train_acc", "retain_test_acc", "test_acc"),
)
_CONFUSION = ("ic/error", "ic/fgt")
_EARLIER = ("removed_acc", "mia/removed_auc")
_CLOSENESS = (
    *("mia/svc_confidence", "mia/rmia_auc", "cmia/gap_nn", "probe/linear_forget_test_acc", "probe/member_auc"),
    *("cka/shift", "agg/avg_gap"),
)
_ELSEWHERE = {
    "class": {"unlearn_score", "test_acc", "probe/member_auc", "mia/rmia_auc"},
    "sample": {"forget_test_acc", "retain_test_acc", "cmia/gap_nn", "probe/linear_forget_test_acc"},
}


def show(result: RunResult, stream: TextIO, folder: Path | None = None, weights: Path | None = None) -> None:
    """Print the summary: as wide as a terminal is, as plain text of at most 100 columns anywhere else.

    Args:
        result: Of the run.
        stream: Where to.
        folder: Of the run, to be named.
        weights: The new weights, if they were kept.
    """
    from rich.console import Console

    places = _places(folder, weights)
    if stream.isatty():
        _print(result, Console(file=stream, highlight=False))
        stream.write(places)
        return
    plain = text(result) + places
    stream.write(plain.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))


def text(result: RunResult, width: int = WIDTH) -> str:
    """The summary without colours."""
    from rich.console import Console

    buffer = io.StringIO()
    _print(result, Console(file=buffer, width=width, color_system=None, highlight=False, force_terminal=False))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _print(result: RunResult, console: Console) -> None:
    from rich.text import Text

    entries = headlines(result)
    for i, line in enumerate((_title(result), _forgotten(result), *_settings(result), _cost(result))):
        console.print(Text(terminal(line), "" if i else "bold", overflow="ellipsis", no_wrap=True))
    console.print()
    notes = _notes(result, entries)
    if entries:
        notes += _table(entries, console)
    else:
        console.print("None of the headline metrics was evaluated.")
    for line in notes:
        console.print(Text(terminal(line)))


def headlines(result: RunResult) -> dict[str, Comparison]:
    """The metrics worth a line; those of swapped labels and of earlier requests only where there are such."""
    wanted = (k for k in (*_ACCURACIES, *_EARLIER, *_CONFUSION, *_CLOSENESS) if k not in _ELSEWHERE[result.scenario])
    shown = {key: result.metrics[key] for key in wanted if key in result.metrics}
    sometimes = {*_CONFUSION, *_EARLIER}
    return {key: entry for key, entry in shown.items() if key not in sometimes or entry.status == "ok"}


def _value(result: RunResult, key: str) -> float | None:
    entry = result.metrics.get(key)
    return entry.value if entry else None


def _title(result: RunResult) -> str:
    where = " / ".join(str(result.names.get(level, "?")) for level in ("dataset", "model", "scenario"))
    method = result.names.get("method", "?")
    return f"{method} on {where}, seed {result.seeds.seed} [{result.fingerprint[:12]}]"


def _settings(result: RunResult) -> list[str]:
    """A line on settings that somebody chose for the method."""
    chosen = str(result.names.get("settings", "none"))
    return [] if chosen in ("none", "null") else [f"Settings {chosen}"]


def _places(folder: Path | None, weights: Path | None) -> str:
    """Where things are; lines that are never cut, since one copies them."""
    if folder is None:
        return ""
    kept = terminal(str(weights)) if weights is not None else "not kept; save_model=true keeps them"
    return f"Run      {terminal(str(folder))}\nWeights  {kept}\n"


def _forgotten(result: RunResult) -> str:
    forget, retain = (result.split_sizes.get(split, 0) for split in ("forget", "retain"))
    count = f"{forget:,} of {forget + retain:,} training samples"
    if not result.forget_classes:
        return f"Forgot   {count}"
    names = dict(enumerate(result.class_names))
    words = [f"{c} ({names[c]})" if names.get(c, str(c)) != str(c) else str(c) for c in result.forget_classes]
    return f"Forgot   class{'es' if len(words) > 1 else ''} {', '.join(words)}: {count}"


def _cost(result: RunResult) -> str:
    seconds = _value(result, "eff/unlearn_seconds")
    seconds = result.timings.get("unlearn_seconds") if seconds is None else seconds
    forget, retain = (_value(result, f"eff/samples_seen_{split}") for split in ("forget", "retain"))
    speedup = _value(result, "eff/speedup_vs_retrain")
    shown = number(seconds, SCALES["seconds"])
    parts = [f"{shown} s"]
    if forget is not None and retain is not None:
        parts.append(f"{forget + retain:,.0f} samples seen ({forget:,.0f} forget, {retain:,.0f} retain)")
    # A ratio to what is shown as no time at all is not a speed.
    if speedup is not None and shown != number(0.0, SCALES["seconds"]):
        parts.append(f"{number(speedup, SCALES['times'])}× as fast as retraining")
    return "Cost     " + ", ".join(parts)


def _table(entries: dict[str, Comparison], console: Console) -> list[str]:
    """Print the headline metrics; one line on the columns that a narrow terminal has no room for."""
    from rich import box
    from rich.table import Table

    lines = [_row(key, entry) for key, entry in entries.items()]
    kept, dropped = list(range(len(HEADINGS))), []
    widths = [max(len(line[i]) for line in [HEADINGS, *lines]) + 2 for i in kept]
    for name in _DROPPED_FIRST:
        if sum(widths[i] for i in kept) - 2 > console.width:
            kept.remove(HEADINGS.index(name))
            dropped.append(name)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i in kept:
        table.add_column(HEADINGS[i], justify="right" if i else "left", no_wrap=bool(i), overflow="fold")
    for line in lines:
        table.add_row(*(line[i] for i in kept))
    console.print(table)
    return [f"No room for {' and '.join(dropped)}: result.json has them."] if dropped else []


def _row(key: str, entry: Comparison) -> list[str]:
    scale = SCALES[scale_of(key)]
    values = [number(part, scale) for part in (entry.original, entry.value, entry.ref)]
    name = f"{key} \\[{scale.unit}]" if scale.unit else key
    return [name, *values, number(entry.gap, scale, signed=True), number(entry.floor, scale)]


def _interval(result: RunResult) -> str | None:
    """How far the number of images alone leaves the headline accuracy open; nothing about other seeds."""
    key, split = ("forget_test_acc", "test_forget") if result.scenario == "class" else ("forget_train_acc", "forget")
    share, trials = _value(result, key), result.split_sizes.get(split, 0)
    if share is None or not 0 <= share <= 1 or trials < 1:
        return None
    low, high = (number(bound, SCALES["percent"]) for bound in wilson_interval(round(share * trials), trials))
    return f"{key} of {trials:,} images: 95 % interval {low} to {high} %, within this run"


def _notes(result: RunResult, entries: dict[str, Comparison]) -> list[str]:
    notes = [f"doubt    {line}" for line in result.doubts]
    notes += [interval] if (interval := _interval(result)) else []
    if result.references == 0:
        notes.append("No retrained model to compare with: set reference.k=1, or 2 for a noise floor.")
    elif result.references == 1:
        notes.append("One retrained model: no noise floor; set reference.k=2 or more.")
    if any(entry.floor is not None and not math.isnan(entry.floor) for entry in entries.values()):
        notes.append("floor: what two retrained models differ by. One run gives no verdict: cu-report over seeds does.")
    reasons: dict[str, list[str]] = {}
    for key, entry in entries.items():
        if entry.status != "ok":
            reasons.setdefault(entry.note or entry.status, []).append(key)
    return notes + [f"n/a      {', '.join(keys)}: {reason}" for reason, keys in reasons.items()]
