import copy

import pytest
import torch
import torchvision
from torch import nn

from cu.errors import ConfigError
from cu.models.adapt import adapt
from cu.models.checkpoints.load import plain_names


def nested():
    """A network whose last layer is `classifier.3`, behind dropout and in-place ReLUs."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)),
        nn.Flatten(),
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 5)),
    )


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize(
    ("make", "head", "dim"),
    [(nested, "2.3", 6), (lambda: torchvision.models.resnet18(num_classes=5), "fc", 512)],
    ids=["nested", "resnet18"],
)
def test_logits_are_those_of_the_network(make, head, dim, mode):
    torch.manual_seed(0)
    network = make().train(mode)
    model = adapt(network, head)
    assert model.training == mode
    images = torch.randn(4, 3, 32, 32)
    torch.manual_seed(1)
    expected = network(images)
    torch.manual_seed(1)
    logits, embedding, _ = model(images)
    assert torch.equal(logits, expected)
    assert embedding.shape == (4, dim)
    layer = network.get_submodule(head)
    torch.testing.assert_close(embedding @ layer.weight.T + layer.bias, logits)


def test_the_network_is_left_untouched():
    network = nested()
    before, text = copy.deepcopy(network.state_dict()), repr(network)
    model = adapt(network, "2.3")
    model(torch.randn(4, 3, 8, 8)).logits.sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert repr(network) == text
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before.values(), network.state_dict().values(), strict=True))


def test_no_weight_is_lost_or_doubled():
    network = nested()
    model = adapt(network, "2.3")
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in network.parameters())
    assert model.head.classifier.weight.shape == (5, 6)


def test_the_frozen_stay_frozen():
    network = nested()
    network[0].requires_grad_(False)
    network[0][1].eval()
    model = adapt(network, "2.3")
    assert [p.requires_grad for p in model.encoder[0].parameters()] == [False] * 4
    assert model.encoder[2][1].training
    assert not model.encoder[0][1].training


@pytest.mark.parametrize("head", ["fc", "2.4", "", "2.3.weight"])
def test_an_unknown_head_names_the_linear_layers(head):
    with pytest.raises(ConfigError, match=r"^model\.head='.*' is no layer of Sequential; .*: 2\.0, 2\.3$"):
        adapt(nested(), head)


def test_a_head_on_feature_maps_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = adapt(network[:2], "1")
    with pytest.raises(ValueError, match=r"^model\.head .* shape \(2, 4, 6, 6\); it must be one vector per image"):
        model(torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("make", "head"), [(nested, "2.3"), (lambda: torchvision.models.resnet18(num_classes=5), "fc")]
)
def test_weights_of_the_plain_network_fit_under_their_adapted_names(make, head):
    network, other = make().eval(), make().eval()
    model = adapt(other, head).eval()
    names = plain_names(list(model.state_dict()), head)
    model.load_state_dict({names[name]: weight for name, weight in network.state_dict().items()})
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(model(images).logits, network(images))
