"""Stages of encoders of every form: what is averaged, which parts there are, and that the last enters the head."""

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer
from torchvision.models.swin_transformer import SwinTransformer

from cu.engine.taps import channels_of, pooled, tapped
from cu.methods.esc import erased
from cu.models.adapt import adapt
from cu.models.heads import LinearHead
from cu.models.types import Classifier


class Residual(nn.Module):
    """An encoder that is no `Sequential`: three parts with weights, pooling without."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(c, 5, 3, padding=1) for c in (1, 5, 5))

    def forward(self, images):
        x = self.first(images)
        x = x + self.second(x).relu()
        return self.third(x).relu().mean((2, 3))


def test_places_are_averaged_wherever_the_channels_are():
    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    expected = torch.tensor([[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]])
    assert torch.equal(pooled(x), expected)
    assert torch.equal(pooled(x.movedim(1, -1), -1), expected)
    assert torch.equal(pooled(x.flatten(2).movedim(1, -1), -1), expected)
    flat = torch.ones(2, 3)
    assert torch.equal(pooled(flat), flat)
    assert pooled(flat) is not flat


def test_the_channels_are_told_by_the_last_norm_of_a_block():
    swin = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 6), nn.LayerNorm(6))
    convolution = nn.Conv2d(1, 6, 1)
    assert channels_of(swin, torch.zeros(2, 3, 3, 6)) == -1
    assert channels_of(swin, torch.zeros(2, 6, 3, 3)) == 1
    assert channels_of(swin, torch.zeros(2, 6, 6, 6)) == 1, "cannot be told"
    assert channels_of(convolution, torch.zeros(2, 3, 3, 6)) == 1
    assert channels_of(convolution, torch.zeros(2, 9, 6)) == -1, "tokens"


def test_a_vision_transformer_has_the_means_of_its_tokens_and_last_its_class_token():
    torch.manual_seed(0)
    network = VisionTransformer(
        image_size=8, patch_size=4, num_layers=2, num_heads=2, hidden_dim=6, mlp_dim=8, num_classes=4
    )
    model = adapt(network, "heads.head").eval()
    images = torch.randn(3, 3, 8, 8)
    with tapped(model) as seen:
        output = model(images)
    assert [tuple(part.shape) for part in seen] == [(3, 6), (3, 6)]
    torch.testing.assert_close(seen[0], network.conv_proj(images).mean((2, 3)))
    torch.testing.assert_close(seen[1], output.encoded)


def test_a_swin_transformer_has_the_means_of_its_channels():
    torch.manual_seed(0)
    network = SwinTransformer(
        patch_size=[2, 2], embed_dim=6, depths=[1, 1], num_heads=[2, 2], window_size=[2, 2], num_classes=4
    ).eval()
    model, images = adapt(network, "head"), torch.randn(3, 3, 16, 16)
    with tapped(model) as seen, torch.no_grad():
        output = model(images)
        blocks = network.features(images)
    assert blocks.shape == (3, 4, 4, 12)
    torch.testing.assert_close(seen[0], blocks.mean((1, 2)))
    torch.testing.assert_close(seen[-1], output.encoded)


@pytest.mark.parametrize("form", ["sequential", "other", "wrapped", "single"])
def test_an_erasure_keeps_the_number_of_stages_and_the_last_is_behind_it(form):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    encoder = {
        "sequential": nn.Sequential(*layers),
        "other": Residual(),
        "wrapped": nn.Sequential(nn.Sequential(Residual())),
        "single": nn.Sequential(nn.Flatten(), nn.Linear(36, 5)),
    }[form]
    model = Classifier(encoder, LinearHead(5, 4))
    matrix = torch.diag(torch.tensor([1.0, 0, 1, 0, 1]))
    after, images = erased(erased(model, matrix), torch.eye(5)), torch.randn(3, 1, 6, 6)
    with tapped(model) as before_it, tapped(after) as behind:
        model(images)
        output = after(images)
    assert len(before_it) == len(behind) == {"sequential": 2, "single": 1}.get(form, 3)
    for old, new in zip(before_it[:-1], behind[:-1], strict=True):
        torch.testing.assert_close(old, new)
    torch.testing.assert_close(behind[-1], output.encoded)
    torch.testing.assert_close(behind[-1], before_it[-1] @ matrix)
    assert before_it[-1][:, 1].abs().max() > 0
