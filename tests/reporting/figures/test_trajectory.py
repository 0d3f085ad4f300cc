import pytest

from cu.reporting.figures.batch_curve import published


def test_rows_are_those_of_the_file_after_the_original(filled):
    drawing = filled.drawing("trajectory")
    own = drawing.data.loc[(drawing.data["seed"] == 1) & (drawing.data["key"] == "forget_train_acc")]
    assert own[["step", "accuracy"]].to_numpy().tolist() == [[0, 0.9], [4, 0.8], [8, 0.4], [12, 0.1]]
    assert "contrastive ends after 12 steps with forgotten training samples 10.0 %" in drawing.alt
    assert "Retrained: forgotten training samples 50.0 %" in drawing.alt


def test_methods_without_a_trajectory_are_named(filled):
    _, notes = filled.build("trajectory")
    assert notes == [
        "figure trajectory, digits / slim / class: no trajectory of finetune; evaluation.trajectory_every=N keeps one "
        "for methods that descend"
    ]


def test_a_batch_is_omega_steps_and_the_first_pass_ends(filled):
    # 15 forget samples in batches of 8 are two batches, of 4 steps each: step 12 is in the second pass.
    for path in filled.outputs.glob("runs/*/*/*/contrastive/*/config.yaml"):
        path.write_text(
            path.read_text().replace("  temperature:", "  omega: 4\n  recipe: {batch_size: 8}\n  temperature:")
        )
    drawing = filled.drawing("batch_curve")
    own = drawing.data.loc[(drawing.data["source"] == "measured") & (drawing.data["seed"] == 0)]
    assert own[["batch", "accuracy"]].to_numpy().tolist() == [[0, 0.9], [1, 0.8], [2, 0.4]]
    assert len(drawing.data.loc[drawing.data["source"] == "published"]) == len(published())
    assert "arXiv 2401.10458" in drawing.reading


def test_published_points():
    points = published().set_index(["curve", "batch"])["accuracy"]
    assert points["contrastive", 17] == 1.0
    assert points["contrastive", 33] == 0.71
    assert points["contrastive", 60] == 0.01
    assert points["boundary shrink / expansion", 14] == 0.38
    assert points.between(0, 1).all()


@pytest.mark.parametrize("kind", ["trajectory", "batch_curve"])
def test_without_a_trajectory_there_is_a_note_that_says_how_to_get_one(study, kind):
    study.add("contrastive", 0, 0.6, config={"method.omega": 4, "method.recipe.batch_size": 8})
    figures, (note,) = study.build(kind)
    assert figures == []
    assert "evaluation.trajectory_every=N" in note
