"""The figures of a report, drawn from an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast, get_args

import numpy as np

from cu.disk.files import write_text
from cu.errors import ConfigError
from cu.evaluation.comparison import Comparison
from cu.metrics.case import Case, ModelPredictions
from cu.reporting.figures import style
from cu.reporting.figures.build import DRAW
from cu.reporting.figures.data import FigureData, FigureRow
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.figures.types import LacksDataError
from cu.reporting.types import FigureName
from cu.store.forget_ids import NAME
from cu.store.outputs import save_scores
from cu.store.result import Models, Provenance, RunResult, Seeds, write_result

DRAWN = ("histograms", "roc", "destinations", "embedding_map")  # those that one run has all data for


@dataclass(frozen=True)
class Picture:
    """A figure that a notebook shows: `svg`, `title`, how to read it in `caption`, and what it shows in words."""

    title: str
    caption: str
    alt: str
    svg: str

    def _repr_html_(self) -> str:
        return f"<figure><figcaption><b>{self.title}.</b> {self.caption}</figcaption>{self.svg}</figure>"


def pictures(
    case: Case, metrics: Mapping[str, Comparison], class_names: tuple[str, ...], names: tuple[str, ...]
) -> list[Picture]:
    """Figures by name, or all that there is data for; files lie in a temporary folder while they are drawn.

    Raises:
        ConfigError: There is no figure of that name, or no data for it.
    """
    found = []
    for name in names:
        if name not in get_args(FigureName):
            raise ConfigError(f"{name!r} is no figure; there are {', '.join(get_args(FigureName))}")
    with TemporaryDirectory() as folder, style.styled():
        scene = scene_of(Path(folder), case, metrics, class_names)
        for name in names or DRAWN:
            draw = DRAW[cast(FigureName, name)].get(case.scenario)
            try:
                if draw is None:
                    raise LacksDataError(f"it shows no {case.scenario} scenario")
                drawing = draw(scene)
            except LacksDataError as why:
                if names:
                    raise ConfigError(f"figure {name}: {why}") from why
                continue
            svg, _, _ = style.render(drawing.canvas)
            found.append(Picture(drawing.title, drawing.reading, drawing.alt, svg))
    return found


def scene_of(folder: Path, case: Case, metrics: Mapping[str, Comparison], class_names: tuple[str, ...]) -> FigureData:
    """An audit as the one finished run of a report, below a folder."""
    run = folder.joinpath("runs", "data", "model", case.scenario, "unlearned", "audit")
    assert case.original is not None
    models = {"original": case.original, **{f"retrained{i}": own for i, own in enumerate(case.retrained)}}
    for name, own in models.items():
        save_scores(folder / "models" / name / "predictions-fp32.npz", arrays_of(own))
    save_scores(run / "predictions.npz", arrays_of(case.model))
    write_text(run / NAME, "\n".join(["id", *map(str, case.model.forget.id.tolist())]) + "\n")
    write_result(run, result_of(case, metrics, class_names, tuple(models)[1:]))
    row = FigureRow("unlearned", "", (RunRecord(run),))
    return FigureData(
        title="audit", kind=case.scenario, rows=(row,), yardsticks=(), stats={}, references={}, columns=(), cache=None
    )


def result_of(
    case: Case, metrics: Mapping[str, Comparison], class_names: tuple[str, ...], retrained: tuple[str, ...]
) -> RunResult:
    """The record of an audit."""
    return RunResult(
        fingerprint="audit",
        evaluation_id="audit",
        names={"dataset": "data", "model": "model", "scenario": case.scenario, "method": "unlearned"},
        scenario=case.scenario,
        forget_classes=case.forget_classes,
        class_names=class_names,
        seeds=Seeds(seed=0, forget_seed=0, method_seed=0),
        references=len(retrained),
        models=Models(original="original", retrained=retrained),
        split_sizes={n: len(getattr(case.model, n)) for n in ("retain", "forget", "val", "test", "test_forget")},
        timings={},
        cost={name: value for name, value in (case.cost or {}).items() if np.isfinite(value)},
        evaluation="audit",
        metrics=metrics,
        provenance=Provenance(versions={"date": str(date.today())}, commit=None, dirty=None, machine={}),
    )


def arrays_of(model: ModelPredictions) -> dict[str, np.ndarray]:
    """A network's outputs as a run keeps them."""
    parts = {"train": (model.retain, model.forget), "val": (model.val,), "test": (model.test_retain, model.test_forget)}
    names = {"logits": "logits", "embedding": "embedding", "label": "label", "id": "id"}
    return {
        f"{split}/{name}": np.concatenate([getattr(part, field) for part in found])
        for split, found in parts.items()
        for name, field in names.items()
    }
