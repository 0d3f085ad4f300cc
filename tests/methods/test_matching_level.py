import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from cu.errors import ConfigError
from cu.methods.matching_level import Watch, general_block, probing
from cu.models.heads import build_head
from cu.models.types import Classifier


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
    levels = probes.levels(original)
    embedding, features = levels["embedding"], levels["features"]
    assert features == pytest.approx(accuracy_of_a_probe(known, labels, judged, wanted))
    kept = labels != 2
    scale = StandardScaler().fit(known[kept])
    head = LogisticRegression(tol=1e-3, max_iter=2000).fit(scale.transform(known[kept]), labels[kept])
    sides = [head.decision_function(scale.transform(part)) for part in (known, judged)]
    assert embedding == pytest.approx(accuracy_of_a_probe(sides[0], labels, sides[1], wanted))


def test_the_general_block_is_four_fifths_in_and_never_the_last():
    assert [general_block(count) for count in (2, 3, 4, 5, 6, 10)] == [0, 1, 2, 3, 4, 7]


def test_an_encoder_with_a_single_part_has_no_general_block(probes):
    torch.manual_seed(0)
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(36, 8)), build_head("projection", 8, 4, 8)).eval()
    with pytest.raises(ConfigError, match=r"^method\.stop_on=val reads a block before .* to never$"):
        Watch(probes, model, every=2)


def test_an_embedding_that_is_the_features_has_their_level_alone(probes, make_run, make_model):
    model = make_run(build=lambda: make_model("linear")).new_model().eval()
    watch = Watch(probes, model, every=2)
    known, judged = (
        np.concatenate([pooled_blocks(model, s)[-2] for s in part]) for part in (probes.known, [probes.judged])
    )
    labels, wanted = np.concatenate([s.labels for s in probes.known]), probes.judged.labels.numpy()
    assert watch.levels == {"features": pytest.approx(accuracy_of_a_probe(known, labels, judged, wanted))}
    assert watch.open == {"features"}
    watch.levels["features"] = 1.0
    assert watch(model, 2, False), "at its level it ends"


def test_no_sample_is_known_and_judged(probes, toy_tasks):
    task = toy_tasks["class"]
    assert set(probes.judged.labels.tolist()) == {2}
    assert set(probes.judged.ids.tolist()) <= set(task.val.ids.tolist())
    assert not {i for split in probes.known for i in split.ids.tolist()} & set(task.val.ids.tolist())


def test_a_depth_at_its_level_is_closed_and_all_closed_end_it(original, probes):
    watch = Watch(probes, original, every=2)
    watch.levels = {"embedding": 1.0, "features": 1.0}
    assert not watch(original, 1, False), "not due"
    assert watch(original, 1, True), "the end of a pass"
    watch.levels = {"embedding": 1.0, "features": -1.0}
    assert not watch(original, 2, False)
    assert watch.open == {"features"}
    watch.levels["features"] = 1.0
    assert watch(original, 4, False)
