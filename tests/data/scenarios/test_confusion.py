import pytest
import torch

from cu.data.scenarios.confusion import ConfusionScenario
from cu.data.task import make_task
from cu.errors import ConfigError


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def confused(toy_data):
    """The data with swapped labels, and the task of forgetting them."""
    scenario = ConfusionScenario(swap=[1, 3], count=20)
    data = scenario.prepare(toy_data, source())
    return data, make_task(data, scenario, source())


def test_exactly_the_forget_set_has_the_label_of_the_other_class(toy_data, confused):
    data, task = confused
    wrong = data.train.labels != toy_data.train.labels
    assert len(task.forget) == wrong.sum() == 20
    assert task.forget.ids.tolist() == data.train.ids[wrong].tolist()
    true, given = toy_data.train.labels[wrong], data.train.labels[wrong]
    assert set(true.tolist()) == {1, 3}, "of both classes"
    assert torch.equal(given, 4 - true)
    assert torch.equal(task.forget.labels, given), "what was learned is what is forgotten"


def test_nothing_else_changes(toy_data, confused):
    data, task = confused
    assert data.train.images is toy_data.train.images
    assert torch.equal(data.train.ids, toy_data.train.ids)
    assert data.val is toy_data.val
    assert data.test is toy_data.test
    assert (toy_data.confused_classes, data.confused_classes) == ((), (1, 3))
    assert (task.scenario, task.forget_classes, len(task.test_forget)) == ("sample", (), 0)
    known = dict(zip(toy_data.train.ids.tolist(), toy_data.train.labels.tolist(), strict=True))
    assert task.retain.labels.tolist() == [known[i] for i in task.retain.ids.tolist()]


def test_the_draw_follows_the_generator_and_not_the_order_of_the_classes(toy_data):
    def labels(swap, seed):
        return ConfusionScenario(swap=swap, count=20).prepare(toy_data, source(seed)).train.labels

    assert torch.equal(labels([1, 3], 0), labels([3, 1], 0))
    assert not torch.equal(labels([1, 3], 0), labels([1, 3], 1))


@pytest.mark.parametrize("swap", [[1, 1], [1, 4], [-1, 2]])
def test_two_classes_of_the_data_set_are_needed(toy_data, swap):
    with pytest.raises(
        ConfigError, match=r"name two classes from 0 to 3|there is no class (4|-1); classes run from 0 to 3"
    ):
        ConfusionScenario(swap=swap, count=5).prepare(toy_data, source())


def test_some_samples_must_keep_their_label(toy_data):
    members = int(torch.isin(toy_data.train.labels, torch.tensor([1, 3])).sum())
    with pytest.raises(ConfigError, match=f"have {members} training samples"):
        ConfusionScenario(swap=[1, 3], count=members).prepare(toy_data, source())
