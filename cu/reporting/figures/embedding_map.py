"""Where embeddings lie before, after and retrained, on the same samples: by t-SNE, and in one common plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.metrics.findings import Floats
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.map_samples import MapSamples, choose
from cu.reporting.figures.projection import NEIGHBOURS, aligned_plane, neighbour_purity, tsne
from cu.reporting.figures.subjects import TARGET, subjects
from cu.reporting.figures.types import Drawing, LacksDataError

READING = (
    "The same samples under each model; crosses are {gone}, dots the others, numbers the classes{legend}. Purity: "
    f"share of the {NEIGHBOURS} nearest neighbours of a cross, in the embedding itself, that have its class; the value "
    "to match is the retrained model's. "
)
_MARKS: Mapping[bool, Mapping[str, Any]] = {
    False: {"marker": "o", "s": 9, "linewidths": 0, "alpha": 0.6},
    True: {"marker": "x", "s": 26, "linewidths": 1.1, "alpha": 0.95},
}


def draw(scene: FigureData) -> Drawing:
    """t-SNE, for each model on its own."""
    reading = "t-SNE is fitted for each model: distances between groups, and positions across panels, mean nothing."
    return _draw(scene, "t-SNE", reading, lambda own, _: tsne(own, scene.cache))


def draw_plane(scene: FigureData) -> Drawing:
    """All models turned onto the retrained one, in its plane of largest variance."""
    reading = (
        "Embeddings are turned onto the retrained model's (orthogonal Procrustes) and seen in the plane of its first "
        "two principal components: positions can be compared across panels."
    )

    def project(own: Floats, target: Floats | None) -> Floats:
        if target is None:
            raise LacksDataError("no retrained model to align the others to; make runs with reference.k=1 or more")
        return aligned_plane(own, target)

    return _draw(scene, "PCA", reading, project)


def _draw(scene: FigureData, by: str, reading: str, project: Callable[[Floats, Floats | None], Floats]) -> Drawing:
    samples, embeddings, notes = scene.once(("embeddings", scene.room), lambda: _embeddings(scene))
    points = {model: project(own, embeddings.get(TARGET)) for model, own in embeddings.items()}
    purity = scene.once(
        ("purity", scene.room),
        lambda: {m: neighbour_purity(own, samples.label, samples.forgotten) for m, own in embeddings.items()},
    )
    names = scene.class_names()
    common = {"sharex": True, "sharey": True} if by == "PCA" else {}
    canvas, axes = style.grid(len(points), 2, 2.5, **common)
    for ax, (model, own) in zip(axes, points.items(), strict=True):
        ax.set_gid(scene.gid(model))
        _panel(ax, own, samples, names)
        ax.set_title(model, loc="left")
        ax.set_xlabel(f"purity {100 * purity[model]:.0f} %")
    gone = f"samples of {scene.forgotten()}" if scene.kind == "class" else "forgotten training samples"
    short = {str(i): name for i, name in enumerate(names) if name != str(i)}
    shown = [f"{i} {name}" for i, name in short.items()] if len(names) <= len(style.CLASSES) else []
    legend = f" ({', '.join(shown)})" if shown else ""
    told = {model: f"{model} {100 * value:.0f} %" for model, value in purity.items()}
    return Drawing(
        title=f"Embeddings before, after and retrained ({by})",
        reading=READING.format(gone=gone, legend=legend) + reading,
        alt=f"{by} maps of {len(samples.id)} samples, {int(samples.forgotten.sum())} of them {gone}, under "
        f"{len(points)} models. Neighbours of the same class around a cross: {', '.join(told.values())}.",
        data=_frame(points, samples, purity),
        canvas=canvas,
        notes=notes,
        told=told,
    )


def _embeddings(scene: FigureData) -> tuple[MapSamples, dict[str, Floats], tuple[str, ...]]:
    models, notes = subjects(scene, scene.few(), one_seed=True)
    samples, embeddings = None, {}
    for model in models:
        ((run, path),) = model.sources
        train, test = run.splits(path, embedding=True)
        if samples is None:
            samples = choose(train, test, run.forget_ids(train), run.result.forget_classes)
        embeddings[model.label] = samples.embedding(train, test)
    assert samples is not None, "there is a subject, or subjects() has raised"
    return samples, embeddings, (*notes, *scene.left_out())


def _panel(ax: Axes, points: Floats, samples: MapSamples, names: list[str]) -> None:
    colours = np.array([style.CLASSES[int(c) % len(style.CLASSES)] for c in samples.label])
    for gone, how in _MARKS.items():
        chosen = samples.forgotten == gone
        ax.scatter(points[chosen, 0], points[chosen, 1], color=colours[chosen].tolist(), **how)
    if len(names) <= len(style.CLASSES):
        for c in np.unique(samples.label):
            own = points[(samples.label == c) & ~samples.forgotten]
            if len(own):
                x, y = np.median(own, axis=0)
                ax.annotate(str(c), (x, y), (4, 4), textcoords="offset points", fontsize=9, weight="bold")
    ax.margins(0.09)
    ax.set_xticks([])
    ax.set_yticks([])
    style.framed(ax)


def _frame(points: Mapping[str, Floats], samples: MapSamples, purity: Mapping[str, float]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame(
                {
                    **{"model": model, "split": samples.split, "id": samples.id, "label": samples.label},
                    **{"forgotten": samples.forgotten, "x": own[:, 0], "y": own[:, 1], "purity": purity[model]},
                }
            )
            for model, own in points.items()
        ],
        ignore_index=True,
    )
