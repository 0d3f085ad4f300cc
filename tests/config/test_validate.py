import json
import math

import pytest

from cu.config.validate import check
from cu.errors import ConfigError

SGD = {"_target_": "cu.engine.recipe.Sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False}
ADAMW = {"_target_": "cu.engine.recipe.AdamW", "lr": 1, "betas": [0.9, 0.999], "weight_decay": 0}
RECIPE = {
    "_target_": "cu.engine.recipe.Recipe",
    "optimizer": SGD,
    "schedule": "cosine",
    "epochs": 3,
    "batch_size": 8,
    "augment": False,
    "clip_norm": None,
    "batchnorm": "train",
}
METHOD = {"_target_": "cu.methods.finetune.FineTune", "recipe": RECIPE}
METRIC = {"_target_": "cu.metrics.membership.svc.svc_attacks", "_partial_": True, "max_per_side": 10, "draws": 2}


def refusal(node, key="method"):
    with pytest.raises(ConfigError) as caught:
        check(node, key)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def recipe(**changes):
    return {**METHOD, "recipe": {**RECIPE, **changes}}


@pytest.mark.parametrize(
    "node",
    [
        METHOD,
        recipe(optimizer=ADAMW),
        recipe(clip_norm=1),  # a whole number is a number
        recipe(clip_norm=0.5),
        recipe(epochs=0),
        {"metrics": {"a": METRIC, "off": None}, "name": "default"},
        {"_target_": "cu.data.scenarios.samples.SampleScenario", "count": 5, "fraction": None},
        recipe(optimizer={"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1}),  # somebody else's class
    ],
)
def test_right_settings_pass(node):
    check(node, "method")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "method.recipe.epochs must be greater than or equal to 0, got -1"),
        ({"epochs": 3.0}, "method.recipe.epochs must be an integer, got 3.0"),
        ({"epochs": True}, "method.recipe.epochs must be an integer, got True"),
        ({"epochs": "3"}, "method.recipe.epochs must be an integer, got '3'"),
        ({"epochs": None}, "method.recipe.epochs must be an integer, got None"),
        ({"epochs": [3]}, "method.recipe.epochs must be an integer, got [3]"),
        ({"epochs": "???"}, "method.recipe.epochs must be given, e.g. method.recipe.epochs=..."),
        ({"batch_size": 0}, "method.recipe.batch_size must be greater than 0, got 0"),
        ({"augment": 1}, "method.recipe.augment must be a boolean, got 1"),
        ({"augment": "yes"}, "method.recipe.augment must be a boolean, got 'yes'"),
        (
            {"schedule": "cos"},
            "method.recipe.schedule must be 'constant', 'cosine' or 'one_cycle' or must be an object, got 'cos'",
        ),
        ({"clip_norm": "1e-1"}, "method.recipe.clip_norm must be a number, got '1e-1'"),
        ({"clip_norm": 0}, "method.recipe.clip_norm must be greater than 0, got 0"),
        ({"clip_norm": math.nan}, "method.recipe.clip_norm must be greater than 0, got nan"),
        ({"optimizer": "adam"}, "method.recipe.optimizer must be callable, got 'adam'"),
        ({"optimizer": None}, "method.recipe.optimizer must be callable, got None"),
        ({"optimizer": {**SGD, "lr": -0.1}}, "method.recipe.optimizer.lr must be greater than or equal to 0, got -0.1"),
        ({"optimizer": {**SGD, "lr": "1e-3"}}, "method.recipe.optimizer.lr must be a number, got '1e-3'"),
        ({"optimizer": {**SGD, "momentum": 1}}, "method.recipe.optimizer.momentum must be less than 1, got 1"),
        ({"optimizer": {**ADAMW, "betas": [0.9]}}, "method.recipe.optimizer.betas must have more items, got [0.9]"),
        ({"optimizer": {**ADAMW, "betas": 0.9}}, "method.recipe.optimizer.betas must be a list, got 0.9"),
        (
            {"optimizer": {**ADAMW, "betas": [0.9, 0.9, 0.9]}},
            "method.recipe.optimizer.betas must have at most 2 items, not 3, got [0.9, 0.9, 0.9]",
        ),
        ({"batchnorm": "a\nb"}, r"method.recipe.batchnorm must be 'train' or 'frozen', got 'a\nb'"),
    ],
)
def test_a_wrong_value_is_told_with_its_full_key(changes, message):
    assert refusal(recipe(**changes)) == message


def test_lists_pass_for_tuples_and_their_items_are_checked():
    check({**ADAMW, "betas": [0, 0.5]}, "optimizer")
    assert "must be less than 1" in refusal({**ADAMW, "betas": [0.9, 1.5]})
    scenario = {"_target_": "cu.data.scenarios.classes.ClassScenario", "classes": [1, True]}
    assert refusal(scenario, "scenario") == "scenario.classes must be an integer or must be a string, got [1, True]"


def test_a_misspelt_key_names_the_close_one():
    assert refusal({**METHOD, "recipee": RECIPE}).endswith("FineTune; did you mean 'recipe'?")
    assert refusal(recipe(epoch=3)).startswith("method.recipe.epoch is not a setting of cu.engine.recipe.Recipe")
    assert refusal(recipe(optimizer={**SGD, "momentun": 0})).endswith("did you mean 'momentum'?")


def test_a_strange_key_lists_what_there_is():
    assert refusal({**SGD, "zzz": 0}).endswith("it has lr, momentum, nesterov, weight_decay")


def test_a_missing_setting_is_named():
    short = {key: value for key, value in SGD.items() if key != "lr"}
    assert refusal(recipe(optimizer=short)) == "method.recipe.optimizer.lr is missing; cu.engine.recipe.Sgd needs it"


def test_what_the_runner_supplies_is_not_missed():
    node = {"_target_": "torch.nn.Linear", "in_features": 2}
    assert "out_features is missing" in refusal(node)
    check(node, "model", frozenset({"out_features"}))


def test_settings_of_a_metric_are_checked_although_its_case_comes_later():
    check(METRIC, "m")
    bare = {key: value for key, value in METRIC.items() if key != "max_per_side"}
    assert refusal(bare, "m") == "m.max_per_side is missing; cu.metrics.membership.svc.svc_attacks needs it"
    assert refusal({**METRIC, "max_per_side": 1}, "m") == "m.max_per_side must be greater than 1, got 1"
    assert refusal({**METRIC, "case": 1}, "m").endswith("it has draws, max_per_side")


def test_objects_are_found_however_deep():
    suite = {"name": "mine", "metrics": {"a": METRIC, "b": [{"c": {**METRIC, "max_per_side": 0}}]}}
    assert refusal(suite, "evaluation").startswith("evaluation.metrics.b[0].c.max_per_side must be greater than 1")


@pytest.mark.parametrize(
    "target", ["nowhere.Thing", "cu.nowhere.Thing", "cu.methods.finetune.FineTun", "Thing", "", 5, None]
)
def test_a_target_that_does_not_exist(target):
    assert refusal({"_target_": target}).startswith(f"method._target_={target} cannot be imported (")


def test_checking_changes_nothing():
    before = json.dumps(METHOD)
    check(METHOD, "method")
    assert json.dumps(METHOD) == before


def test_a_list_of_the_wrong_length_is_told():
    node = {"_target_": "cu.data.scenarios.confusion.ConfusionScenario", "swap": [3], "count": 5}
    with pytest.raises(ConfigError) as error:
        check(node, "scenario")
    assert str(error.value) == "scenario.swap must have at least 2 items, not 1, got [3]"
