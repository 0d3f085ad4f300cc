"""What every method promises, whatever it does. A new YAML in configs/method is held to it without being named here."""

from copy import deepcopy
from dataclasses import fields, replace
from functools import cache

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.engine.context import MethodContext
from cu.engine.ledger import Ledger
from cu.engine.predict import accuracy
from cu.methods.types import framed, needs_of, resources, scenarios_of
from cu.models.resnet import ResNet
from cu.store.models import load_into

QUICK = {"epochs": 1, "batch_size": 16}  # of the recipe, where there is one
FEW = {"lcodec": 2}  # samples to forget where each takes a second
UNMOVED = {"original", "logit_mask", "statistics_only", "esc", "esc_t"}  # leave every weight as it is
# Settings of the recipe with which an easy class is forgotten and the others are kept.
EASY = {
    "contrastive": {"lr": 0.05, "epochs": 10},
    "gradient_ascent": {"lr": 0.1, "epochs": 5},
    "random_label": {"lr": 0.1, "epochs": 8},
    "retrain": {},
    "logit_mask": {},
}


@cache
def settings(name):
    """A method's settings as its YAML has them, beside the usual recipe; composing the whole config takes longer."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        recipe = composed("recipe/short")
        return OmegaConf.to_container(OmegaConf.create({**composed(f"method/{name}"), **recipe}).method, resolve=True)


@cache
def composed(name):
    """One option by itself, its interpolations unresolved."""
    return OmegaConf.to_container(compose(name), resolve=False)


def method_of(name, **recipe):
    """A method as its YAML describes it, but for its recipe."""
    node = deepcopy(settings(name))
    if "recipe" in node:
        if "lr" in recipe:
            node["recipe"]["optimizer"]["lr"] = recipe.pop("lr")
        node["recipe"].update(recipe)
    return build(Component(node))


def kinds(name):
    """The scenarios a method is meant for."""
    return scenarios_of(method_of(name))


def reads(name):
    """The sets without which a method with its own settings cannot do."""
    return {part for part in ("forget", "retain") if f"{part} data" in resources(needs_of(method_of(name)))}


NAMES = sorted(path.stem for path in (config_folder() / "method").glob("*.yaml"))
TRAINED = {
    n for n in NAMES if "recipe@recipe" in (config_folder() / "method" / f"{n}.yaml").read_text(encoding="utf-8")
}
CELLS = [(name, scenario) for name in NAMES for scenario in kinds(name)]
every_cell = pytest.mark.parametrize(("name", "scenario"), CELLS)


@pytest.fixture
def unlearn(original, toy_tasks, make_run):
    def unlearn(name, scenario, recipe=QUICK, seed=0, model=None, task=None, run=None, **more):
        task = task or toy_tasks[scenario]
        if name in FEW and scenario == "sample":
            task = replace(task, forget=task.forget.subset(torch.arange(min(FEW[name], len(task.forget)))))
        return method_of(name, **recipe).unlearn(model or original, task, run or make_run(seed=seed, **more))

    return unlearn


@pytest.fixture(scope="module")
def known():
    """Outcomes that several tests look at."""
    return {}


@pytest.fixture
def outcome(known, unlearn, original, hardware):
    """A method's outcome with small settings, and its account; the given model is in evaluation mode."""

    def outcome(name, scenario):
        if (name, scenario) not in known:
            ledger = Ledger(hardware)
            torch.manual_seed(1)
            known[name, scenario] = unlearn(name, scenario, ledger=ledger), ledger
        return known[name, scenario]

    return outcome


def tensors_of(task):
    splits = (task.retain, task.forget, task.val, task.test, task.test_forget)
    return [tensor for split in splits for tensor in (split.images, split.rows, split.labels, split.ids)]


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@every_cell
def test_the_outcome_is_a_whole_classifier_in_evaluation_mode(outcome, toy_data, name, scenario):
    model, _ = outcome(name, scenario)
    assert all(v.isfinite().all() for v in model.state_dict().values())
    assert not any(layer.training for layer in model.modules())
    with torch.no_grad():
        output = model(toy_data.test.eval_view(torch.arange(5)))
    assert output.logits.shape == (5, 4), "the head keeps all classes"
    assert output.embedding.shape == (5, 8)
    assert output.logits.isfinite().all()


@every_cell
def test_stored_weights_are_the_model_again(outcome, original, make_run, toy_data, name, scenario):
    model, _ = outcome(name, scenario)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    again = framed(method_of(name), make_run(seed=99).new_model(), weights)
    load_into(again, weights, "what was stored")
    images = toy_data.test.eval_view(torch.arange(5))
    with torch.no_grad():
        expected, found = model(images), again.eval()(images)
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.embedding, expected.embedding)


@every_cell
def test_equal_seeds_give_equal_weights_and_what_was_given_is_left_alone(
    outcome, unlearn, original, toy_tasks, same_weights, name, scenario
):
    first, _ = outcome(name, scenario)
    given, before, tensors = original.train(), deepcopy(original), tensors_of(toy_tasks[scenario])
    copies = [tensor.clone() for tensor in tensors]
    torch.manual_seed(2)
    torch.rand(7)
    again = unlearn(name, scenario, model=given)
    assert all(torch.equal(a, b) for a, b in zip(tensors, copies, strict=True)), "labels, ids, rows and images"
    assert same_weights(again, first), "neither torch's own stream nor the given model's mode may matter"
    assert again is not given
    assert same_weights(given, before)
    assert all(layer.training for layer in given.modules())
    assert all(p.requires_grad and p.grad is None for p in given.parameters())
    assert not {p.data_ptr() for p in again.parameters()} & {p.data_ptr() for p in given.parameters()}


class Watched(MethodContext):
    """Notes whether anybody asks for its seed, from which all randomness comes."""

    def __getattribute__(self, name):
        if name == "seed":
            Watched.asked.append(name)
        return super().__getattribute__(name)


@every_cell
def test_another_seed_gives_other_weights_if_anything_is_random(
    unlearn, outcome, same_weights, make_run, monkeypatch, name, scenario
):
    monkeypatch.setattr(Watched, "asked", [], raising=False)
    run = make_run(seed=1)
    other = unlearn(name, scenario, run=Watched(**{f.name: getattr(run, f.name) for f in fields(run)}))
    assert same_weights(other, outcome(name, scenario)[0]) == (not Watched.asked or name in UNMOVED)


@every_cell
def test_weights_move(outcome, original, name, scenario):
    assert torch.equal(flat(outcome(name, scenario)[0]), flat(original)) == (name in UNMOVED)


@pytest.mark.parametrize(
    ("name", "part"), [(n, part) for n in NAMES for part in sorted({"forget", "retain"} - reads(n))]
)
def test_what_a_method_does_without_is_never_read(outcome, unlearn, toy_tasks, same_weights, name, part):
    scenario = kinds(name)[0]
    task = toy_tasks[scenario]
    split = getattr(task, part)
    blind = replace(split, images=split.images.to("meta"))  # has a shape, but no pixels
    with pytest.raises((RuntimeError, NotImplementedError)):
        blind.eval_view(torch.arange(2)).sum().item()
    model, ledger = outcome(name, scenario)
    assert same_weights(unlearn(name, scenario, task=replace(task, **{part: blind})), model)
    assert ledger.samples[part] == 0


@pytest.mark.parametrize(("name", "scenario"), [cell for cell in CELLS if cell[0] in TRAINED])
def test_a_budget_of_nothing_moves_nothing_but_what_is_reset_before_the_first_step(
    unlearn, original, same_weights, name, scenario
):
    start = unlearn(name, scenario, {"epochs": 0})
    assert torch.equal(flat(unlearn(name, scenario, {**QUICK, "lr": 0.0})), flat(start))
    moved = [not torch.equal(a, b) for a, b in zip(start.parameters(), original.parameters(), strict=True)]
    if not any(moved):
        assert same_weights(start, original), "statistics have not moved alone"


@pytest.mark.parametrize("name", ["finetune", "gradient_ascent", "random_label"])
@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_account_is_exact(unlearn, toy_tasks, hardware, name, scenario):
    ledger, task = Ledger(hardware), toy_tasks[scenario]
    unlearn(name, scenario, {"epochs": 2, "batch_size": 16}, ledger=ledger)
    reads = {"finetune": ["retain"], "gradient_ascent": ["forget"], "random_label": ["forget", "retain"]}[name]
    assert {part: count for part, count in ledger.samples.items() if count} == {
        part: 2 * len(getattr(task, part)) for part in reads
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name in EASY])
def test_an_easy_class_is_forgotten_and_the_others_are_not(unlearn, original, toy_tasks, hardware, name):
    task = toy_tasks["class"]
    model = unlearn(name, "class", {**QUICK, **EASY[name]})
    before, after = (accuracy(m, task.forget, hardware) for m in (original, model))
    assert before > 0.9
    assert after <= before - 0.5
    assert accuracy(model, task.retain, hardware) >= 0.6


@pytest.mark.parametrize("name", NAMES)
def test_networks_without_projection_and_with_dropout_work_too(unlearn, make_run, make_model, name):
    def build_other():
        return make_model("linear", dropout=0.1)

    model = unlearn(name, kinds(name)[0], model=make_run(build=build_other).new_model(), build=build_other)
    assert all(v.isfinite().all() for v in model.state_dict().values())


@pytest.mark.parametrize("name", [name for name, scenario in CELLS if scenario == "sample"])
def test_a_single_sample_can_be_forgotten(unlearn, toy_tasks, name):
    task = toy_tasks["sample"]
    one = replace(task, forget=task.forget.subset(torch.tensor([0])))
    assert all(v.isfinite().all() for v in unlearn(name, "sample", task=one).state_dict().values())


@every_cell
def test_a_single_sample_can_be_forgotten_by_a_network_that_ends_in_one_pixel(
    unlearn, toy_tasks, make_run, name, scenario
):
    """A batch of one then has one value per channel, which batch normalisation refuses to train on."""

    def build_deep():
        return ResNet(depth=18, width=2, head="projection", dim=8).build(4, (1, 6, 6))

    task = toy_tasks[scenario]
    one = replace(task, forget=task.forget.subset(torch.tensor([0])))
    start = make_run(build=build_deep).new_model().eval()
    model = unlearn(name, scenario, task=one, model=start, build=build_deep)
    assert all(v.isfinite().all() for v in model.state_dict().values())
