"""What holds for every published network, read from its own YAML."""

import importlib
import random

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch.nn import functional as F

from cu.config.folder import config_folder
from cu.models.resnet import ResNet
from cu.models.vgg import VGG

# Weights of the CIFAR-10 forms with one linear layer, as tabulated in the model zoos that popularised them
# (github.com/kuangliu/pytorch-cifar for the residual networks) and in the NeuralFuse paper (arXiv 2306.16869, Table 7).
PUBLISHED = {
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "vgg11": 9_231_114,
    "vgg13": 9_416_010,
    "vgg16": 14_728_266,
    "vgg19": 20_040_522,
}
FEATURES = {"resnet18": 512, "resnet34": 512, "resnet50": 2048, "resnet101": 2048}
NETWORKS = [(ResNet, depth) for depth in (18, 34, 50, 101)] + [(VGG, depth) for depth in (11, 13, 16, 19)]


def from_yaml(name, **changes):
    settings = dict(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    assert settings.pop("checkpoint") is settings.pop("checkpoint_key") is None
    module, _, target = settings.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), target)(**settings | changes)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def small(network, depth, head="projection", classes=5, shape=(3, 8, 8)):
    return network(depth=depth, width=4, head=head, dim=6).build(classes, shape)


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_of_weights_with_a_linear_head_is_the_published_one(name):
    with torch.device("meta"):
        model = from_yaml(name, head="linear").build(10, (3, 32, 32))
    assert count(model) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_of_weights_with_the_projection_head(name):
    with torch.device("meta"):
        model = from_yaml(name).build(10, (3, 32, 32))
    features = FEATURES.get(name, 512)
    encoder = PUBLISHED[name] - (features * 10 + 10)
    projection = (features**2 + features) + (features * 128 + 128) + (128 * 10 + 10)
    assert count(model) == encoder + projection


def test_number_of_weights_of_the_slim_network():
    with torch.device("meta"):
        model = from_yaml("resnet18_slim", head="linear").build(10, (1, 28, 28))
    expected, before = 9 * 1 * 16 + 2 * 16, 16
    for channels in (16, 32, 64, 128):
        expected += 9 * before * channels + 3 * 9 * channels**2 + 4 * 2 * channels
        expected += before * channels + 2 * channels if before != channels else 0
        before = channels
    assert count(model) == expected + 128 * 10 + 10


@pytest.mark.parametrize("head", ["projection", "linear"])
@pytest.mark.parametrize(("network", "depth"), NETWORKS)
def test_every_weight_learns_from_a_small_batch(network, depth, head):
    torch.manual_seed(0)
    model = small(network, depth, head)
    logits, embedding, _ = model(torch.randn(6, 3, 8, 8))
    assert logits.shape == (6, 5)
    (F.cross_entropy(logits, torch.arange(6) % 5) + embedding.square().mul(torch.rand_like(embedding)).sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 48), (3, 33, 33)])
@pytest.mark.parametrize(("network", "depth", "features"), [(ResNet, 18, 32), (ResNet, 50, 128), (VGG, 16, 32)])
def test_every_image_size_works(network, depth, features, shape):
    model = small(network, depth, "linear", classes=10, shape=shape).eval()
    logits, embedding, _ = model(torch.randn(2, *shape))
    assert logits.shape == (2, 10)
    assert embedding.shape == (2, features)


@pytest.mark.parametrize(("network", "depth"), [(ResNet, 18), (ResNet, 50), (VGG, 11)])
def test_channels_last_gives_the_same_output(network, depth):
    torch.manual_seed(0)
    model = small(network, depth, shape=(3, 16, 16)).eval()
    images = torch.randn(4, 3, 16, 16)
    expected = model(images)
    model.to(memory_format=torch.channels_last)
    for ours, theirs in zip(model(images.to(memory_format=torch.channels_last)), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("network", "depth"), [(ResNet, 18), (ResNet, 50), (VGG, 11)])
def test_weights_come_from_the_global_generator_of_torch_alone(network, depth):
    others = random.getstate(), np.random.get_state()[1].tolist()
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(small(network, depth).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0].values(), states[2].values(), strict=True))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others


@pytest.mark.parametrize(("network", "depth"), [(ResNet, 18), (ResNet, 50), (VGG, 16)])
def test_initial_scale_of_convolutions_and_normalisations(network, depth):
    torch.manual_seed(0)
    for module in network(depth=depth, width=32, head="linear", dim=1).build(10, (3, 8, 8)).encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            expected = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=5 / module.weight.numel() ** 0.5)
            assert module.bias is None or (module.bias == 0).all()
        if isinstance(module, torch.nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
