import numpy as np

from cu.experiment.audits.initial import InitialModels


def test_untrained_models_are_the_same_for_every_run_and_role(make_scene, kinds, audit_store):
    found = InitialModels(models=3).examine(make_scene())
    other = InitialModels(models=3).examine(make_scene("class", method="original", seed=5, references=2))
    assert kinds(audit_store)["initial"] == 3
    assert len(found.judged.models) == 3
    assert len(other.references) == 2
    assert found.original is found.judged
    first = [np.concatenate([m.retain.logits, m.forget.logits]).sum() for m in found.judged.models]
    assert len(set(first)) == 3
    assert np.array_equal(found.judged.models[1].val.logits, other.judged.models[1].val.logits)


def test_they_know_nothing(make_scene):
    accuracies = [
        (m.test.logits.argmax(1) == m.test.label).mean()
        for m in InitialModels(models=8).examine(make_scene()).judged.models
    ]
    assert 0 < np.mean(accuracies) < 0.6
