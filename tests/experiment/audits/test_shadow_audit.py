from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cu.experiment.audits.shadows import ShadowAudit, by_world, candidates, halves, margins
from cu.metrics.primitives import margin
from cu.seeds import member_seed
from cu.store.models import ModelStore

AUDIT = ShadowAudit(models=6, pool=2.0)


@pytest.fixture(scope="module")
def private_store(tmp_path_factory):
    return ModelStore(tmp_path_factory.mktemp("shadows"))


def test_halves_are_halves_in_pairs_of_complements():
    member = halves(21, 8, seed=0)
    assert member.shape == (8, 21)
    assert set(member.sum(1)) == {10, 11}
    assert np.array_equal(member[::2], ~member[1::2])
    assert (member.sum(0) == 4).all()
    assert np.array_equal(member, halves(21, 8, seed=0))
    assert not np.array_equal(member, halves(21, 8, seed=1))
    assert len({tuple(row) for row in member.tolist()}) == 8


def test_worlds_are_sorted_by_membership():
    member = halves(9, 6, seed=3)
    inside, outside = by_world(np.where(member, 1.0, -1.0) * np.arange(1, 10), member)
    assert np.array_equal(inside, np.tile(np.arange(1.0, 10), (3, 1)))
    assert np.array_equal(outside, -inside)


@pytest.mark.parametrize("size", [1.0, 2.0, 3.0])
def test_candidates_are_the_forget_set_and_others_of_its_classes(make_scene, size):
    context = make_scene()
    forget, pool = context.task.forget, candidates(context, size)
    assert set(forget.ids.tolist()) <= set(pool.ids.tolist())
    assert (pool.labels.bincount() == size * forget.labels.bincount()).all()
    assert (pool.ids.diff() > 0).all()


def test_a_second_method_shares_all_but_the_unlearning(make_scene, kinds, private_store, unchanged):
    context = make_scene(store=private_store)
    first = AUDIT.examine(context)
    assert kinds(private_store) == {"original": 1, "retrained": 1 + 6 + 6, "unlearned": 6}
    with unchanged(private_store.root, kind="unlearned"):
        other = AUDIT.examine(make_scene(method="original", store=private_store))
    assert kinds(private_store) == {"original": 1, "retrained": 13, "unlearned": 12}
    assert np.array_equal(first.judged.retrained, other.judged.retrained)
    assert np.array_equal(first.references[0].forgotten, other.references[0].forgotten)
    # The second method does nothing: what it is judged by is the originals.
    assert np.array_equal(other.judged.forgotten, first.original.forgotten)
    assert np.array_equal(other.judged.unseen, first.original.unseen)
    with unchanged(private_store.root):
        again = AUDIT.examine(context)
    assert np.array_equal(again.judged.forgotten, first.judged.forgotten)


def test_a_killed_audit_goes_on_where_it_was(make_scene, kinds, private_store):
    context, calls = make_scene(store=private_store, method_seed=50), []

    def unlearn(model, task, run):
        calls.append(run.seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return context.method.unlearn(model, task, run)

    fragile = replace(context, method=SimpleNamespace(unlearn=unlearn))
    with pytest.raises(KeyboardInterrupt):
        AUDIT.examine(fragile)
    AUDIT.examine(fragile)
    seeds = [50, *(member_seed(50, "unlearned", number) for number in range(1, 6))]
    assert calls == [*seeds[:3], *seeds[2:]]


def test_each_world_holds_what_it_says(make_scene, private_store):
    context = make_scene(store=private_store)
    found, pool = AUDIT.examine(context), candidates(context, 2.0)
    member, train = halves(len(pool), 6, context.forget_seed), context.workspace.data.train
    base = train.subset(~torch.isin(train.ids, pool.ids))
    assert np.array_equal(found.judged.retrained[0], margins(context, context.trained(base, 6 + 3), pool))
    # Shadow 2 is the first of pair 1: trained on the base and its half.
    known = torch.cat([base.ids, pool.ids[torch.from_numpy(member[2])]])
    shadow = context.trained(train.subset(torch.isin(train.ids, known)), 2)
    values = margin(context.logits(shadow, pool), pool.labels.numpy())
    assert np.array_equal(found.original.forgotten[1][member[2]], values[member[2]])
    assert np.array_equal(found.original.unseen[1][~member[2]], values[~member[2]])


def test_references_are_retrained_worlds_dealt_in_two(make_scene, private_store):
    first, second = AUDIT.examine(make_scene(store=private_store, references=2)).references
    for reference in (first, second):
        assert reference.forgotten.shape == reference.retrained.shape
        assert np.array_equal(reference.unseen, reference.retrained)
    everything = [np.sort(np.concatenate([r.forgotten, r.retrained]), axis=0) for r in (first, second)]
    assert np.array_equal(*everything)
    assert not np.array_equal(first.forgotten, second.forgotten)


def test_classes_go_together(make_scene, kinds, private_store):
    context = make_scene("class", store=private_store)
    found = AUDIT.examine(context)
    assert found.judged.forgotten.shape == found.judged.retrained.shape == (3, len(context.task.forget))
    assert found.judged.unseen is None
    assert np.array_equal(found.original.forgotten[0], margins(context, context.original, context.task.forget))
    assert found.original.forgotten.mean() > found.judged.retrained.mean() + 2


def test_retraining_is_judged_against_worlds_that_it_did_not_make(make_scene, private_store):
    found = AUDIT.examine(make_scene("class", method="retrain", store=private_store))
    worlds = np.concatenate([found.references[0].forgotten, found.references[0].retrained])
    assert not any(np.array_equal(own, world) for own in found.judged.forgotten for world in worlds)
    assert np.array_equal(found.judged.retrained, found.references[0].retrained)
