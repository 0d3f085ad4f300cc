import pytest

from cu.metrics.relearning.speed import CURVE


@pytest.fixture
def relearned(study):
    """Two seeds of two methods: contrastive remembers at once, scrub as slowly as the retrained models."""

    def metrics(reach):
        curve = {f"relearn/curve@{s}": study.metric(min(1, s / reach), min(1, s / 50), original=1) for s in CURVE}
        layers = {
            f"cka/layer{depth}_{split}_to_{whom}": study.metric(1 - depth / reach, 1 - depth / 50, original=1)
            for depth in range(1, 6)
            for split in ("forget", "retain")
            for whom in ("original", "retrain")
        }
        return {**curve, **layers}

    for seed in range(2):
        study.add("contrastive", seed, 0.6, metrics=metrics(10 + 10 * seed))
        study.add("scrub", seed, 0.6, metrics=metrics(50))
    return study


def test_relearning_curves_are_means_over_seeds(relearned):
    drawing = relearned.drawing("relearning")
    table = drawing.data.pivot(index="model", columns="at", values="mean")
    assert table.loc["contrastive", "10"] == pytest.approx((1 + 0.5) / 2)
    assert table.loc["scrub"].to_dict() == pytest.approx({str(s): min(1, s / 50) for s in CURVE})
    assert table.loc["retrained"].to_dict() == pytest.approx(table.loc["scrub"].to_dict())
    assert set(table.loc["original"]) == {1}
    assert "relearning, contrastive: 0 0, 1 8, 2 15, 5 38, 10 75, 20 100" in drawing.alt


def test_layers_have_a_panel_for_images_and_models(relearned):
    drawing = relearned.drawing("layers")
    assert list(drawing.data["panel"].unique()) == [
        "forget images, to the original",
        "forget images, to the retrained",
        "retain images, to the original",
        "retain images, to the retrained",
    ]
    own = drawing.data.loc[(drawing.data["model"] == "scrub") & (drawing.data["key"] == "cka/layer3_retain_to_retrain")]
    assert own["mean"].tolist() == pytest.approx([1 - 3 / 50])
    assert own["panel"].tolist() == ["retain images, to the retrained"]
    assert [ax.get_title(loc="left") for ax in drawing.canvas.axes] == list(drawing.data["panel"].unique())


@pytest.mark.parametrize("kind", ["relearning", "layers"])
def test_they_render_twice_the_same_and_need_the_audits(relearned, study, kind):
    assert relearned.figure(kind).svg == relearned.figure(kind).svg
    for path in study.outputs.glob("runs/**/result.json"):
        path.unlink()
    study.add("finetune", 0, 0.9)
    figures, (note,) = study.build(kind)
    assert figures == []
    assert "evaluation=extended has it" in note
