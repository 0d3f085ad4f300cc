from types import SimpleNamespace

import pytest
import torch

from cu.data.scenarios.memorised import MemorisedScenario
from cu.data.scenarios.samples import SampleScenario
from cu.data.task import make_task
from cu.experiment.memorisation import mean_over, memorisation, resolve_scenario


def test_mean_over_chosen_rows():
    values, chosen = torch.tensor([[1.0, 0], [0, 1], [1, 1]]), torch.tensor([[1, 0], [1, 1], [0, 1]]).bool()
    assert mean_over(values, chosen).tolist() == [0.5, 1]


def test_what_only_models_that_saw_it_get_right_is_memorised(toy_data, monkeypatch):
    """Models that know their own training samples, and every third of the others."""
    workspace = SimpleNamespace(
        data=toy_data, hardware=None, retrained=lambda half, number, level: half, load=lambda half: half
    )

    def lookup(half, train, hardware):
        assert len(half) in (72, 144 - 72)
        known = torch.isin(train.ids, half.ids) | (torch.arange(len(train)) % 3 == 0)
        return SimpleNamespace(logits=torch.eye(4)[torch.where(known, train.labels, (train.labels + 1) % 4)])

    monkeypatch.setattr("cu.experiment.memorisation.predict", lookup)
    assert torch.equal(memorisation(workspace, 6), (torch.arange(144) % 3 != 0).float())  # type: ignore[arg-type]


def test_it_does_not_depend_on_the_runs_seed_and_is_trained_once(make_bench, audit_store, monkeypatch):
    first = memorisation(make_bench(), 4)
    monkeypatch.setattr("cu.experiment.workspace.fit", None)
    assert torch.equal(memorisation(make_bench(seed=8), 4), first)


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
