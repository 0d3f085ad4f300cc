import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from cu.engine.predict import accuracy
from cu.methods.damp import Damp, forget_directions, layer_inputs, project
from cu.models.adapt import adapt


def test_directions_and_separability_of_a_hand_worked_case():
    kept, kept_labels = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0]]), torch.tensor([0, 1, 0, 1])
    lost, lost_labels = torch.tensor([[0.0, 3, 0], [0.0, 1, 0]]), torch.tensor([2, 2])
    basis, told = forget_directions(lost, lost_labels, kept, kept_labels)
    assert basis.abs().flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    # Half way, at 1, lies one of the two forget samples: (1/2 + 1) / 2 balanced accuracy.
    assert told == pytest.approx(0.5)


def test_two_classes_span_two_directions_and_equal_ones_none():
    kept, kept_labels = torch.zeros(3, 4), torch.tensor([0, 1, 1])
    lost, lost_labels = torch.eye(4)[[0, 0, 1]] * 2, torch.tensor([5, 5, 6])
    assert forget_directions(lost, lost_labels, kept, kept_labels)[0].shape == (4, 2)
    basis, told = forget_directions(torch.zeros(2, 4), torch.tensor([5, 5]), kept, kept_labels)
    assert (basis.shape[1], told) == (0, 0.0)


@pytest.mark.parametrize("layer", [nn.Linear(3, 5), nn.Conv2d(3, 5, 3, padding=1)])
def test_a_projected_layer_is_the_layer_on_projected_inputs(layer):
    torch.manual_seed(0)
    q = torch.linalg.qr(torch.randn(3, 2)).Q
    x = torch.randn(4, 3, *((6, 6) if isinstance(layer, nn.Conv2d) else ()))
    moved = x.movedim(1, -1)
    expected = layer((moved - 0.7 * moved @ q @ q.T).movedim(-1, 1)).detach()
    project(layer, q, 0.7)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_inputs_are_those_of_every_layer_pooled(original, toy_tasks, make_run):
    split = toy_tasks["class"].forget
    found = layer_inputs(original, split, make_run())
    images = split.eval_view(torch.arange(len(split)))
    torch.testing.assert_close(found["encoder.0"], images.mean((2, 3)))
    torch.testing.assert_close(found["head.classifier"], F.relu(original(images).embedding), rtol=1e-4, atol=1e-5)


def test_a_class_is_forgotten_and_strength_of_nothing_moves_nothing(
    original, toy_tasks, make_run, hardware, same_weights
):
    task = toy_tasks["class"]
    model = Damp(strength=1.0).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < accuracy(original, task.forget, hardware) - 0.3
    assert same_weights(Damp(strength=0.0).unlearn(original, task, make_run()), original)


class OfOneChannel(nn.Module):
    """A tiny transformer that looks at single windows of its tokens on the way."""

    def __init__(self):
        super().__init__()
        self.network = VisionTransformer(
            image_size=6, patch_size=2, num_layers=1, num_heads=2, hidden_dim=6, mlp_dim=8, num_classes=4
        )
        self.windows = nn.Linear(6, 6)

    def forward(self, images):
        self.windows(images.reshape(-1, 6))
        return self.network(images.expand(-1, 3, -1, -1))


def test_inputs_of_a_transformer_are_the_means_of_its_tokens(toy_tasks, make_run):
    torch.manual_seed(0)
    task, model = toy_tasks["class"], adapt(OfOneChannel(), "network.heads.head").eval()
    seen = []
    layer = model.encoder.get_submodule("network.encoder.layers.encoder_layer_0.mlp.0")
    handle = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(task.forget.eval_view(torch.arange(len(task.forget))))
    handle.remove()
    found = layer_inputs(model, task.forget, make_run())
    path = "encoder.network.encoder.layers.encoder_layer_0.mlp.0"
    torch.testing.assert_close(found[path], seen[0].mean(1), rtol=1e-4, atol=1e-5)
    assert "encoder.windows" not in found, "no input per image"
    after = Damp(strength=1.0).unlearn(model, task, make_run())
    assert not torch.equal(after.get_submodule(path).weight, model.get_submodule(path).weight)
    assert torch.equal(after.encoder.windows.weight, model.encoder.windows.weight)
