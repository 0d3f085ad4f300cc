"""Settings that no command may take."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from campaign.attempts import TINY, Attempt, command

WRONG = (
    *("seed=abc", "seed=-1", "seed=99999999999999999999", "seed=1.5", "seed=[1]", "seed=null", "forget_seed=x"),
    *("method=null", "dataset=null", "model=null", "scenario=null", "recipe=null", "hardware=null", "tracking=null"),
    *("evaluation=null", "reference=null", "method=nothing", "dataset=nothing", "model=../../etc", "metod=finetune"),
    *("hydra.launcher=null", "hydra.sweeper=null", "hydra/launcher=nothing", "hardware.num_threads=100000"),
    *("hardware.num_threads=0", "hardware.device=[]", "hardware.device=warp", "hardware.precision=fp8", "hardware=1"),
    *("paths.outputs=", "paths.outputs=null", "paths.data=", "paths=null", "model.checkpoint=", "model.width=0"),
    *("recipe.epochs=-1", "recipe.batch_size=0", "recipe.optimizer.lr=inf", "recipe.optimizer.lr=nan"),
    *("recipe.optimizer.lr=-1", "recipe.optimizer=null", "method.recipe=null", "method.recipe.epochs=1e9"),
    *("method._target_=os.system", "method._target_=null", "method.nothing=1", "dataset.val_fraction=2"),
    *("dataset.train_size=-5", "dataset.train_size=many", "reference.k=-1", "reference.k=two", "resume=maybe"),
    *("scenario.classes=5", "scenario.classes=[99]", "scenario.classes=[]", "evaluation.metrics=3", "trust=os"),
    *("evaluation.trajectory_every=-1", "tracking.mode=live", "objective=3", "save_model=perhaps", "revision=x"),
    *("method.recipe.optimizer.lr=inf", "model.checkpoint=/dev/null", "scenario=indices", "dataset=image_folder"),
)


def settings(folder: Path, short: bool) -> Iterator[Attempt]:
    """Wrong settings: exit code 2, one line, nothing written."""
    for word in WRONG[:: 5 if short else 1]:
        outputs = folder / "settings"
        ended = command("unlearn", *TINY, f"paths.outputs={outputs}", word)
        said = [line for line in ended.err if line.startswith("error: ")]
        fault = ended.fault(2) or (f"{len(said)} lines" if len(said) != 1 else None)
        yield Attempt("wrong setting", word, fault)
        shutil.rmtree(outputs, ignore_errors=True)
    for word in ("report.name=../../x", "report=nothing", "paths.outputs=/nowhere/at/all", "report.name="):
        where = [] if word.startswith("paths") else [f"paths.outputs={folder / 'settings'}"]
        yield Attempt("wrong setting", word, command("report", "tracking=none", *where, word).fault(2))
