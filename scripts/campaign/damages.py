"""Every kind of file of a run in every kind of damage."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from campaign.attempts import RUN, TINY, Attempt, command, numbers

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "random": lambda content: random.Random(0).randbytes(max(64, len(content))),
    "other type": lambda content: b"[1, 2]\n",
    "mapping": lambda content: b"{}\n",
    "gone": lambda content: None,
}


def damages(folder: Path, short: bool) -> Iterator[Attempt]:
    """Every kind of file that a run leaves in every kind of damage."""
    whole = folder / "whole-files"
    words = [*TINY, "reference.k=2", "save_model=true"]
    command("unlearn", *words, f"paths.outputs={whole}")
    for pattern in kinds(whole)[:: 4 if short else 1]:
        for name in list(DAMAGES)[:: 3 if short else 1]:
            outputs = damaged(whole, folder / "damaged", pattern, DAMAGES[name])
            for use, fault in used(whole, outputs, words):
                yield Attempt(f"damaged file, {use}", f"{pattern} {name}", fault)


def damaged(whole: Path, outputs: Path, pattern: str, damage: Callable[[bytes], bytes | None]) -> Path:
    """A copy of a folder with some of its files damaged."""
    shutil.rmtree(outputs, ignore_errors=True)
    shutil.copytree(whole, outputs)
    for path in outputs.glob(pattern):
        content = damage(path.read_bytes())
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return outputs


def used(whole: Path, outputs: Path, words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each command that reads a damaged folder, and what was wrong with it."""
    yield "report", command("report", "tracking=none", f"paths.outputs={outputs}").fault(0, 2)
    yield "statement", statement_fault(whole, outputs)
    yield "judged again", command("evaluate", "evaluation=paper", f"paths.outputs={outputs}").fault(0, 1, 2)
    ended = command("unlearn", *words, f"paths.outputs={outputs}")
    fault = ended.fault(0, 1, 2)
    if fault is None and ended.code == 0:
        fault = "other numbers" if numbers(outputs) != numbers(whole) else missing_or_changed(whole, outputs)
    yield "typed again", fault


def statement_fault(whole: Path, outputs: Path) -> str | None:
    """Whether a statement on a damaged run is refused in one line, says the same as before, or has one more doubt."""
    said = []
    for folder in (whole, outputs):
        (run,) = folder.glob(RUN)
        ended = command("statement", run, folder)
        if ended.code:
            return ended.fault(2) if folder == outputs else "no statement on the whole run"
        facts = json.loads((folder / "statement.json").read_text(encoding="utf-8"))
        said.append({**facts, "run": facts["run"]["fingerprint"]})
    warned = len(said[1]["doubts"]) > len(said[0]["doubts"])
    return None if warned or said[0] == said[1] else "another statement"


def kinds(outputs: Path) -> list[str]:
    """A pattern for every kind of file that lies below a folder: the identities of runs and models are left open."""
    files = (path.relative_to(outputs) for path in outputs.rglob("*") if path.is_file())
    return sorted({str(Path(*map(opened, file.parts))) for file in files})


def opened(name: str) -> str:
    """A part of a path, or a pattern if it is an identity."""
    return re.sub(r"^[0-9a-f]{16}(?=$|\.)", "*", name)


def missing_or_changed(whole: Path, outputs: Path) -> str | None:
    """Which weights are not what they were."""
    for pattern in (f"{RUN}/model.safetensors", "models/*/model.safetensors"):
        for path in whole.glob(pattern):
            other = outputs / path.relative_to(whole)
            if not other.exists() or other.read_bytes() != path.read_bytes():
                return f"{path.relative_to(whole)} is not what it was"
    return None
