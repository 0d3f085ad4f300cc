"""One screen at the end of a run: what was forgotten, what it cost, how far it is from retraining."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from cu.evaluation.comparison import Comparison
from cu.reporting.formats import SCALES, number, scale_of
from cu.reporting.headlines import exceeds_floor, headlines, value_of
from cu.reporting.illusion import HEAD, betrayed_by
from cu.reporting.statistics import wilson_interval
from cu.store.result import RunResult

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

WIDTH = 100
HEAD_MARGIN = 0.01  # one point of accuracy on forgotten test samples, as in configs/report/default.yaml


def summary(result: RunResult) -> Group:
    """The end of a run as something rich can print; in one screen.

    At most 20 lines. A gap is starred and coloured only when it exceeds the noise floor.
    """
    from rich.console import Group
    from rich.text import Text

    head, tail = [_title(result), _forgotten(result), _cost(result)], _notes(result)
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in (*head, *tail)]
    lines[0].stylize("bold")
    if warning := _illusion(result):
        lines.insert(len(head), Text(warning, "bold yellow"))
    table = _table(result)
    body = table if table.row_count else Text("None of the headline metrics was evaluated.")
    return Group(*lines[: len(head)], Text(""), body, *lines[len(head) :])


def show(result: RunResult, stream: TextIO) -> None:
    """Print the summary: in colour on a terminal, as plain text of at most 100 columns anywhere else."""
    from rich.console import Console

    if stream.isatty():
        Console(file=stream, highlight=False).print(summary(result))
        return
    plain = text(result)
    stream.write(plain.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))


def text(result: RunResult) -> str:
    """The summary without colours, at most 100 columns wide."""
    from rich.console import Console

    buffer = io.StringIO()
    Console(file=buffer, width=WIDTH, color_system=None, highlight=False, force_terminal=False).print(summary(result))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _title(result: RunResult) -> str:
    names, seeds = result.names, result.seeds
    where = " / ".join(str(names[level]) for level in ("dataset", "model", "scenario"))
    return f"{names['method']} on {where}, seed {seeds.seed} [{result.fingerprint[:12]}]"


def _forgotten(result: RunResult) -> str:
    sizes, classes = result.split_sizes, result.forget_classes
    count = f"{sizes['forget']:,} of {sizes['forget'] + sizes['retain']:,} training samples"
    if not classes:
        return f"Forgot   {count}"
    names = result.class_names
    words = [f"{c} ({names[c]})" if c < len(names) and names[c] != str(c) else str(c) for c in classes]
    named = f"class{'es' if len(classes) > 1 else ''} {', '.join(words)}"
    return f"Forgot   {named}: {count}"


def _cost(result: RunResult) -> str:
    seconds = value_of(result, "eff/unlearn_seconds")
    if seconds is None:
        seconds = result.timings.get("unlearn_seconds")
    samples = [value_of(result, f"eff/samples_seen_{split}") for split in ("forget", "retain")]
    speedup = value_of(result, "eff/speedup_vs_retrain")
    shown = number(seconds, SCALES["seconds"])
    parts = [f"{shown} s"]
    if all(sample is not None for sample in samples):
        forget, retain = (int(sample or 0) for sample in samples)
        parts.append(f"{forget + retain:,} samples seen ({forget:,} forget, {retain:,} retain)")
    # A ratio to what is shown as no time at all is not a speed.
    if speedup is not None and shown != number(0.0, SCALES["seconds"]):
        parts.append(f"{number(speedup, SCALES['times'])}× as fast as retraining")
    return "Cost     " + ", ".join(parts)


def _table(result: RunResult) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("metric", no_wrap=True)
    for heading in ("original", "unlearned", "retrained", "gap", "", "floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key, entry in headlines(result).items():
        table.add_row(*_row(key, entry))
    return table


def _row(key: str, entry: Comparison) -> list[Any]:
    from rich.text import Text

    scale = SCALES[scale_of(key)]
    texts = [number(getattr(entry, part), scale) for part in ("original", "value", "ref")]
    beyond = exceeds_floor(entry)
    gap = Text(number(entry.gap, scale, signed=True), "bold red" if beyond else "")
    name = f"{key} [{scale.unit}]" if scale.unit else key
    return [name, *texts, gap, "*" if beyond else "", number(entry.floor, scale)]


_STILL = {
    "probe/linear_forget_test_acc": "a linear probe on the embedding still finds {} %",
    "probe/fewshot10_forget_acc": "a linear probe on the embedding, shown 10 images, still finds {} %",
    "cka/forget_to_original": "the embedding is still like the original's: CKA {}",
}


def _interval(result: RunResult) -> str | None:
    """How far the number of images alone leaves the headline accuracy open; nothing about other seeds."""
    key, split = ("forget_test_acc", "test_forget") if result.scenario == "class" else ("forget_train_acc", "forget")
    share, trials = value_of(result, key), result.split_sizes.get(split) or 0
    if share is None or not trials:
        return None
    low, high = (number(bound, SCALES["percent"]) for bound in wilson_interval(round(share * trials), trials))
    return f"{key} of {trials:,} images: 95 % interval {low} to {high} %, within this run"


def _illusion(result: RunResult) -> str | None:
    """One plain sentence if the head denies what the embedding still knows."""
    key = (
        betrayed_by({k: asdict(e) for k, e in result.metrics.items()}, HEAD_MARGIN)
        if result.scenario == "class"
        else None
    )
    if key is None:
        return None
    scale, entry = SCALES[scale_of(key)], result.metrics[key]
    head = number(value_of(result, HEAD), SCALES["percent"])
    found, target = (
        number(entry.value, scale),
        number(entry.ref, scale) + (f" {scale.unit}" if scale.unit else ""),
    )
    return f"looks forgotten, is not: the head says {head} %, {_STILL[key].format(found)} (retrained {target})"


def _notes(result: RunResult) -> list[str]:
    entries = headlines(result)
    notes = [interval] if (interval := _interval(result)) else []
    if result.references == 0:
        notes.append("No retrained model to compare with: set reference.k=1, or 2 for a noise floor.")
    elif result.references == 1:
        notes.append("One retrained model: no noise floor, so no gap is called large; set reference.k=2 or more.")
    if any(exceeds_floor(entry) for entry in entries.values()):
        notes.append("* further from the retrained model than retrained models are from each other (floor)")
    reasons: dict[str, list[str]] = {}
    for key, entry in entries.items():
        if entry.status != "ok":
            reasons.setdefault(entry.status, []).append(key)
    notes += [f"n/a      {', '.join(keys)}: {reason}" for reason, keys in reasons.items()]
    return notes
