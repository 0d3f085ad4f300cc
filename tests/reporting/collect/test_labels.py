from cu.reporting.collect.labels import flatten, method_labels, natural, shared_labels


def test_flatten_writes_values_as_on_the_command_line():
    config = {"a": {"b": {"c": None, "d": True}, "e": [1, 2.5]}, "f": {}, "g": 1e-5}
    assert flatten(config) == {"a.b.c": "null", "a.b.d": "true", "a.e": "[1, 2.5]", "f": "{}", "g": "1e-05"}


def test_equal_runs_have_empty_labels():
    flats = [{"method.lr": "0.1", "seed": str(seed), "paths.data": str(seed)} for seed in range(3)]
    assert method_labels(flats) == ["", "", ""]
    assert shared_labels(flats) == ["", "", ""]


def test_method_label_drops_the_prefix_and_keeps_only_what_differs():
    one = {"method.temperature": "0.5", "method.recipe.epochs": "3", "method.omega": "4"}
    two = {"method.temperature": "0.7", "method.recipe.epochs": "1", "method.omega": "4"}
    assert method_labels([one, two]) == ["temperature=0.5, recipe.epochs=3", "temperature=0.7, recipe.epochs=1"]


def test_places_and_seeds_are_not_settings():
    one = {"dataset.root": "a", "dataset.download": "true", "scenario.forget_seed": "1", "hardware.device": "cpu"}
    two = {"dataset.root": "b", "dataset.download": "false", "scenario.forget_seed": "2", "hardware.device": "cuda"}
    assert shared_labels([one, two]) == method_labels([one, two]) == ["", ""]


def test_precision_and_revision_are_settings():
    one, two = {"hardware.precision": "fp32", "revision": "1"}, {"hardware.precision": "bf16", "revision": "2"}
    assert method_labels([one, two]) == ["hardware.precision=fp32", "hardware.precision=bf16"]
    assert shared_labels([one, two]) == ["revision=1", "revision=2"]


def test_a_setting_that_repeats_the_shared_one_is_named_once():
    flats = [{"recipe.epochs": n, "method.recipe.epochs": n, "recipe.augment": n, "dataset.augment": n} for n in "12"]
    assert shared_labels(flats) == ["recipe.epochs=1, recipe.augment=1", "recipe.epochs=2, recipe.augment=2"]
    assert method_labels(flats) == ["", ""]


def test_a_setting_only_some_runs_have_tells_them_apart():
    assert method_labels([{"method.lr": "1"}, {"method.lr": "1", "method.new": "2"}]) == ["", "new=2"]


def test_many_settings_go_by_the_name_that_the_experiment_gave_them():
    plain = {"trial": "plain", **{f"method.{name}": "0" for name in "abcd"}}
    full = {"trial": "full", **{f"method.{name}": "1" for name in "abcd"}}
    assert method_labels([plain, full, full]) == ["trial=plain", "trial=full", "trial=full"]
    few = [{"trial": "x", "method.lr": "1"}, {"trial": "y", "method.lr": "2"}]
    assert method_labels(few) == ["lr=1", "lr=2"]
    twice = [plain, full, {**full, "trial": "again"}]
    assert method_labels(twice)[1] == method_labels(twice)[2] == "a=1, b=1, c=1, d=1"
    renamed = [plain, full, {**full, "method.a": "2"}]
    assert len(set(method_labels(renamed))) == 3, "one name for two combinations tells nothing apart"
    assert (
        method_labels([plain, {name: value for name, value in full.items() if name != "trial"}])[0]
        == "a=0, b=0, c=0, d=0"
    )


def test_natural_order_is_by_number():
    labels = ["lr=10", "lr=9", "lr=0.01", "lr=1e-3", "", "classes=[10]", "classes=[9]"]
    assert sorted(labels, key=natural) == ["", "classes=[9]", "classes=[10]", "lr=1e-3", "lr=0.01", "lr=9", "lr=10"]
