import pytest


@pytest.fixture
def probed(study):
    """Two seeds: contrastive keeps what the original knows, ec falls from depth to depth as retrained models do."""

    def metrics(value):
        names = [*(f"probe/layer{depth}_" for depth in range(1, 6)), "probe_h/", "probe/"]
        return {
            f"{name}linear_forget_test_acc": study.metric(value(place), 0.9 - 0.1 * place, floor=0.05, original=0.95)
            for place, name in enumerate(names)
        }

    for seed in range(2):
        study.add("contrastive", seed, 0.6, metrics=metrics(lambda place, seed=seed: 0.9 + 0.02 * seed))
        study.add("ec", seed, 0.6, metrics=metrics(lambda place: 0.9 - 0.1 * place))
    return study


def test_a_line_goes_from_the_first_block_to_the_embedding(probed):
    drawing = probed.drawing("depths")
    table = drawing.data.pivot(index="model", columns="at", values="mean")[["1", "2", "3", "4", "5", "h", "z"]]
    assert table.loc["contrastive"].tolist() == pytest.approx([0.91] * 7)
    assert table.loc["ec"].tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert table.loc["retrained"].tolist() == pytest.approx(table.loc["ec"].tolist())
    assert table.loc["original"].tolist() == pytest.approx([0.95] * 7)
    assert "linear probe, ec: 1 90, 2 80, 3 70, 4 60, 5 50, h 40, z 30" in drawing.alt


def test_the_band_is_the_noise_floor_around_the_retrained_models(probed):
    drawing = probed.drawing("depths")
    assert drawing.data.set_index("model").loc["retrained", "floor"].tolist() == pytest.approx([0.05] * 7)
    (band,) = drawing.canvas.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((25, 95))


def test_only_probes_that_were_taken_have_a_panel(probed, filled):
    titles = [ax.get_title(loc="left") for ax in probed.drawing("depths").canvas.axes]
    assert [title for title in titles if title] == ["linear probe", "10-shot probe", "20 nearest neighbours"]


def test_without_probes_there_is_a_note(study):
    study.add("contrastive", 0, 0.6, metrics={"forget_test_acc": study.metric(0.1, 0.2)})
    figures, (note,) = study.build("depths")
    assert figures == []
    assert "evaluation=extended has it" in note
