import numpy as np
import pytest

from cu.experiment.audits.ensembles import EnsembleAudit
from cu.store.models import ModelStore


@pytest.fixture(scope="module")
def private_store(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("ensembles"))


def audit(**settings):
    return EnsembleAudit(**{"models": 3, "originals": "own", "max_retain": 40, **settings})


def test_groups_have_the_models_they_should(make_scene, kinds, private_store):
    context = make_scene(store=private_store, references=2)
    found = audit().examine(context)
    assert kinds(private_store) == {"original": 3, "retrained": 6, "unlearned": 3}
    assert {r.folder for r in context.references} <= {context.trained(context.task.retain, n).folder for n in range(3)}
    assert len(found.judged.judged) == len(found.judged.retrained) == len(found.original.judged) == 3
    assert found.judged.judged.forget.shape == (3, len(context.task.forget))
    assert found.judged.judged.retain.shape == (3, 40)
    assert found.judged.judged.val.shape == (3, len(context.task.val))
    logits, labels = context.logits(context.references[1], context.task.test), context.task.test.labels.numpy()
    assert found.references[0].judged.test_acc[1] == (logits.argmax(1) == labels).mean()


def test_one_original_for_all_says_nothing_about_originals(make_scene, kinds, private_store):
    found = audit(originals="one").examine(make_scene(store=private_store))
    assert found.original is None
    assert kinds(private_store)["original"] == 3
    # Unlearned model 0 is the run's own either way; the others differ in where they started.
    own = audit().examine(make_scene(store=private_store)).judged.judged.forget
    assert np.array_equal(found.judged.judged.forget[0], own[0])
    assert not np.array_equal(found.judged.judged.forget[1], own[1])


def test_a_second_method_shares_retrained_models_and_originals(make_scene, private_store, unchanged):
    first = audit().examine(make_scene(store=private_store))
    with unchanged(private_store.root, kind="unlearned"):
        other = audit().examine(make_scene(method="original", store=private_store))
    assert np.array_equal(other.judged.judged.forget, first.original.judged.forget)
    assert np.array_equal(other.judged.retrained.forget, first.judged.retrained.forget)


def test_retraining_makes_models_that_are_in_no_other_group(make_scene, private_store):
    found = audit().examine(make_scene(method="retrain", store=private_store, references=2))
    retrained = np.concatenate([found.references[0].judged.forget, found.references[0].retrained.forget])
    assert np.array_equal(found.judged.retrained.forget, found.references[0].retrained.forget)
    assert not any(np.array_equal(own, other) for own in found.judged.judged.forget for other in retrained)
    assert not np.array_equal(found.references[0].judged.forget, found.references[1].judged.forget)
