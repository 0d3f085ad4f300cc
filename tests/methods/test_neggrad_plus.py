import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy
from cu.methods.finetune import FineTune
from cu.methods.neggrad_plus import NegGradPlus


@pytest.fixture
def unlearn(original, toy_tasks, make_run):
    def unlearn(recipe, retain_weight, run=None, size=None, scenario="class"):
        method = NegGradPlus(recipe=recipe, retain_weight=retain_weight, forget_batch_size=size)
        return method.unlearn(original, toy_tasks[scenario], run or make_run())

    return unlearn


def test_full_weight_on_the_retain_set_is_fine_tuning(
    unlearn, original, toy_tasks, make_run, make_recipe, same_weights
):
    recipe = make_recipe(augment=True)
    expected = FineTune(recipe=recipe).unlearn(original, toy_tasks["class"], make_run())
    assert same_weights(unlearn(recipe, 1.0), expected)


def test_less_weight_on_the_retain_set_forgets_more(unlearn, toy_tasks, make_recipe, hardware):
    recipe, forget = make_recipe(lr=0.2, momentum=0.0, epochs=5, batch_size=16), toy_tasks["class"].forget
    losses, hits = [], []
    for weight in (1.0, 0.9, 0.8, 0.6):
        model = unlearn(recipe, weight)
        with torch.no_grad():
            losses.append(F.cross_entropy(model(forget.eval_view(torch.arange(len(forget)))).logits, forget.labels))
        hits.append(accuracy(model, forget, hardware))
    assert losses == sorted(losses)
    assert hits == sorted(hits, reverse=True)
    assert hits[0] > 0.9
    assert hits[-1] == 0


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.95])
def test_the_loss_is_the_weighted_difference(original, toy_tasks, make_recipe, weight):
    def whole(split):
        every = torch.arange(len(split))
        return Batch(split.eval_view(every), split.labels, {split.name: len(split)})

    def error(batch):
        chances = original(batch.images).logits.softmax(1)
        return -chances[torch.arange(len(batch.labels)), batch.labels].log().mean()

    pair = Pair(whole(toy_tasks["class"].forget), whole(toy_tasks["class"].retain))
    loss = NegGradPlus(recipe=make_recipe(), retain_weight=weight, forget_batch_size=None).loss(original, pair)
    torch.testing.assert_close(loss, weight * error(pair.retain) - (1 - weight) * error(pair.forget))


def test_a_pass_is_one_over_the_retain_set(unlearn, toy_tasks, make_run, make_recipe):
    run, retain = make_run(), len(toy_tasks["sample"].retain)
    unlearn(make_recipe(epochs=2, batch_size=16), 0.9, run, size=5, scenario="sample")
    steps = -(-retain // 16)
    assert run.ledger.steps == 2 * steps
    assert run.ledger.samples == {"retain": 2 * retain, "forget": 2 * 5 * steps}
