import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cu.methods.matching_level import Watch, probing


@pytest.fixture
def probes(toy_tasks, make_run):
    return probing(toy_tasks["class"], make_run())


def accuracy_of_a_probe(known, labels, judged, wanted):
    scale = StandardScaler().fit(known)
    probe = LogisticRegression(tol=1e-3, max_iter=2000).fit(scale.transform(known), labels)
    return (probe.predict(scale.transform(judged)) == wanted).mean()


def pooled_blocks(model, split):
    x, found = split.eval_view(torch.arange(len(split))), []
    with torch.no_grad():
        for layer in model.eval().encoder.children():
            x = layer(x)
            if list(layer.parameters()):
                found.append(x.flatten(2).mean(2).double().numpy() if x.ndim > 2 else x.double().numpy())
    return found


def test_the_levels_are_those_of_a_general_block_with_a_head_of_the_retained_classes(original, probes):
    known, judged = (
        np.concatenate([pooled_blocks(original, s)[-2] for s in part]) for part in (probes.known, [probes.judged])
    )
    labels, wanted = np.concatenate([s.labels for s in probes.known]), probes.judged.labels.numpy()
    embedding, features = probes.levels(original)
    assert features == pytest.approx(accuracy_of_a_probe(known, labels, judged, wanted))
    kept = labels != 2
    scale = StandardScaler().fit(known[kept])
    head = LogisticRegression(tol=1e-3, max_iter=2000).fit(scale.transform(known[kept]), labels[kept])
    sides = [head.decision_function(scale.transform(part)) for part in (known, judged)]
    assert embedding == pytest.approx(accuracy_of_a_probe(sides[0], labels, sides[1], wanted))


def test_no_sample_is_known_and_judged(probes, toy_tasks):
    task = toy_tasks["class"]
    assert set(probes.judged.labels.tolist()) == {2}
    assert set(probes.judged.ids.tolist()) <= set(task.val.ids.tolist())
    assert not {i for split in probes.known for i in split.ids.tolist()} & set(task.val.ids.tolist())


def test_a_depth_at_its_level_is_closed_and_all_closed_end_it(original, probes):
    watch = Watch(probes, original, every=2)
    assert not watch(original, 1, False), "not due"
    watch.levels = {"embedding": 1.0, "features": -1.0}
    assert not watch(original, 2, False)
    assert watch.open == {"features"}
    watch.levels["features"] = 1.0
    assert watch(original, 4, False)
