import copy
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cu.engine.layout import placed

# Trains for a moment as `cu` does; a last batch of 35 is what two threads cannot share evenly. At exit every block that
# was written past is found by the allocator, which checks the byte behind each if it is asked to.
TRAIN = """
import sys, torch
from torch.nn import functional as F
from cu.engine.layout import placed
from cu.models.resnet import ResNet

torch.set_num_threads(2)
torch.manual_seed(0)
model = placed(ResNet(depth=18, width=8, head="linear", dim=1).build(3, (3, 32, 32)), "cpu", True)
for size in (3, 35) * 3:
    images = torch.randn(size, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[1] == "bf16"):
        F.cross_entropy(model(images).logits, torch.arange(size) % 3).backward()
print("lived")
"""
HEAP_CHECKER = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}  # where it is missing, ld.so says so


def strided(channels=8, stride=2, **settings):
    torch.manual_seed(0)
    return nn.Conv2d(channels, 2 * channels, **{"kernel_size": 1, "stride": stride, **settings})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_small_coloured_pictures_do_not_kill_the_process(precision, monkeypatch):
    for key, value in HEAP_CHECKER.items():
        monkeypatch.setenv(key, value)
    run = subprocess.run([sys.executable, "-c", TRAIN, precision], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "lived\n"), run.stderr


@pytest.mark.parametrize("stride", [2, 3, (1, 2)])
@pytest.mark.parametrize("side", [7, 8])
def test_a_convolution_kept_clear_computes_the_same(stride, side):
    direct = strided(stride=stride).double()  # channels first and in float64, which oneDNN has nothing to do with
    clear = placed(copy.deepcopy(direct).float(), "cpu", channels_last=True)
    images = torch.randn(3, 8, side, side, dtype=torch.double, requires_grad=True)
    single = images.detach().float().contiguous(memory_format=torch.channels_last).requires_grad_()
    expected, found = direct(images), clear(single)
    weights = torch.randn(expected.shape, dtype=torch.double)
    (expected * weights).sum().backward()
    (found * weights.float()).sum().backward()
    pairs = [(found, expected), (single.grad, images.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(clear.parameters(), direct.parameters(), strict=True)]
    for got, wanted in pairs:
        assert got.shape == wanted.shape
        assert torch.allclose(got.double(), wanted, rtol=1e-5, atol=1e-5)


def test_keeping_clear_changes_nothing_but_rounding():
    torch.manual_seed(0)
    images = torch.randn(4, 8, 8, 8).contiguous(memory_format=torch.channels_last)  # small and even: nothing is cut
    clear = placed(strided(bias=False), "cpu", channels_last=True)
    weight = clear.weight.detach().double().requires_grad_()
    direct = F.conv2d(images.double(), weight, stride=2)
    direct.square().sum().backward()
    found = clear(images)
    found.square().sum().backward()
    assert torch.allclose(found.double(), direct, rtol=1e-5, atol=1e-5)
    assert torch.allclose(clear.weight.grad.double(), weight.grad, rtol=1e-5, atol=1e-4)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("convolution", "kept_clear"),
    [
        (strided(), True),
        (strided(15), True),
        (strided(stride=(1, 2)), True),
        (strided(padding="valid"), True),
        (strided(16), False),
        (strided(stride=1), False),
        (strided(kernel_size=3), False),
        (strided(padding=1), False),
        (strided(groups=2), False),
    ],
)
def test_only_the_convolutions_that_fail_are_touched(convolution, kept_clear):
    before = tuple(convolution.stride)
    first = placed(copy.deepcopy(convolution), "cpu", channels_last=False)
    assert (tuple(first.stride), len(first._forward_pre_hooks)) == (before, 0), "channels-first is not affected"
    last = placed(placed(convolution, "cpu", channels_last=True), "cpu", channels_last=True)
    assert (tuple(last.stride) == (1, 1)) == (kept_clear or before == (1, 1))
    assert len(last._forward_pre_hooks) == int(kept_clear), "and only once"


def test_copies_and_saved_weights_stay_what_they_are():
    convolution = strided()
    images = torch.randn(2, 8, 8, 8)
    expected, keys = convolution(images), list(convolution.state_dict())
    clear = placed(convolution, "cpu", channels_last=True)
    twin = copy.deepcopy(clear)
    assert list(clear.state_dict()) == keys
    assert torch.allclose(twin(input=images), expected, atol=1e-6)
    assert torch.allclose(twin(images[0]), expected[0], atol=1e-6), "one image without a batch"
