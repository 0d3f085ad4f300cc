import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

SCRIPT = Path(__file__).parents[1] / "scripts" / "check_numerics.py"
spec = importlib.util.spec_from_file_location("check_numerics", SCRIPT)
assert spec is not None
assert spec.loader is not None
check = sys.modules["check_numerics"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

SMALL = {"network": "resnet18", "width": 8, "channels": 3, "side": 10, "batch": 5, "threads": 1, "channels_last": True}


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_layer_of_a_step_is_within_its_bound(precision):
    found = check.distances(check.Case(**SMALL, precision=precision))
    assert {d.what for d in found} == {"output", "grad_input", "grad_weight", "grad_bias"}
    assert max(d.value for d in found) <= check.BOUNDS[precision]
    assert max(d.value for d in found) > 0


def test_a_layer_that_is_a_little_wrong_is_found():
    def spoilt(case):
        model = check.network(case)
        layer = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
        layer.register_forward_hook(lambda module, args, output: output * 1.0001)
        return model

    found = check.distances(check.Case(**SMALL, precision="fp32"), spoilt)
    beyond = {(d.kind, d.what) for d in found if d.value > check.BOUNDS["fp32"]}
    assert ("Conv2d", "output") in beyond


def test_distances_that_are_no_numbers_are_infinite():
    one = torch.ones(2, dtype=torch.double)
    assert check.apart(one.float(), one) == 0
    assert check.apart(torch.tensor([1.0, float("nan")]), one) == float("inf")
    assert check.apart(one.float() + 1, one) == pytest.approx(1)
