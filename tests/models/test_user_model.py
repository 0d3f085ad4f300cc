import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.models.user import UserModel

SOURCE = """
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
    ],
)
def test_every_mistake_ends_in_one_line_that_names_the_key(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(**changes)
    assert "\n" not in str(caught.value)


def test_errors_inside_the_users_code_stay_visible(tmp_path):
    (tmp_path / "broken_networks.py").write_text("def make(num_classes):\n    raise TypeError('my own bug')\n")
    with pytest.raises(TypeError, match="my own bug"):
        build("broken_networks:make")


def test_yaml_lists_exactly_the_settings():
    settings = OmegaConf.load(config_folder() / "model" / "user.yaml")
    assert set(settings) == {"_target_", "factory", "settings", "head", "checkpoint", "checkpoint_key"}
    assert OmegaConf.is_missing(settings, "factory")
