"""Files that would run code if they were more than data to their readers."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from campaign.attempts import RUN, TINY, Attempt, command


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def payloads(folder: Path) -> Iterator[Attempt]:
    """Files that would run code if they were more than data to their readers."""
    mark, whole, outputs = folder / "executed", folder / "whole-payloads", folder / "payloads"
    command("unlearn", *TINY, "reference.k=2", f"paths.outputs={whole}")
    code = pickle.dumps(Payload(mark))
    call = f"scenario:\n  _target_: pathlib.Path.touch\n  self: {mark}\n"
    files = {
        **dict.fromkeys(
            (f"{RUN}/predictions.npz", "models/*/predictions-fp32.npz", "models/*/model.safetensors"), code
        ),
        f"{RUN}/config.yaml": call.encode(),
    }
    for pattern, content in files.items():
        shutil.rmtree(outputs, ignore_errors=True)
        shutil.copytree(whole, outputs)
        for path in outputs.glob(pattern):
            path.write_bytes(content)
        faults = [command("evaluate", "evaluation=paper", f"paths.outputs={outputs}").fault(0, 1, 2)]
        faults += [command("unlearn", *TINY, "reference.k=2", f"paths.outputs={outputs}").fault(0, 1, 2)]
        faults += ["its code was executed"] if mark.exists() else []
        yield Attempt("payload", pattern, next(filter(None, faults), None))
    weights = folder / "weights.pt"
    weights.write_bytes(code)
    ended = command("unlearn", *TINY, f"paths.outputs={folder / 'weights'}", f"model.checkpoint={weights}")
    yield Attempt("payload", "model.checkpoint", "its code was executed" if mark.exists() else ended.fault(2))
