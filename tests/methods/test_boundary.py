import pytest
import torch

from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.attack import fgsm, on_pixels, pixels_of, predicted
from cu.errors import ConfigError
from cu.methods.boundary_expand import BoundaryExpand, pruned
from cu.methods.boundary_shrink import BoundaryShrink, runner_up
from cu.models.heads import LinearHead
from cu.models.types import Classifier


def shrink(recipe, epsilon=0.2, failed="runner_up"):
    return BoundaryShrink(recipe=recipe, epsilon=epsilon, failed=failed)


def test_shrinking_labels_are_the_classes_across_the_boundary(original, toy_data, make_run, make_recipe, hardware):
    split = toy_data.train
    pixels, labels = pixels_of(split, torch.arange(len(split)), hardware)
    logits = on_pixels(original, split, hardware)
    across = predicted(logits, fgsm(logits, pixels, labels, 0.2))
    succeeded = across != labels
    assert succeeded.any()
    assert not succeeded.all()
    found = {f: shrink(make_recipe(), failed=f).relabelled(original, split, make_run()) for f in ("runner_up", "keep")}
    assert torch.equal(found["keep"].labels, across)
    assert torch.equal(found["runner_up"].labels[succeeded], across[succeeded])
    assert (found["runner_up"].labels != split.labels).all()
    assert len(found["runner_up"].labels.unique()) > 1
    dropped = shrink(make_recipe(), failed="drop").relabelled(original, split, make_run())
    assert torch.equal(dropped.ids, split.ids[succeeded])
    assert torch.equal(dropped.labels, across[succeeded])


@pytest.mark.parametrize("failed", ["runner_up", "keep", "drop"])
def test_only_the_attack_itself_goes_backwards(original, toy_data, make_run, make_recipe, failed):
    run, split = make_run(), toy_data.train
    with run.ledger.running():
        shrink(make_recipe(), failed=failed).relabelled(original, split, run)
    assert (run.ledger.forward, run.ledger.backward) == (2 * len(split), len(split))


def test_shrinking_is_training_on_those_labels(original, toy_tasks, make_run, make_recipe, same_weights):
    method, task = shrink(make_recipe(lr=0.02)), toy_tasks["class"]
    model = method.unlearn(original, task, make_run())
    run = make_run()
    batches = run.batches(method.relabelled(original, task.forget, run), method.recipe)
    assert same_weights(model, fit(original, batches, cross_entropy, method.recipe, run))


def test_shrinking_forgets(original, toy_tasks, make_run, make_recipe):
    run, task = make_run(), toy_tasks["class"]
    with run.ledger.running():
        model = shrink(make_recipe(lr=0.03, epochs=10)).unlearn(original, task, run)
    assert run.accuracy(model, task.forget) < 0.5
    assert run.ledger.samples["retain"] == 0
    assert run.ledger.seconds["prep"] > 0


def test_an_attack_that_never_succeeds_leaves_nothing_to_drop_to(original, toy_tasks, make_run, make_recipe):
    with pytest.raises(ConfigError, match=r"method\.epsilon=1e-06"):
        shrink(make_recipe(), 1e-6, "drop").unlearn(original, toy_tasks["class"], make_run())


def test_runner_up_by_hand():
    assert runner_up(torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0]]), torch.tensor([0, 1])).tolist() == [2, 2]


@pytest.mark.parametrize("head", ["projection", "linear"])
def test_widening_keeps_all_logits_and_pruning_undoes_it(make_model, make_run, toy_data, same_weights, head):
    model = make_model(head).eval()
    images = toy_data.test.eval_view(torch.arange(9))
    widened = BoundaryExpand.widened(model, make_run().generator("shadow"))
    wide, narrow = widened(images), model(images)
    assert wide.logits.shape == (9, 5)
    torch.testing.assert_close(wide.logits[:, :4], narrow.logits)
    assert same_weights(pruned(widened), model)


def test_pruned_logits_are_the_first_of_the_widened_ones(original, toy_data, make_run):
    widened = BoundaryExpand.widened(original, make_run().generator("shadow"))
    with torch.no_grad():
        for weight in widened.parameters():
            weight.add_(0.01)
    images = toy_data.test.eval_view(torch.arange(9))
    wide = widened(images).logits
    logits = pruned(widened)(images).logits
    assert logits.shape == (9, 4)
    torch.testing.assert_close(logits, wide[:, :4])


def test_the_shadow_row_is_xavier_normal(make_model, make_run):
    model = make_model()
    model.head = LinearHead(5000, 10)
    row = BoundaryExpand.widened(model, make_run().generator("shadow")).head.classifier.weight[-1]
    assert row.std().item() == pytest.approx((2 / 5011) ** 0.5, rel=0.05)


def test_a_head_without_bias_stays_without(make_model, make_run):
    model = make_model("linear")
    model.head.classifier = torch.nn.Linear(32, 4, bias=False)
    widened = BoundaryExpand.widened(model, make_run().generator("shadow"))
    assert widened.head.classifier.bias is None
    assert pruned(widened).head.classifier.bias is None


def test_expanding_fills_the_shadow_class_and_then_forgets(original, toy_tasks, make_run, make_recipe, monkeypatch):
    shares = []

    def watched(model):
        logits = model(task.forget.eval_view(torch.arange(len(task.forget)))).logits
        shares.append((logits.argmax(1) == 4).double().mean().item())
        return pruned(model)

    monkeypatch.setattr("cu.methods.boundary_expand.pruned", watched)
    run, task = make_run(), toy_tasks["class"]
    model = BoundaryExpand(recipe=make_recipe(lr=0.05, epochs=10)).unlearn(original, task, run)
    assert shares[0] >= 0.95
    assert model.head.classifier.out_features == 4
    assert run.ledger.samples["retain"] == 0


def test_a_head_that_is_not_linear_is_refused(original, make_run):
    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.classifier = torch.nn.Conv2d(1, 1, 1)

    with pytest.raises(ConfigError, match=r"model\.head names a Conv2d"):
        BoundaryExpand.widened(Classifier(original.encoder, Head()), make_run().generator("x"))
