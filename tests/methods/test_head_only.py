import pytest
import torch

from cu.errors import ConfigError
from cu.methods.head_only import HeadOnly

LAST = {"head.classifier.weight", "head.classifier.bias"}


@pytest.fixture(params=["projection", "linear"])
def network(request, make_model, original):
    if request.param == "projection":
        return original
    torch.manual_seed(0)
    return make_model("linear", dropout=0.5).eval()


@pytest.mark.parametrize("scenario", ["class", "sample"])
@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {"momentum": 0.0, "clip_norm": 0.5}])
def test_only_the_last_layer_moves(network, toy_tasks, make_run, make_recipe, scenario, settings):
    known = {name: value.clone() for name, value in network.state_dict().items()}
    method = HeadOnly(recipe=make_recipe(batchnorm="frozen", **settings))
    student = method.unlearn(network, toy_tasks[scenario], make_run())
    moved = {name for name, value in student.state_dict().items() if not torch.equal(value, known[name])}
    assert moved == LAST
    assert all(torch.equal(value, known[name]) for name, value in network.state_dict().items())
    assert not student.training
    assert all(parameter.requires_grad for parameter in (*student.parameters(), *network.parameters()))


def test_no_steps_keep_the_forgotten_rows(original, toy_tasks, make_run, make_recipe, same_weights):
    method = HeadOnly(recipe=make_recipe(batchnorm="frozen", epochs=0))
    assert same_weights(method.unlearn(original, toy_tasks["class"], make_run()), original)


def test_it_is_logistic_regression_on_the_original_embedding(original, toy_tasks, make_run, make_recipe):
    # One full batch of plain gradient descent, by hand: the gradient of cross-entropy is (p - y) x / n.
    task = toy_tasks["class"]
    recipe = make_recipe(
        batchnorm="frozen", epochs=1, batch_size=len(task.retain), lr=0.3, momentum=0.0, weight_decay=0.0
    )
    student = HeadOnly(recipe=recipe).unlearn(original, task, make_run())
    layer = original.head.classifier
    with torch.inference_mode():
        output = original(task.retain.eval_view(torch.arange(len(task.retain))))
        error = output.logits.softmax(1) - torch.nn.functional.one_hot(task.retain.labels, 4)
        weight = layer.weight - 0.3 * error.T @ output.embedding.clamp(min=0) / len(error)
        bias = layer.bias - 0.3 * error.mean(0)
    torch.testing.assert_close(student.head.classifier.weight.detach(), weight)
    torch.testing.assert_close(student.head.classifier.bias.detach(), bias)


def test_the_forget_set_is_not_read_and_the_account_says_so(original, toy_tasks, make_run, make_recipe):
    run = make_run()
    with run.ledger.running():
        HeadOnly(recipe=make_recipe(batchnorm="frozen")).unlearn(original, toy_tasks["class"], run)
    cost = run.ledger.cost()
    assert cost["samples_seen_forget"] == 0
    assert cost["samples_seen_retain"] == 2 * len(toy_tasks["class"].retain)


def test_batch_statistics_must_be_frozen(original, toy_tasks, make_run, make_recipe):
    with pytest.raises(ConfigError, match=r"method\.recipe\.batchnorm=train .* use frozen"):
        HeadOnly(recipe=make_recipe()).unlearn(original, toy_tasks["class"], make_run())
