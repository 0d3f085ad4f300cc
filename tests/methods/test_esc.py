import numpy as np
import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy, predict
from cu.methods.esc import Esc, erased
from cu.methods.esc_t import EscT, Masked


def test_features_lose_the_first_singular_directions_of_the_forget_set(original, toy_tasks, make_run, hardware):
    task = toy_tasks["class"]
    model = Esc(share=0.1).unlearn(original, task, make_run())
    before, after = (predict(m, task.forget, hardware).features.double().numpy() for m in (original, model))
    # By the definition, with numpy: 3 of 32 directions.
    left, _, _ = np.linalg.svd(before.T, full_matrices=True)
    kept = left[:, 3:]
    np.testing.assert_allclose(after, before @ kept @ kept.T, atol=1e-4)
    assert np.abs(after @ left[:, :3]).max() < 1e-4


def test_at_least_one_direction_goes(original, toy_tasks, make_run, hardware):
    model = Esc(share=0.0).unlearn(original, toy_tasks["class"], make_run())
    features = predict(model, toy_tasks["class"].retain, hardware).features
    assert torch.linalg.matrix_rank(features.double(), rtol=1e-5) <= 31


def test_what_is_written_down_is_projected_too(original):
    matrix = torch.zeros(32, 32)
    model = erased(original, matrix)
    assert model(torch.rand(3, 1, 6, 6)).encoded.abs().max() == 0
    assert "encoder.erasure.matrix" in model.state_dict()


def test_the_mask_forgets_and_moves_no_weight(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    recipe = make_recipe(lr=100.0, epochs=20, batch_size=16, momentum=0.0, weight_decay=0.0)
    model = EscT(recipe=recipe, threshold=0.5).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.5
    for own, given in zip(model.parameters(), original.parameters(), strict=True):
        assert torch.equal(own, given)


def test_a_mask_of_ones_changes_nothing_and_stays_in_bounds(original, toy_tasks, make_run, make_recipe):
    task, source = toy_tasks["class"], torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(32, 32, generator=source)).Q
    images = task.forget.eval_view(torch.arange(4))
    torch.testing.assert_close(
        Masked(original, directions)(images).logits, original(images).logits, rtol=1e-3, atol=1e-3
    )
    method = EscT(recipe=make_recipe(lr=1e4, epochs=2, batch_size=8, momentum=0.0), threshold=0.5)
    model = method.unlearn(original, task, make_run())
    matrix = model.encoder.erasure.matrix
    assert matrix.isfinite().all()
    assert torch.linalg.eigvalsh(matrix.double()).min() > -1e-5


def test_samples_that_are_wrong_already_do_not_count(original, toy_tasks, make_recipe):
    task = toy_tasks["class"]
    images = task.forget.eval_view(torch.arange(6))
    logits = original(images).logits
    labels = logits.argmax(1)
    labels[:2] = (labels[:2] + 1) % 4
    expected = sum(-logits[i].log_softmax(0)[labels[i]] for i in range(2, 6)) / 4
    loss = EscT(recipe=make_recipe(), threshold=0.5).loss(original, Batch(images, labels, {"forget": 6}))
    assert loss.item() == pytest.approx(-expected.item(), rel=1e-4)


@pytest.mark.parametrize(("epochs", "said"), [(0, 1), (20, 0)])
def test_a_mask_that_hides_nothing_leaves_the_original_and_that_is_said(
    original, toy_tasks, make_run, make_recipe, same_weights, caplog, epochs, said
):
    recipe = make_recipe(lr=100.0, epochs=epochs, batch_size=16, momentum=0.0, weight_decay=0.0)
    model = EscT(recipe=recipe, threshold=0.5).unlearn(original, toy_tasks["class"], make_run())
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == said
    assert all(line.startswith("warning: esc_t leaves the weights as they were") for line in lines)
    assert same_weights(model, original) == bool(said)
