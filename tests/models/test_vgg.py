import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from cu.models.vgg import VGG


@pytest.mark.parametrize(("depth", "letter"), [(11, "A"), (13, "B"), (16, "D"), (19, "E")])
def test_equals_torchvision_where_sizes_divide(depth, letter):
    torch.manual_seed(0)
    theirs = make_layers(cfgs[letter], batch_norm=True)
    with torch.device("meta"):
        ours = VGG(depth=depth, width=64, head="linear", dim=1).build(7, (3, 32, 32)).encoder
    ours.load_state_dict(
        dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), assign=True, strict=True
    )
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images).mean(dim=(2, 3)))


@pytest.mark.parametrize(("size", "expected"), [(28, [14, 7, 4, 2, 1]), (8, [4, 2, 1, 1, 1]), (64, [32, 16, 8, 4, 2])])
def test_pooling_rounds_up(size, expected):
    encoder = VGG(depth=11, width=2, head="linear", dim=1).build(3, (1, size, size)).encoder
    sizes, x = [], torch.randn(2, 1, size, size)
    for module in list(encoder)[:-1]:
        x = module(x)
        sizes.append(x.shape[-1])
    assert sizes == expected
