import numpy as np
import pytest
import torch

from cu.engine import predict as scoring
from cu.engine.predict import predict
from cu.engine.taps import pooled
from cu.experiment.audits import stages as module
from cu.experiment.audits.stages import StageAudit, seen
from cu.metrics.case import Case
from cu.metrics.findings import Findings
from cu.metrics.predictions import Predictions, of_parts
from cu.metrics.representation.depths import linear_probe_h, linear_probe_stages, mmd_to_retrained_stages
from cu.metrics.representation.information import information_difference
from cu.models.resnet import ResNet


@pytest.mark.parametrize("batch", [7, 512])
def test_every_depth_of_every_sample_in_order(batch, toy_data, hardware, monkeypatch):
    for place in (scoring, module):
        monkeypatch.setattr(place, "SCORING_BATCH", batch)
    torch.manual_seed(0)
    model = ResNet(depth=18, width=2, head="projection", dim=4).build(4, tuple(toy_data.test.images.shape[1:])).eval()
    found = seen(model, toy_data.test, hardware)
    with torch.no_grad():
        x = toy_data.test.eval_view(torch.arange(len(toy_data.test)))
        for name, part in zip(("stem", "stage1", "stage2", "stage3", "stage4"), found, strict=True):
            x = model.encoder.get_submodule(name)(x)
            np.testing.assert_allclose(part.embedding, pooled(x).numpy(), rtol=1e-3, atol=1e-4)
            assert part.id.tolist() == toy_data.test.ids.tolist()
    empty = seen(model, toy_data.test.subset(torch.tensor([], dtype=torch.long)), hardware)
    assert [part.embedding.shape for part in empty] == [(0, part.embedding.shape[1]) for part in found]


def test_findings_are_read_by_probes_of_every_depth_and_by_the_information_index(make_scene):
    context = make_scene("class", "original", references=2)
    found = StageAudit(max_samples=30).examine(context)
    case = Case(None, (None,) * 2, None, "class", context.task.forget_classes, 4, findings=Findings.of(found.judged))  # type: ignore[arg-type]
    probes = linear_probe_stages(case, max_train=100, draws=2, max_classes=100)
    assert set(probes) == set(linear_probe_stages.spec.keys)
    assert "probe/layer3_linear_forget_test_acc" in probes
    assert all(0 <= value <= 1 for value in probes.values())
    assert all(np.isfinite(list(mmd_to_retrained_stages(case, max_samples=20, draws=2).values())))
    # `original` does nothing: wherever the index says anything, it is 1.
    index = np.array(list(information_difference(case, max_samples=30).values()))
    assert index[np.isfinite(index)] == pytest.approx(1)


def at_the_head(model, splits, hardware):
    """A model with its embedding and what enters its head on every split."""
    parts = {}
    for name, split in splits.items():
        scores, ids = predict(model, split, hardware), split.ids.numpy()
        logits, embedding, features = (part.numpy() for part in scores)
        parts[name] = Predictions(logits, embedding, split.labels.numpy(), ids, features)
    return of_parts(parts)


def test_probes_of_the_last_stage_are_those_of_what_enters_the_head(make_scene, hardware):
    context = make_scene("class", "original", references=1)
    audit, settings = StageAudit(max_samples=1000), {"max_train": 1000, "draws": 2, "max_classes": 100}
    found, classes = audit.examine(context), context.task.forget_classes
    at_stages = Case(None, (None,), None, "class", classes, 4, findings=Findings.of(found.judged))  # type: ignore[arg-type]
    last = {
        key.replace("layer5_", ""): value
        for key, value in linear_probe_stages(at_stages, **settings).items()
        if "layer5_" in key
    }
    model = at_the_head(context.load(context.unlearned()), audit.splits(context), hardware)
    at_head = linear_probe_h(Case(model, (), None, "class", classes, 4), **settings)
    assert last == {key.replace("probe_h/", "probe/"): value for key, value in at_head.items()}


def test_training_samples_are_drawn_from_both_sets_in_proportion(make_scene):
    context = make_scene("class", "original", references=1)
    task, splits = context.task, StageAudit(max_samples=8).splits(context)
    assert (len(task.retain), len(task.forget)) == (105, 39)
    assert (len(splits["retain"]), len(splits["forget"])) == (18, 7), "24 of 144, a sixth of each"
    assert {len(splits[name]) for name in ("val", "test_retain", "test_forget")} == {8}
    whole = StageAudit(max_samples=48).splits(context)
    assert whole["forget"].ids.tolist() == task.forget.ids.tolist()
    assert whole["retain"].ids.tolist() == task.retain.ids.tolist()
