"""Searches: every trial is a config that can be run."""

from functools import cache

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import check_components
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig, TrainConfig
from cu.config.validate import check
from cu.methods.esc import erased_count

pytestmark = pytest.mark.slow  # dozens of configs

FILES = {path.stem: path for path in sorted((config_folder() / "search").glob("*.yaml"))}

FOR_SAMPLES = sorted((config_folder() / "search" / "sample").glob("*.yaml"))


def validate(config):
    """Check a config as a job does before it reads data; part of a config, group by group."""
    whole = {"seed", "dataset", "tracking"} <= config.keys()
    if whole:
        check_components(parse(RunConfig if "method" in config else TrainConfig, config))
    for group, node in {} if whole else config.items():
        check(node, group)


@cache
def searched(*overrides):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("unlearn", ["experiment=baselines/search", *overrides], return_hydra_config=True)


def test_every_search_has_the_same_number_of_different_trials():
    found = {name: OmegaConf.load(path).trials for name, path in FILES.items()}
    found |= {path.stem + "/sample": OmegaConf.load(path).trials for path in FOR_SAMPLES}
    assert {tuple(trials) for trials in found.values()} == {tuple("abcdef")}
    for trials in found.values():
        assert len({str(point) for point in trials.values()}) == 6


def test_the_trials_of_esc_erase_different_numbers_of_directions_of_the_network_that_is_searched():
    shares = [trial.share for trial in OmegaConf.load(FILES["esc"]).trials.values()]
    assert [erased_count(share, 64) for share in shares] == [1, 2, 3, 6, 12, 25]


def test_trials_for_samples_alone_take_the_place_of_those_for_all():
    words = ["experiment=representation/search_samples", "trial=f", "scenario=sample", "method=contrastive_matching"]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        method = compose("unlearn", words).method
    assert (method.embedding_weight, method.feature_weight, method.recipe.epochs) == (128.0, 128.0, 3)


def test_the_experiment_sweeps_methods_that_have_a_search():
    params = searched("method=finetune", "trial=a").hydra.sweeper.params
    assert set(params.method.split(",")) <= set(FILES)
    assert params.trial.split(",") == list("abcdef")


@pytest.mark.parametrize("name", FILES)
def test_every_trial_composes_and_its_settings_arrive(name, assert_keys_are_fields):
    search = OmegaConf.load(FILES[name])
    settings = str(OmegaConf.to_container(search.method))
    composed = searched(f"method={name}", "trial=e")
    config = OmegaConf.to_container(
        OmegaConf.masked_copy(composed, [k for k in composed if k != "hydra"]), resolve=True
    )
    validate(config)
    assert_keys_are_fields(config)
    for key, value in search.trials.e.items():
        assert f"trials.${{trial}}.{key}" in settings + str(OmegaConf.to_container(search).get("batchnorm"))
        assert repr(value) in str(config["method"])
    for trial in "abcdf":
        OmegaConf.resolve(filled := OmegaConf.merge(search, {"trial": trial}))
        validate({"method": OmegaConf.to_container(OmegaConf.merge(config["method"], filled.method))})


def test_a_search_starts_from_the_method_s_own_file_and_looks_at_validation_data():
    composed = searched("method=finetune", "trial=a")
    assert composed.hydra.runtime.choices.settings == "baselines/trial"
    assert composed.hydra.runtime.choices.cells == "baselines/search/class"
    assert composed.evaluation.name == "selection"


def modes(node):
    """Every mode of batch normalisation in a method's settings."""
    if not isinstance(node, dict):
        return []
    own = [node["batchnorm"]] if "batchnorm" in node else []
    return own + [mode for value in node.values() for mode in modes(value)]


CHOOSES = [name for name, path in FILES.items() if "batchnorm" in OmegaConf.load(path)]


@pytest.mark.parametrize("name", CHOOSES)
def test_the_other_mode_of_normalisation_reaches_every_descent_of_a_method(name):
    for mode in ("train", "frozen"):
        composed = searched(f"method={name}", "trial=a", f"batchnorm={mode}")
        found = modes(OmegaConf.to_container(composed.method, resolve=True))
        assert found
        assert set(found) == {mode}


def test_methods_without_that_choice_have_no_descent_or_a_frozen_network_or_both_modes_among_their_trials():
    both = {name for name, path in FILES.items() if "batchnorm" in str(OmegaConf.load(path).trials)}
    fixed = {"damp", "esc", "esc_t", "fisher", "head_only", "influence", "lcodec", "lfssd", "ssd"}
    assert both == {"boundary_expand", "delete", "gradient_ascent"}
    assert set(FILES) - set(CHOOSES) == fixed | both


def test_a_search_is_made_on_classes_and_a_seed_that_are_not_reported():
    for experiment, classes in (("baselines", [[7]]), ("representation", [[2], [8]])):
        search = OmegaConf.load(config_folder() / "experiment" / experiment / "search.yaml").hydra.sweeper.params
        shown = OmegaConf.load(config_folder() / "experiment" / experiment / "fashion_mnist.yaml").hydra.sweeper.params
        assert str(search.seed) not in str(shown.seed).split(",")
        if experiment == "baselines":
            assert searched("method=finetune", "trial=a").scenario.classes == classes[0] != [5]
        else:
            assert search["scenario.classes"] == "[2],[8]"
            assert shown["scenario.classes"] == "[5],[6]"


@pytest.mark.parametrize("experiment", ["small/search", "small/search_digits"])
def test_the_small_tables_are_searched_for_each_of_their_networks_on_a_class_and_a_seed_they_do_not_show(experiment):
    def of(option, *words):
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            return compose("unlearn", [f"experiment={option}", *words], return_hydra_config=True)

    names = ("small/table2", "small/table5") if experiment.endswith("digits") else ("small/table1", "small/table4")
    tables = [of(name, "model=resnet18", "method=contrastive") for name in names]
    for table, words in zip(tables, ((), ("scenario=sample", "method=fisher")), strict=True):
        search = of(experiment, "model=resnet18", "trial=a", "method=contrastive", *words)
        shown, tried = table.hydra.sweeper.params, search.hydra.sweeper.params
        assert tried.model == shown.model
        assert str(tried.seed) not in str(shown.seed).split(",")
        for group in ("dataset", "model", "recipe"):
            assert {**search[group], "test_size": None} == {**table[group], "test_size": None}
        assert search.scenario.get("count") == table.scenario.get("count")
        if "classes" in table.scenario:
            assert set(search.scenario.classes).isdisjoint(table.scenario.classes)
        assert (search.evaluation.name, search.objective) == ("selection", "agg/val_gap")
        assert set(tried.method.split(",")) <= set(FILES)
