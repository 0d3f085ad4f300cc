import pytest
import torch

from cu.data.scenarios.memorised import MemorisedScenario
from cu.data.transforms import Transform
from cu.data.types import Split
from cu.errors import ConfigError


def train(count):
    rows = torch.arange(count)
    return Split(
        "train", torch.zeros(count, 1, 2, 2, dtype=torch.uint8), rows, rows % 3, rows, Transform((0.5,), (0.5,))
    )


def select(scores, level, count, seed=0):
    scenario = MemorisedScenario(level=level, count=count, models=4).informed_by(lambda models: scores)
    return scenario.select(train(len(scores)), 3, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("level", "low", "high"), [("low", 0, 20), ("medium", 20, 40), ("high", 40, 60)])
def test_the_right_third(level, low, high):
    rank = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    everything = select(rank / 60 - 0.5, level, 20)
    assert sorted(rank[everything].tolist()) == list(range(low, high))
    some = select(rank / 60 - 0.5, level, 7)
    assert len(some) == 7
    assert (some.diff() > 0).all()
    assert set(some.tolist()) <= set(everything.tolist())


def test_draws_follow_the_generator():
    scores = torch.arange(60.0)
    assert torch.equal(select(scores, "high", 8), select(scores, "high", 8))
    assert not torch.equal(select(scores, "high", 8), select(scores, "high", 8, seed=1))


def test_equal_scores_are_told_apart_at_random():
    chosen = select(torch.zeros(900), "low", 300)
    assert 300 < chosen.double().mean() < 600


def test_more_than_a_third_is_refused():
    with pytest.raises(ConfigError, match=r"scenario.count=21.*only 20"):
        select(torch.arange(60.0), "low", 21)
