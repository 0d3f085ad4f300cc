import pytest
import torch

from cu.errors import ConfigError
from cu.models.libraries import TimmModel, TorchvisionModel


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "resnet18"])
def test_networks_of_timm_become_classifiers_of_the_data_set_s_images(name):
    pytest.importorskip("timm")
    settings = {"depths": (1, 1, 1, 1), "embed_dim": 24} if "swin" in name else {"depth": 1} if "vit" in name else {}
    model = TimmModel(name=name, pretrained=False, settings=settings).build(5, (1, 32, 32)).eval()
    output = model(torch.randn(2, 1, 32, 32))
    assert (output.logits.shape, output.embedding.ndim) == ((2, 5), 2)
    torch.testing.assert_close(model.head.classifier(output.embedding), output.logits)


@pytest.mark.parametrize("name", ["squeezenet1_0", "rsnet18"])
def test_what_cannot_be_adapted_is_one_line(name):
    with pytest.raises(ConfigError, match=r"^model\.name=.*; (choose another network|did you mean resnet18\?)$"):
        TorchvisionModel(name=name, settings={}).build(5, (3, 32, 32))


def test_networks_of_torchvision_follow_the_data_set():
    model = TorchvisionModel(name="mobilenet_v3_small", settings={"width_mult": 0.25}).build(5, (3, 32, 32)).eval()
    assert model(torch.randn(2, 3, 32, 32)).logits.shape == (2, 5)


def test_auxiliary_outputs_of_a_network_in_training_are_left_out():
    model = TorchvisionModel(name="googlenet", settings={"init_weights": False}).build(5, (3, 64, 64)).train()
    assert model(torch.randn(2, 3, 64, 64)).logits.shape == (2, 5)
