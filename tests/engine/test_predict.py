import math

import pytest
import torch

from cu.engine import predict as module
from cu.engine.hardware import Hardware
from cu.engine.predict import accuracy, predict


def one_by_one(model, split):
    model.eval()
    with torch.no_grad():
        outputs = [model(split.eval_view(torch.tensor([i]))) for i in range(len(split))]
    return torch.cat([o.logits for o in outputs]), torch.cat([o.embedding for o in outputs])


@pytest.mark.parametrize("batch", [1, 7, 48, 512])
def test_every_sample_in_file_order(original, toy_data, hardware, monkeypatch, batch):
    monkeypatch.setattr(module, "SCORING_BATCH", batch)
    scores = predict(original, toy_data.test, hardware)
    logits, embedding = one_by_one(original, toy_data.test)
    torch.testing.assert_close(scores.logits, logits)
    torch.testing.assert_close(scores.embedding, embedding)


def test_neither_augmentation_nor_dropout_nor_batch_statistics(make_model, toy_data, hardware):
    torch.manual_seed(0)
    model = make_model(dropout=0.5).train()
    split = toy_data.train.augmented(True)
    scores = predict(model, split, hardware)
    assert torch.equal(scores.logits, predict(model, toy_data.train.augmented(False), hardware).logits)
    expected = one_by_one(model, split)[0]
    torch.testing.assert_close(scores.logits, expected)


def test_modes_are_put_back_layer_by_layer(original, toy_data, hardware):
    for layer_mode in (True, False):
        original.train()
        original.encoder[1].train(layer_mode)
        before = [layer.training for layer in original.modules()]
        predict(original, toy_data.test, hardware)
        predict(original, toy_data.test.subset(torch.tensor([], dtype=torch.long)), hardware)
        assert [layer.training for layer in original.modules()] == before
    original.eval()
    accuracy(original, toy_data.test, hardware)
    assert not any(layer.training for layer in original.modules())


def test_modes_are_put_back_after_a_failure(original, toy_data, hardware):
    original.train()
    with pytest.raises(RuntimeError):
        predict(original, toy_data.test, Hardware(**{**vars(hardware), "device": "meta"}))
    assert original.training


def test_weights_buffers_and_gradients_are_untouched(original, toy_data, hardware):
    before = {name: value.clone() for name, value in original.state_dict().items()}
    scores = predict(original.train(), toy_data.test, hardware)
    assert all(torch.equal(before[name], value) for name, value in original.state_dict().items())
    assert all(parameter.grad is None for parameter in original.parameters())
    assert not scores.logits.requires_grad
    (scores.logits * torch.ones(1, requires_grad=True)).sum().backward()  # ordinary tensors, usable afterwards


def test_an_empty_split_has_no_rows_and_all_columns(original, toy_data, hardware):
    scores = predict(original, toy_data.test.subset(torch.tensor([], dtype=torch.long)), hardware)
    assert scores.logits.shape == (0, 4)
    assert scores.embedding.shape == (0, 8)
    assert scores.logits.dtype == scores.embedding.dtype == torch.float32


def test_accuracy_counts_hits(original, toy_data, hardware):
    logits, _ = one_by_one(original, toy_data.test)
    hits = sum(int(row.argmax()) == label for row, label in zip(logits, toy_data.test.labels.tolist(), strict=True))
    assert accuracy(original, toy_data.test, hardware) == hits / len(toy_data.test)
    assert math.isnan(accuracy(original, toy_data.test.subset(torch.tensor([], dtype=torch.long)), hardware))


def test_scoring_in_bf16_is_close_and_comes_back_in_float32(original, toy_data, hardware):
    half = Hardware(**{**vars(hardware), "scoring_precision": "bf16", "channels_last": True})
    exact, rounded = predict(original, toy_data.test, hardware), predict(original, toy_data.test, half)
    assert rounded.logits.dtype == rounded.embedding.dtype == torch.float32
    assert not torch.equal(exact.logits, rounded.logits)
    torch.testing.assert_close(rounded.logits, exact.logits, rtol=0.1, atol=0.3)
