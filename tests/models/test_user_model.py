import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.models.user import UserModel

SOURCE = """
from types import SimpleNamespace

import torch
from torch import nn

VERSION = 3

class Net(nn.Module):
    def __init__(self, num_classes, frozen=False):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Linear(4, 6)
        self.square = nn.Linear(6, 6)
        self.fc = nn.Linear(6, num_classes)
        if frozen:
            self.features.eval()

    def forward(self, x):
        x = self.features(x).mean(dim=(2, 3))
        return self.fc(self.square(torch.relu(self.hidden(self.drop(x)))))

def text(num_classes):
    return "no network"

class Pair(Net):
    def forward(self, x):
        return super().forward(x), x

class PairWhileTrained(Net):
    def forward(self, x):
        return (super().forward(x), x) if self.training else super().forward(x)

class Named(Net):
    def forward(self, x):
        return SimpleNamespace(logits=super().forward(x), hidden=x)

class Scaled(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * super().forward(x)

class Squeezed(Net):
    def forward(self, x):
        return super().forward(x).squeeze()

class TwoOnly(Net):
    def forward(self, x):
        return super().forward(x.view(2, 1, 8, 8))

class Lazy(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.square = nn.LazyLinear(6)
        self.fc = nn.LazyLinear(num_classes)

class Normed(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.hidden = nn.utils.weight_norm(self.hidden)

class InDict(Net):
    def forward(self, x):
        return {"hidden": x, "logits": super().forward(x)}

class DictWithout(Net):
    def forward(self, x):
        return {"hidden": x, "scores": super().forward(x)}

class Particular(Net):
    def forward(self, x):
        assert x.shape[-1] == 32, "I want 32 pixels"
        return super().forward(x)

class ParticularWhileTrained(Net):
    def forward(self, x):
        if self.training:
            raise ValueError("no training here")
        return super().forward(x)

def failing(num_classes):
    raise KeyError("backbone")

def scripted(num_classes):
    return torch.jit.trace(Net(num_classes).eval(), torch.zeros(2, 1, 8, 8))
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)


def build(factory="own_networks:Net", head="fc", shape=(1, 8, 8), num_classes=7, **settings):
    return UserModel(factory=factory, settings={"num_classes": 7} | settings, head=head).build(num_classes, shape)


@pytest.mark.parametrize("factory", ["own_networks:Net", "own_networks.Net"])
def test_the_network_is_found_built_and_adapted(factory):
    torch.manual_seed(3)
    model = build(factory)
    torch.manual_seed(3)
    from own_networks import Net  # pyright: ignore[reportMissingImports]

    network = Net(7).eval()
    images = torch.randn(3, 1, 8, 8)
    logits, embedding, _ = model.eval()(images)
    assert torch.equal(logits, network(images))
    assert embedding.shape == (3, 6)


def test_building_leaves_weights_statistics_and_modes_alone():
    model = build(frozen=True)
    assert model.training
    assert model.encoder.drop.training
    assert not model.encoder.features[1].training
    assert model.encoder.features[1].num_batches_tracked == 0
    assert (model.encoder.features[1].running_mean == 0).all()
    assert isinstance(model.head.classifier, nn.Linear)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factory": "no_such_package:Net"}, r"^model\.factory=no_such_package:Net cannot be imported .*PYTHONPATH"),
        ({"factory": "own_networks:Missing"}, r"has no function or class Missing$"),
        ({"factory": "own_networks:VERSION"}, r"has no function or class VERSION$"),
        ({"factory": "Net"}, r"must read package\.module:function$"),
        ({"factory": "own_networks:text"}, r"must return a torch\.nn\.Module"),
        ({"factory": "own_networks:Pair"}, r"returns tuple for 2 images"),
        ({"colour": "red"}, r"^model\.settings do not fit model\.factory=own_networks:Net: .*colour"),
        ({"num_classes": 9}, r"returns \(2, 7\) for 2 images; with 9 classes .* \(2, 9\): see model\.settings$"),
        ({"shape": (3, 8, 8)}, r"does not take images of shape \(3, 8, 8\): "),
        ({"head": "classifier"}, r"^model\.head='classifier' is no layer of Net; .*: hidden, square, fc$"),
        ({"head": "hidden"}, r"^model\.head=hidden must be the last layer"),
        ({"head": "square"}, r"^model\.head=square must be the last layer"),
        ({"head": "drop"}, r"^model\.head=drop has no weights \(Dropout\): name the last layer that has$"),
        ({"factory": "own_networks:Scaled"}, r"must be the last layer .*: without it in its place the logits change$"),
        ({"factory": "own_networks:PairWhileTrained"}, r"returns tuple in training mode: wrap it in one that"),
        ({"factory": "own_networks:Squeezed"}, r"returns \(7,\) for 1 image; .* the axis of the batch must stay$"),
        ({"factory": "own_networks:TwoOnly"}, r"does not take images of shape \(1, 8, 8\), one alone: "),
        ({"factory": "own_networks:DictWithout"}, r"returns dict for 2 images; .* by the name logits$"),
        (
            {"factory": "own_networks:failing"},
            r"^model\.factory=own_networks:failing fails .*: KeyError: 'backbone' \(own_networks\.py, line \d+\)$",
        ),
        (
            {"factory": "own_networks:Particular"},
            r"^model\.factory=.* \(1, 8, 8\): AssertionError: I want 32 pixels \(",
        ),
        (
            {"factory": "own_networks:ParticularWhileTrained"},
            r"^model\.factory=.* in training mode: ValueError: no training here \(own_networks\.py",
        ),
        ({"factory": "own_networks:scripted"}, r"is TorchScript, whose layers cannot be exchanged: "),
        ({"factory": "own_networks:Normed"}, r"cannot be copied, .*; use torch\.nn\.utils\.parametrizations"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_every_mistake_ends_in_one_line_that_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Named", "InDict", "Lazy"])
def test_objects_and_dicts_with_logits_and_layers_without_sizes_are_taken(name):
    assert build(f"own_networks:{name}").train()(torch.randn(3, 1, 8, 8)).logits.shape == (3, 7)


@pytest.mark.parametrize(
    ("source", "reason"),
    [("net = missing", r"NameError: .*missing.* \(broken_\w+\.py, line 1\)$"), ("def net(: pass", "SyntaxError: ")],
)
def test_a_module_that_fails_while_it_is_imported_is_named_with_its_setting(source, reason, tmp_path):
    name = f"broken_{source.split()[0]}"
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(ConfigError, match=rf"^model\.factory={name}:net: importing {name} fails: {reason}"):
        build(f"{name}:net")


def test_the_trial_draws_nothing_and_leaves_modes_alone():
    torch.manual_seed(0)
    model = build(frozen=True)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    from own_networks import Net  # pyright: ignore[reportMissingImports]

    Net(7, frozen=True)
    assert torch.equal(drawn, torch.rand(1))
    assert model.encoder.drop.training
    assert not model.encoder.features.training


def test_errors_inside_the_users_code_stay_visible(tmp_path):
    (tmp_path / "broken_networks.py").write_text("def make(num_classes):\n    raise TypeError('my own bug')\n")
    with pytest.raises(ConfigError, match=r"TypeError: my own bug \(broken_networks\.py, line 2\)$") as caught:
        build("broken_networks:make")
    assert isinstance(caught.value.__cause__, TypeError)


def test_yaml_lists_exactly_the_settings():
    settings = OmegaConf.load(config_folder() / "model" / "user.yaml")
    assert set(settings) == {"_target_", "factory", "settings", "head", "checkpoint", "checkpoint_key"}
    assert OmegaConf.is_missing(settings, "factory")
