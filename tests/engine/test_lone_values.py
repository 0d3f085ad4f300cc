import pytest
import torch
from torch import nn

from cu.engine.lone_values import lone_values_allowed


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    for norm in (model[1], model[4]):
        norm.running_mean.uniform_()
        norm.running_var.uniform_(0.5, 2)
    return model.train()


def test_one_value_per_channel_is_normalised_by_the_running_statistics():
    model, image = network(), torch.randn(1, 1, 5, 5)
    with pytest.raises(ValueError, match="more than 1 value"):
        model(image)
    mean, variance = model[4].running_mean.clone(), model[4].running_var.clone()
    first = model[1].running_mean.clone()
    with lone_values_allowed(model):
        found = model(image)
    pooled = model[3](model[2](nn.functional.batch_norm(model[0](image), None, None, training=True)))
    expected = (pooled - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(found, expected)
    assert torch.equal(model[4].running_mean, mean)
    assert not torch.equal(model[1].running_mean, first), "nine pixels are enough for the first layer"
    assert all(module.training for module in model.modules())
    with pytest.raises(ValueError, match="more than 1 value"):
        model(image)


def test_other_batches_are_normalised_as_ever():
    plain, allowed, images = network(), network(), torch.randn(3, 1, 5, 5)
    expected = plain(images)
    with lone_values_allowed(allowed):
        found = allowed(images)
    assert torch.equal(found, expected)
    for own, theirs in zip(allowed.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(own, theirs)


def test_a_layer_that_fails_is_left_as_it_was():
    model = network()
    with pytest.raises(ValueError, match="expected 4D"), lone_values_allowed(model):
        model[4](torch.randn(1, 4))
    assert model[4].training
    assert not model[4]._forward_pre_hooks
