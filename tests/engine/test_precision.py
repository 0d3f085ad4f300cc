import os
import shutil
from copy import deepcopy

import pytest
import torch
from torch import nn

from cu.engine import compiling
from cu.engine.compiling import compiled, is_compiled, require_compiler
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.interruption import Descents
from cu.engine.lone_values import lone_values_allowed
from cu.engine.precision import resolve_precision
from cu.engine.scaling import scaler_of
from cu.engine.taps import tapped
from cu.errors import ConfigError


@pytest.fixture
def train(toy_data, make_run, make_recipe):
    """Fit a fresh model to the toy data: `(hardware, checkpoint, recipe settings) -> model`."""

    def train(place, checkpoint=None, **settings):
        descents = None if checkpoint is None else Descents(lambda number: checkpoint, every=0.0)
        run, recipe = make_run(hardware=place, descents=descents), make_recipe(**settings)
        batches = run.batches(toy_data.train, recipe)
        return fit(run.new_model(), batches, cross_entropy, recipe, run, state=())

    return train


class Memory:
    """A checkpoint that keeps its states in memory, as they are then."""

    def __init__(self, *states):
        self.states = list(states)

    def load(self):
        return deepcopy(self.states[-1]) if self.states else None

    def save(self, state):
        self.states.append(deepcopy(state))


def with_settings(hardware, **changes):
    return Hardware(**{**vars(hardware), **changes})


@pytest.fixture
def switches():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield lambda: (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize(("capability", "expected"), [(9, "bf16"), (8, "bf16"), (7, "fp16"), (6, "fp32")])
def test_auto_follows_the_compute_capability(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (capability, 0))
    assert resolve_precision("auto", "cuda") == expected
    assert [resolve_precision(name, "cuda") for name in ("fp32", "tf32", "bf16", "fp16")] == [
        "fp32",
        "tf32",
        "bf16",
        "fp16",
    ]


def test_float32_is_never_tf32_and_scoring_has_its_own_say(hardware, switches):
    with_settings(hardware, precision="tf32").activate()
    assert switches() == (True, True)
    with with_settings(hardware, precision="tf32").scoring():
        assert switches() == (False, False)
    assert switches() == (True, True)
    with pytest.raises(KeyError), with_settings(hardware).scoring():
        raise KeyError
    assert switches() == (True, True)
    hardware.activate()
    assert switches() == (False, False)


@pytest.mark.parametrize("setting", ["precision", "scoring_precision"])
def test_tf32_is_refused_where_there_is_none(hardware, setting):
    with pytest.raises(ConfigError, match=r"tf32 is a precision of CUDA devices.*is cpu; use fp32"):
        with_settings(hardware, **{setting: "tf32"}).resolved()


def test_a_step_whose_gradients_overflow_in_float16_is_left_out():
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.SGD([weight], 0.1)
    scaler = scaler_of(optimizer, "cpu", "fp16")
    assert scaler_of(optimizer, "cpu", "fp16") is scaler
    for factor, expected, scale in ((3.0, 2.0 - 0.3, 2.0**16), (float("inf"), 2.0 - 0.3, 2.0**15)):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert weight.item() == pytest.approx(expected)
        assert scaler.get_scale() == scale


def test_training_in_float16_is_near_that_in_float32_and_goes_on_from_its_checkpoint(train, hardware, same_weights):
    half = with_settings(hardware, precision="fp16", channels_last=True)
    whole = Memory()
    exact, rounded = train(hardware, lr=0.01), train(half, whole, lr=0.01)
    assert not same_weights(exact, rounded)
    for one, other in zip(exact.parameters(), rounded.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.03)
    first = whole.states[0]
    assert first["scaler"]["scale"] == 2.0**16
    assert same_weights(train(half, Memory(first), lr=0.01), rounded)
    first["scaler"]["scale"] = 2.0**40  # the gradients of the first steps overflow
    again = Memory(first)
    train(half, again, lr=0.01)
    assert again.states[-1]["scaler"]["scale"] < 2.0**40


def test_scaled_losses_give_the_steps_of_plain_ones():
    weights = [nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2)]
    for weight, precision in zip(weights, ("fp16", "fp32"), strict=True):
        optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            scaler = scaler_of(optimizer, "cpu", precision)
            scaler.scale(weight.square().sum()).backward()
            scaler.unscale_(optimizer)
            assert torch.equal(weight.grad, 2 * weight.detach())
            scaler.step(optimizer)
            scaler.update()
    assert torch.equal(*weights)


@pytest.fixture
def counted(monkeypatch):
    """A compiler that leaves everything as it is and counts the calls of what it was given."""
    calls = []

    def compiler(function, **_):
        def call(*args, **kwargs):
            calls.append(function)
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(torch, "compile", compiler)
    compiling.require_compiler.cache_clear()
    yield calls
    compiling.require_compiler.cache_clear()


def test_only_training_is_compiled(counted, train, hardware, same_weights):
    plain = train(hardware)
    assert not counted
    found = train(with_settings(hardware, compile=True))
    assert len(counted) == 2 * 5  # steps
    assert not is_compiled(found)
    assert same_weights(plain, found)


def test_what_is_hooked_into_a_compiled_model_is_called(counted, original):
    model = compiled(original)
    assert is_compiled(model)
    with lone_values_allowed(model):
        assert is_compiled(model)
    with tapped(model) as seen:
        model(torch.zeros(2, 1, 6, 6))
    assert len(seen) == 2
    assert not is_compiled(model)


def test_without_a_compiler_compiling_ends_in_one_line(monkeypatch, hardware):
    def none(function):
        raise RuntimeError("no C++ compiler\nwas found")

    monkeypatch.setattr(torch, "compile", none)
    require_compiler.cache_clear()
    message = r"^hardware\.compile=true: torch\.compile does not work here on cpu \(no C\+\+ compiler\)$"
    with pytest.raises(ConfigError, match=message):
        with_settings(hardware, compile=True).resolved()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The distutils package is deprecated:DeprecationWarning")
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler")
def test_compiled_training_gives_the_same_weights_but_for_rounding(train, hardware):
    require_compiler.cache_clear()
    try:
        compiling_hardware = with_settings(hardware, compile=True).resolved()
    except ConfigError as error:  # torch's compiler needs setuptools, which refuses a distutils imported before it
        pytest.skip(str(error))
    models = [train(h) for h in (hardware, compiling_hardware)]
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
