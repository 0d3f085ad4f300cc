import pytest
import torch
from safetensors.torch import load_file

from cu.engine.outputs import score
from cu.errors import ConfigError
from cu.methods.logit_mask import MASKED_LOGIT, LogitMask
from cu.methods.types import scenarios_of
from cu.store.models import load_into, save_weights


@pytest.fixture
def masked(original, toy_tasks, make_run):
    return LogitMask().unlearn(original, toy_tasks["class"], make_run())


def outputs(model, split):
    with torch.inference_mode():
        return model(split.eval_view(torch.arange(len(split))))


def test_only_the_logits_of_forgotten_classes_change(original, masked, toy_data):
    before, after = outputs(original, toy_data.test), outputs(masked, toy_data.test)
    assert torch.equal(after.embedding, before.embedding)
    assert torch.equal(after.logits[:, [0, 1, 3]], before.logits[:, [0, 1, 3]])
    assert (after.logits[:, 2] == MASKED_LOGIT).all()
    assert not (after.logits.argmax(1) == 2).any()
    assert not masked.training


def test_entropy_and_log_probabilities_stay_finite(masked, toy_data):
    log_p = outputs(masked, toy_data.test).logits.log_softmax(1)
    assert log_p.isfinite().all()
    assert (log_p.exp() * log_p).isfinite().all()


def test_the_original_is_left_alone_and_every_weight_is_kept(original, masked, make_run, toy_tasks, same_weights):
    known = original.state_dict()
    assert not hasattr(original.head, "hidden")
    again = LogitMask().unlearn(original, toy_tasks["class"], make_run())
    assert same_weights(again, masked)
    state = {name.replace("unmasked.", ""): value for name, value in masked.state_dict().items()}
    assert state.keys() - known.keys() == {"head.hidden"}
    assert all(torch.equal(state[name], known[name]) for name in known)


def test_what_is_shown_of_the_head_is_the_layer_before_the_rule(original, masked, toy_data, hardware):
    # An attacker who holds the weights has the forgotten rows; a mask does not take them away.
    arrays, known = score(masked, toy_data, hardware), score(original, toy_data, hardware)
    assert (arrays["head/weight"] == known["head/weight"]).all()
    assert (arrays["head/bias"] == known["head/bias"]).all()
    assert (arrays["train/embedding"] == known["train/embedding"]).all()


def test_saved_weights_hold_the_mask_and_fit_no_unmasked_model(
    original, masked, tmp_path, same_weights, make_run, make_model, toy_tasks
):
    save_weights(tmp_path / "model.safetensors", masked)
    weights = load_file(tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"unknown \(e\.g\. head\."):
        load_into(original, weights, "file")
    other = LogitMask().unlearn(make_model(), toy_tasks["class"], make_run())
    load_into(other, weights, "file")
    assert same_weights(other, masked)


def test_it_is_meant_for_classes():
    assert scenarios_of(LogitMask()) == ("class",)
