import numpy as np
import pytest

from cu.engine.recipe import Sgd
from cu.experiment.audits.relearning import RelearningAudit, drawn
from cu.metrics.case import Case
from cu.metrics.findings import Findings
from cu.metrics.relearning.speed import relearning_speed


def audit(**settings):
    plain = {
        "optimizer": Sgd(lr=0.02, momentum=0.9, weight_decay=0.0, nesterov=False),
        "batch_size": 16,
        "batchnorm": "train",
        "max_steps": 12,
        "every": 3,
        "orders": 2,
    }
    return RelearningAudit(**{**plain, **settings})


def case_of(relearning):
    return Case(None, (), None, "class", (2,), 4, findings=Findings.of(relearning))  # type: ignore[arg-type]


def values(relearning):
    return relearning_speed(case_of(relearning), tolerance=0.05)


def test_curves_have_a_look_for_every_step_of_the_list(make_scene):
    found = audit().examine(make_scene("class", references=2))
    assert found.judged.steps.tolist() == [0, 1, 2, 3, 6, 9, 12]
    assert found.judged.judged.shape == (2, 7)
    assert found.judged.retrained.shape == (2, 2, 7)
    for number, reference in enumerate(found.references):
        assert np.array_equal(reference.retrained, found.judged.retrained)
        assert np.array_equal(reference.retrained[number], reference.judged)


def test_the_last_step_is_looked_at_though_it_is_no_multiple():
    assert audit(max_steps=7, every=3).looks == [0, 1, 2, 3, 6, 7]
    assert audit(max_steps=2, every=5).looks == [0, 1, 2]


def test_retraining_is_no_reference_of_itself_and_the_original_knows_it_all(make_scene):
    found = audit().examine(make_scene("class", method="retrain"))
    assert 0.2 < values(found.judged)["relearn/ain"] < 5
    assert np.isnan(values(found.references[0].facing([]))["relearn/ain"])
    assert values(found.judged)["relearn/steps"] > 0
    assert values(found.original)["relearn/steps"] == 0


def test_doing_nothing_is_relearnt_at_once(make_scene):
    found = audit().examine(make_scene("class", method="original"))
    assert values(found.judged)["relearn/steps"] == 0
    assert values(found.judged)["relearn/ain"] == values(found.original)["relearn/ain"] < 1


def test_curves_are_repeatable_shared_and_start_from_the_models_own_accuracy(make_scene, unchanged):
    context = make_scene("class", references=2)
    fresh = audit().curve(context, context.references[0], 1)
    found = audit().examine(context)
    assert np.array_equal(found.references[0].judged[1], fresh)
    logits = context.logits(context.references[1], context.task.forget)
    assert found.references[1].judged[0, 0] == (logits.argmax(1) == context.task.forget.labels.numpy()).mean()
    with unchanged(context.workspace.store.root):
        assert np.array_equal(audit().examine(context).judged.judged, found.judged.judged)


def test_without_retrained_models_there_are_steps_and_no_index(make_scene):
    found = values(audit().examine(make_scene("class", references=0)).judged)
    assert found["relearn/steps"] >= 0
    assert np.isnan(found["relearn/ain"])


@pytest.mark.parametrize("most", [3, 1000])
def test_a_draw_keeps_the_order(toy_data, most):
    import torch

    chosen = drawn(toy_data.train, most, torch.Generator().manual_seed(0))
    assert len(chosen) == min(most, len(toy_data.train))
    assert (chosen.ids.diff() > 0).all()
