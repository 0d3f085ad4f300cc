import pytest
import torch
from torch.nn import functional as F

from cu.models.heads import LinearHead, ProjectionHead, build_head


@pytest.fixture
def features():
    return torch.randn(64, 12, generator=torch.Generator().manual_seed(0))


def test_projection_embedding_is_a_signed_unit_vector(features):
    torch.manual_seed(0)
    embedding = ProjectionHead(12, 5, dim=7)(features).embedding
    assert embedding.shape == (64, 7)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(64))
    assert (embedding < 0).any(dim=1).float().mean() > 0.5


def test_projection_logits_classify_the_rectified_embedding_without_touching_it(features):
    torch.manual_seed(0)
    head = ProjectionHead(12, 5, dim=7)
    logits, embedding, _ = head(features)
    first, _, second = head.projector
    hidden = (features @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias
    torch.testing.assert_close(embedding, hidden / hidden.square().sum(dim=1, keepdim=True).sqrt())
    torch.testing.assert_close(logits, embedding.clamp(min=0) @ head.classifier.weight.T + head.classifier.bias)


def test_gradients_reach_the_negative_part_of_the_projection_embedding(features):
    torch.manual_seed(0)
    embedding = ProjectionHead(12, 5, dim=7)(features.requires_grad_()).embedding
    (gradient,) = torch.autograd.grad(embedding.clamp(max=0).square().sum(), features)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-12, 1e-6])
def test_projection_gradients_are_bounded_near_the_zero_vector(features, length):
    torch.manual_seed(0)
    head = ProjectionHead(12, 5, dim=7)
    with torch.no_grad():
        head.projector[2].bias.zero_()
        head.projector[2].weight.mul_(length)
    logits, embedding, _ = head(features)
    (F.cross_entropy(logits, torch.zeros(64, dtype=torch.long)) + embedding.sum()).backward()
    for parameter in head.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() < 1e9


def test_linear_head_is_an_affine_map_of_its_embedding(features):
    head = LinearHead(12, 5)
    logits, embedding, _ = head(features)
    assert torch.equal(embedding, features)
    torch.testing.assert_close(logits, features @ head.classifier.weight.T + head.classifier.bias)


@pytest.mark.parametrize(("kind", "expected"), [("projection", (5, 7)), ("linear", (5, 12))])
def test_last_layer_is_exposed(kind, expected):
    head = build_head(kind, 12, 5, 7)
    assert isinstance(head.classifier, torch.nn.Linear)
    assert head.classifier.weight.shape == expected
    assert list(head.parameters())[-1] is head.classifier.bias
