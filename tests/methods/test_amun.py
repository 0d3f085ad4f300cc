import pytest
import torch

from cu.methods.amun import AMUN
from cu.methods.types import scenarios_of


def amun(recipe, data="all", radius=0.04, steps=10):
    return AMUN(recipe=recipe, data=data, radius=radius, steps=steps)


@pytest.fixture
def few(toy_tasks):
    return toy_tasks["sample"]


def test_it_is_meant_for_samples(make_recipe):
    assert scenarios_of(amun(make_recipe())) == ("sample",)


def test_adversarial_images_fool_the_original_as_they_enter_training(original, few, make_run, make_recipe):
    images, labels = amun(make_recipe()).adversarial(original, few.forget, make_run())
    assert len(images) == len(few.forget)
    assert torch.equal(original(images).logits.argmax(1), labels)
    assert (labels != few.forget.labels).all()
    lowest, highest = (few.forget.transform.normalize(torch.tensor(p).view(1, 1, 1, 1)).item() for p in (0.0, 1.0))
    assert lowest - 1e-5 <= images.min()
    assert images.max() <= highest + 1e-5


@pytest.mark.parametrize(("data", "parts"), [("all", 2), ("no_retain", 2), ("adversarial", 1)])
def test_each_kind_trains_on_what_it_says(original, few, make_run, make_recipe, data, parts):
    run = make_run()
    with run.ledger.running():
        amun(make_recipe(epochs=1), data).unlearn(original, few, run)
    # Making the adversarial images looks at each of them once more.
    assert run.ledger.samples["forget"] == (parts + 1) * len(few.forget)
    assert run.ledger.samples["retain"] == (len(few.retain) if data == "all" else 0)
    assert run.ledger.seconds["prep"] > 0


@pytest.mark.parametrize("data", ["no_retain", "adversarial"])
def test_confidence_in_the_forgotten_falls_and_accuracy_stays(original, few, make_run, make_recipe, data):
    run, every = make_run(), torch.arange(len(few.forget))
    model = amun(make_recipe(lr=0.05, epochs=5), data).unlearn(original, few, run)
    before, after = (
        m(few.forget.eval_view(every)).logits.softmax(1)[every, few.forget.labels].mean() for m in (original, model)
    )
    assert after < before - 0.005
    assert run.accuracy(model, few.forget) > 0.8
    assert run.accuracy(model, few.retain) > 0.8
