from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cu.data.scenarios.memorised import MemorisedScenario
from cu.data.scenarios.samples import SampleScenario
from cu.data.task import make_task
from cu.experiment.memorisation import mean_over, memorisation, resolve_scenario
from cu.models.types import Output


def test_mean_over_chosen_rows():
    values, chosen = torch.tensor([[1.0, 0], [0, 1], [1, 1]]), torch.tensor([[1, 0], [1, 1], [0, 1]]).bool()
    assert mean_over(values, chosen).tolist() == [0.5, 1]


class Lookup(nn.Module):
    """Knows its own training samples by their pixels, and every third of the others; is wrong on the rest."""

    def __init__(self, half, train):
        super().__init__()
        known = torch.isin(train.ids, half.ids) | (torch.arange(len(train)) % 3 == 0)
        answers = torch.where(known, train.labels, (train.labels + 1) % 4)
        images = train.eval_view(torch.arange(len(train)))
        self.answers = {image.numpy().tobytes(): int(a) for image, a in zip(images, answers, strict=True)}
        assert len(self.answers) == len(train), "no two images are the same"

    def forward(self, images):
        logits = torch.eye(4)[[self.answers[image.numpy().tobytes()] for image in images]]
        return Output(logits, logits)


def test_what_only_models_that_saw_it_get_right_is_memorised(toy_data, hardware):
    sizes = []

    def retrained(half, number, level):
        sizes.append(len(half))
        return Lookup(half, toy_data.train)

    workspace = SimpleNamespace(data=toy_data, hardware=hardware, retrained=retrained, load=lambda model: model)
    assert torch.equal(memorisation(workspace, 6), (torch.arange(144) % 3 != 0).float())  # type: ignore[arg-type]
    assert sizes == [72] * 6


def test_it_does_not_depend_on_the_runs_seed_and_is_trained_once(make_bench, audit_store, unchanged, kinds):
    first, trained = memorisation(make_bench(), 4), kinds(audit_store)
    with unchanged(audit_store.root):
        assert torch.equal(memorisation(make_bench(seed=8), 4), first)
    assert kinds(audit_store) == trained


def test_a_scenario_is_informed_if_it_asks_for_it(make_bench):
    workspace, plain = make_bench(), SampleScenario(count=5, fraction=None)
    assert resolve_scenario(plain, workspace) is plain
    scenario = resolve_scenario(MemorisedScenario(level="high", count=10, models=4), workspace)
    task = make_task(workspace.data, scenario, torch.Generator().manual_seed(0))
    assert len(task.forget) == 10
    assert task.scenario == "sample"
    scores = memorisation(workspace, 4)
    chosen = torch.isin(workspace.data.train.ids, task.forget.ids)
    assert scores[chosen].min() >= scores.quantile(2 / 3) - 1e-6


@pytest.mark.parametrize("models", [4, 6])
def test_every_sample_has_models_on_both_sides(make_bench, models):
    assert memorisation(make_bench(), models).isfinite().all()
