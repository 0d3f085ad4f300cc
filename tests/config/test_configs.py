from functools import cache

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build, check_components
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig, TrainConfig
from cu.config.validate import check, locate
from cu.engine.hardware import Hardware
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.evaluation.suite import spec_of
from cu.experiment.requirements import check_requirements
from cu.methods.types import scenarios_of
from cu.models.types import Classifier

pytestmark = pytest.mark.slow  # a hundred configs

# What an option cannot do without.
NEEDED = {
    "image_folder": "dataset.folder=images",
    "user": "model.factory=torchvision.models:resnet18 +model.settings.num_classes=10",
    "timm": "model.name=resnet18",
    "torchvision": "model.name=resnet18",
    "indices": "scenario.file=ids.csv",
    "subclass": "scenario.parts=[cat/tabby]",
    "baselines/search": "trial=a",
    "representation/search": "trial=a",
    "representation/search_samples": "trial=a",
    "small/search": "trial=a",
    "small/search_digits": "trial=a",
}
SLOW = {"resnet34", "resnet50", "resnet101", "vgg13", "vgg16", "vgg19"}  # like the smaller ones, and not built here


def validate(config):
    """Check a config as a job does before it reads data; part of a config, group by group."""
    whole = {"seed", "dataset", "tracking"} <= config.keys()
    if whole:
        check_components(parse(RunConfig if "method" in config else TrainConfig, config))
    for group, node in {} if whole else config.items():
        check(node, group)


def built(node):
    """What a plain config names."""
    return build(Component(node))


def options(group):
    """All options of a group, those in subfolders too."""
    folder = config_folder() / group
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


GROUPS = ("dataset", "model", "recipe", "scenario", "method", "evaluation", "reference", "hardware", "tracking")
OPTIONS = [(group, option) for group in GROUPS for option in options(group)]


@cache
def composed(*overrides, name="unlearn"):
    """The resolved config of a command with some overrides, as plain containers."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(name, list(overrides)), resolve=True)


def having(group, option):
    """A config with this option, and with the option of the same number in every other group: composing is slow."""
    number = options(group).index(option)
    row = {g: options(g)[number % len(options(g))] for g in GROUPS}
    assert row[group] == option
    extra = [override for o in row.values() if o in NEEDED for override in NEEDED[o].split()]
    return composed(*(f"{g}={o}" for g, o in row.items()), *extra)


@pytest.mark.parametrize("name", ["unlearn", "train"])
def test_the_default_job(assert_keys_are_fields, name):
    config = composed(name=name)
    validate(config)
    assert_keys_are_fields(config)
    assert config["seed"] == 0
    assert set(config["paths"]) == {"outputs", "data", "locks"}


def test_seeds_follow_seed_unless_set():
    config = composed("seed=3")
    assert (config["seed"], config["forget_seed"], config["method_seed"]) == (3, 3, 3)
    config = composed("seed=3", "method_seed=5")
    assert (config["forget_seed"], config["method_seed"]) == (3, 5)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_fits_what_it_builds(assert_keys_are_fields, group, option):
    config = having(group, option)
    validate(config)
    assert_keys_are_fields(config)


@pytest.mark.parametrize("option", options("recipe"))
def test_recipes_become_recipes(option):
    assert isinstance(built(having("recipe", option)["recipe"]), Recipe)


@pytest.mark.parametrize("option", options("optimizer"))
def test_optimizers_fit_into_every_recipe(option):
    overrides = [f"optimizer@{key}.optimizer={option}" for key in ("recipe", "method.recipe")]
    config = composed("method=finetune", *overrides)
    expected = OmegaConf.load(config_folder() / "optimizer" / f"{option}.yaml")
    assert config["recipe"]["optimizer"]["_target_"] == expected._target_
    assert config["method"]["recipe"]["optimizer"]["_target_"] == expected._target_


@pytest.mark.parametrize("option", sorted(set(options("model")) - SLOW))
def test_models_become_classifiers(option):
    model = {k: v for k, v in having("model", option)["model"].items() if not k.startswith("checkpoint")}
    small = {"width": 2} if "width" in model else {}
    assert isinstance(built({**model, **small}).build(10, (3, 32, 32)), Classifier)


@pytest.mark.parametrize("option", options("scenario"))
def test_scenarios_have_a_kind(option):
    assert built(having("scenario", option)["scenario"]).kind in ("class", "sample")


@pytest.mark.parametrize("option", options("method"))
def test_methods_have_one_verb(option):
    method = built(having("method", option)["method"])
    assert callable(method.unlearn)
    assert set(scenarios_of(method)) <= {"class", "sample"}


@pytest.mark.parametrize("option", options("hardware"))
def test_hardware_resolves(option):
    hardware = built({**having("hardware", option)["hardware"], "device": "cpu"}).resolved()
    assert isinstance(hardware, Hardware)
    assert hardware.precision in ("fp32", "bf16")


@pytest.mark.parametrize("option", options("evaluation"))
def test_no_two_metrics_share_a_key(option):
    evaluation = having("evaluation", option)["evaluation"]
    assert set(evaluation) == {"name", "trajectory_every", "keep", "audits", "metrics"}
    assert evaluation["name"] == option
    keys = [key for node in evaluation["metrics"].values() if node for key in spec_of(built(node)).keys]
    assert len(keys) == len(set(keys)) > 0


def test_an_objective_is_a_metric_of_the_suite():
    names = {"method": "contrastive", "scenario": "class"}
    check_requirements(parse(RunConfig, composed("objective=agg/avg_gap")), names)
    with pytest.raises(ConfigError, match=r"^objective=agg/avg_gab is not a metric .*: did you mean agg/avg_gap\?"):
        check_requirements(parse(RunConfig, composed("objective=agg/avg_gab")), names)


@pytest.mark.parametrize("option", options("hydra/launcher"))
def test_launchers_compose(assert_within, option):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("unlearn", [f"hydra/launcher={option}"], return_hydra_config=True)
    plain = OmegaConf.to_container(OmegaConf.load(config_folder() / "hydra" / "launcher" / f"{option}.yaml"))
    own = {name: value for name, value in plain.items() if name != "defaults"}
    chosen = OmegaConf.to_container(config.hydra.launcher)
    assert_within(own, chosen)
    assert locate(chosen["_target_"], "hydra.launcher")


OF_ONE_METHOD = {
    "representation/search_samples": "contrastive_matching",
    "representation/ablation": "contrastive_matching",
    "representation/queue": "contrastive",
}


@pytest.mark.parametrize("option", options("experiment"))
def test_experiments_compose_and_the_command_line_wins(assert_keys_are_fields, option):
    method = OF_ONE_METHOD.get(option, "finetune")
    config = composed(f"experiment={option}", "reference.k=7", f"method={method}", *NEEDED.get(option, "").split())
    validate(config)
    assert_keys_are_fields(config)
    assert config["reference"]["k"] == 7


@pytest.mark.parametrize(("recipe", "augment"), [("short", False), ("standard", True)])
def test_the_recipe_decides_on_augmentation_of_data_and_methods(recipe, augment):
    config = composed(f"recipe={recipe}", "method=finetune")
    assert config["dataset"]["augment"] is augment
    assert config["method"]["recipe"]["augment"] is augment


@pytest.mark.parametrize("option", options("report"))
def test_reports_compose(option):
    check(composed(f"report={option}", name="report")["report"], "report")


def test_what_must_be_given_is_asked_for():
    config = composed("dataset=image_folder", "model=user", "scenario=indices")
    for group, key in (("dataset", "dataset.folder"), ("model", "model.factory"), ("scenario", "scenario.file")):
        with pytest.raises(ConfigError, match=f"^{key} must be given"):
            validate({group: config[group]})


def test_a_learning_rate_can_fall_by_steps():
    step = "{_target_:cu.engine.recipe.StepDecay,milestones:[3,5,9],factor:0.1}"
    config = composed("method=scrub", f"method.recipe.schedule={step}", "method.recipe.epochs=5")
    validate(config)
    recipe = built(config["method"]).recipe
    assert [recipe.lr_factor(10 * epoch, epoch, 50) for epoch in range(5)] == pytest.approx([1, 1, 1, 0.1, 0.1])
    wrong = step.replace("factor:0.1", "factor:2")
    with pytest.raises(ConfigError, match=r"^method\.recipe\.schedule\.factor must be less than or equal to 1, got 2"):
        validate(composed("method=scrub", f"method.recipe.schedule={wrong}"))
