import pytest


def test_bars_are_means_over_seeds(filled):
    drawing = filled.drawing("probe_bars")
    table = drawing.data.pivot(index="model", columns="measure", values="mean")
    assert set(table.columns) == {"head", "10-shot probe", "20 nearest neighbours", "linear probe"}
    assert table.loc["contrastive"].to_numpy() == pytest.approx([0.605] * 4)
    assert table.loc["original"].to_numpy() == pytest.approx([0.9] * 4)
    assert table.loc["retrained"].to_numpy() == pytest.approx([0.5] * 4)
    assert drawing.data["std"].iloc[1:5].notna().all()
    assert "contrastive head 60.5, 10-shot probe 60.5" in drawing.alt


def test_without_probes_there_is_a_note(study):
    study.add("contrastive", 0, 0.6, metrics={"forget_test_acc": study.metric(0.1, 0.2)})
    figures, (note,) = study.build("probe_bars")
    assert figures == []
    assert "forget_test_acc and a probe" in note
