import pytest
import torch
import torchvision

from cu.models.checkpoints.load import load_checkpoint
from cu.models.resnet import ResNet


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_equals_torchvision_with_a_cifar_stem(depth):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7)
    theirs.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = torch.nn.Identity()
    with torch.device("meta"):
        ours = ResNet(depth=depth, width=64, head="linear", dim=1).build(7, (3, 16, 16))
    # Both list their weights in the order of the published network, under other names.
    ours.load_state_dict(
        dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), assign=True, strict=True
    )
    images = torch.randn(2, 3, 16, 16)
    for mode in (True, False):
        with torch.no_grad():
            torch.testing.assert_close(ours.train(mode)(images).logits, theirs.train(mode)(images))


def test_only_the_last_three_stages_halve_the_image():
    encoder = ResNet(depth=18, width=2, head="linear", dim=1).build(3, (1, 28, 28)).encoder
    sizes, x = [], torch.randn(2, 1, 28, 28)
    for module in list(encoder)[:-1]:
        x = module(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(2, 28, 28), (2, 28, 28), (4, 14, 14), (8, 7, 7), (16, 4, 4)]


@pytest.mark.parametrize("depth", [18, 50])
def test_the_stem_for_large_images_takes_torchvisions_own_weights(tmp_path, depth):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7).eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    blank = ResNet(depth=depth, width=64, head="linear", dim=1, stem="large").build(7, (3, 64, 64))
    blank.load_state_dict(load_checkpoint(tmp_path / "theirs.pth", None, blank).weights)
    ours = blank.eval()
    images = torch.randn(2, 3, 65, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images).logits, theirs(images))
