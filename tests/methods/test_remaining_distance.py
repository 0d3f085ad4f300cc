import importlib.util
from pathlib import Path

import pytest
import torch

from cu.methods.contrastive_matching import ContrastiveMatching

SCRIPT = Path(__file__).parents[2] / "scripts" / "remaining_distance.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("remaining_distance", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def method_of(recipe):
    kinds = {"match": "plain", "distance": "mmd", "widths": (1.0,), "relative": True, "stop_on": "never"}
    names = ("embedding_share", "feature_share", "embedding_weight", "feature_weight", "stage_weight", "anchor_weight")
    rest = {"omega": 1, "denial_weight": 1.0, "stop_every": 1, **dict.fromkeys(names, 1.0)}
    return ContrastiveMatching(recipe=recipe, forget_size=10_000, **kinds, **rest)


def test_distances_are_those_of_two_samples_at_each_depth(script, original, toy_tasks, make_recipe, hardware):
    """All of both sets in each batch, so that the distance is known: by loops over pairs."""
    task, model = toy_tasks["class"], original.eval()
    method = method_of(make_recipe(batch_size=10_000))
    first, second = script.apart(hardware, method, task, [model, model], batches=2, seed=0)
    assert first == second

    x, y = (model(split.eval_view(torch.arange(len(split)))).embedding.detach() for split in (task.forget, task.retain))
    unit = torch.stack([(a - b).square().sum() for i, a in enumerate(y) for b in y[:i]]).median()

    def kernel(p, q):
        return torch.stack([(-(a - q).square().sum(1) / (2 * unit)).exp().mean() for a in p]).mean()

    expected = kernel(x, x) - 2 * kernel(x, y) + kernel(y, y)
    assert [batch[0] for batch in first] == pytest.approx([expected.item()] * 2, rel=1e-3)


def test_a_row_says_which_share_remains(script):
    told = [[[0.3, 0.2, 0.1], [0.5, 0.2, 0.1]], [[0.1, 0.1, 0.3]], [[0.2, 0.05, 0.3]]]
    expected = ["0.400", "0.150", "0.25 to 0.50", "0.200", "0.075", "0.25 to 0.50", "0.100"]
    assert list(script.cells(told)) == expected
