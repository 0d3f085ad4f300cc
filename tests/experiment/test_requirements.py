"""Settings that contradict each other are found from the config alone."""

from functools import cache
from itertools import product

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import nn

from cu.config.build import check_components
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig
from cu.errors import ConfigError, NotMeant
from cu.experiment.requirements import check_requirements
from cu.jobs.job import require_possible
from cu.store.plan import plan_unlearning

TABLES = [f"{size}/{name}" for size in ("paper", "small") for name in (*(f"table{n}" for n in range(1, 8)), "figure2")]


@cache
def composed(*overrides):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose("unlearn", list(overrides)), resolve=True)


def checked(*overrides, **more):
    config = composed(*overrides)
    check_requirements(parse(RunConfig, config | more), {"method": config["method"]["_target_"], "scenario": "..."})


@cache
def swept(experiment):
    """Every combination of method and model that an experiment sweeps over."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("unlearn", [f"experiment={experiment}"], return_hydra_config=True)
    grid = {key: str(values).split(",") for key, values in config.hydra.sweeper.params.items()}
    return list(product(grid["method"], grid["model"]))


def cells():
    """Every method of every experiment; those of tables of the same runs take long and seldom tell more."""
    same_runs = ("3", "6", "7", "figure2")
    for table in TABLES:
        for method in dict.fromkeys(method for method, _ in swept(table)):
            yield pytest.param(table, method, marks=[pytest.mark.slow] if table.endswith(same_runs) else [])


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "method"), list(cells()))
def test_every_cell_of_the_papers_tables_has_what_it_needs(experiment, method):
    models = [model for name, model in swept(experiment) if name == method]
    config = composed(f"experiment={experiment}", f"method={method}", f"model={models[0]}")
    for model in models:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            network = OmegaConf.to_container(compose(f"model/{model}"), resolve=True)["model"]
        cell = parse(RunConfig, config | {"model": network})
        check_components(cell)
        check_requirements(cell, {"method": method, "scenario": "..."})


@pytest.mark.parametrize(
    ("method", "setting", "message"),
    [
        ("lcodec", "max_accuracy_drop=0.05", "method.max_accuracy_drop=0.05 needs validation data; set dataset.val_fr"),
        ("scrub", "rewind=true", "method.rewind=true needs validation data; set dataset.val_fraction above 0, or meth"),
        (
            "contrastive",
            "stop_on=val",
            "method.stop_on=val needs validation data; set dataset.val_fraction above 0, or",
        ),
    ],
)
def test_a_setting_that_looks_at_validation_data_needs_some(method, setting, message):
    words = ("scenario=sample", f"method={method}", f"method.{setting}")
    checked(*words)
    config = parse(RunConfig, composed(*words, "dataset.val_fraction=0"))
    with pytest.raises(ConfigError) as caught:
        check_requirements(config, {"method": method, "scenario": "sample"})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    checked("scenario=sample", f"method={method}", "dataset.val_fraction=0", f"method.{OTHERWISE[setting]}")


def test_what_only_samples_are_compared_with_classes_do_without():
    checked("scenario=class", "method=lotus", "dataset.val_fraction=0")
    with pytest.raises(ConfigError, match=r"^method\.unseen=val needs validation data"):
        checked("scenario=sample", "method=lotus", "dataset.val_fraction=0")


OTHERWISE = {
    "max_accuracy_drop=0.05": "max_accuracy_drop=null",
    "rewind=true": "rewind=false",
    "stop_on=val": "stop_on=test",
}


@pytest.mark.parametrize(("method", "scenario"), [("delete", "sample"), ("amun", "class"), ("unsir", "sample")])
def test_a_method_is_meant_for_its_scenarios(method, scenario):
    with pytest.raises(NotMeant, match="is meant for"):
        checked(f"method={method}", f"scenario={scenario}")


@pytest.mark.parametrize(("base", "scenario"), [("unsir", "sample"), ("amun", "class")])
def test_a_method_around_another_is_meant_for_the_same_scenarios(base, scenario):
    method = composed("method=cmf")["method"] | {"base": composed(f"method={base}")["method"]}
    with pytest.raises(NotMeant, match="is meant for"):
        checked(f"scenario={scenario}", method=method)


LOW = "method@method.low"
CONTRADICTIONS = [
    (("method=contrastive", "method.keep_best=true", "method.stop_on=never"),
     "method.keep_best=true has to look somewhere; set method.stop_on to val or test"),
    (("method=head_only", "method.recipe.batchnorm=train"), "method.recipe.batchnorm=train would move frozen layers"),
    (("method=l1_sparse", "method.plain_epochs=11"), "method.plain_epochs must be at most method.recipe.epochs=10"),
    (("method=fcs", "method.contrast.epochs=3"), "method.contrast.epochs and method.strengthen.epochs must agree"),
    (("method=fcs", "method.erase.optimizer.nesterov=true", "method.erase.optimizer.momentum=0"),
     "method.erase.optimizer.nesterov=true needs method.erase.optimizer.momentum above 0"),
    (("method=finetune", "method.recipe.optimizer.nesterov=true", "method.recipe.optimizer.momentum=0"),
     "method.recipe.optimizer.nesterov=true needs method.recipe.optimizer.momentum above 0"),
    (("method=cmf", "method@method.base=cf_k", "method.base.layers=1"),
     "method.base.layers=1 is the last layer alone, which method gives the class means; take 2 or more"),
    (("method=rum", f"{LOW}=logit_mask"), "method.low is meant for class scenarios only; what method forgets are sam"),
    (("method=rum", f"{LOW}=l1_sparse", "method.low.plain_epochs=11"),
     "method.low.plain_epochs must be at most method.low.recipe.epochs=10"),
    (("method=rum", f"{LOW}=contrastive", "dataset.val_fraction=0"),
     "method.low.stop_on=val needs validation data; set dataset.val_fraction above 0, or method.low.stop_on to test"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), CONTRADICTIONS)
def test_settings_that_do_not_go_together_are_found_from_the_config(words, message):
    config = parse(RunConfig, composed("scenario=sample", *words))
    with pytest.raises(ConfigError) as caught:
        check_requirements(config, {"method": "...", "scenario": "sample"})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_so_are_those_of_the_recipe_of_originals():
    words = ("recipe.optimizer.nesterov=true", "recipe.optimizer.momentum=0")
    plan = plan_unlearning(composed(*words), dict.fromkeys(("dataset", "model", "scenario", "method"), "..."))
    with pytest.raises(ConfigError, match=r"^recipe\.optimizer\.nesterov=true needs recipe\.optimizer\.momentum above"):
        require_possible(plan)


IMPOSSIBLE = [
    ("not", ("method.layers=[99]",), "method.layers: there is no layer 99"),
    ("scar", ("scenario=sample", "scenario.count=269"), "method=scar finds no wrong class with two retain samples"),
    ("scrub", ("method.rewind=true", "dataset.val_fraction=0.004"), "method.rewind=true finds no val samples of the"),
    ("contrastive", ("dataset.val_fraction=0.004",), "method.stop_on=val finds no val samples to look at"),
    ("contrastive_matching", ("method.stop_on=val", "dataset.val_fraction=0.004"),
     "method.stop_on=val finds no val samples of the forgotten classes"),
    ("cmf", ("method@method.base=not", "method.base.layers=[99]"), "method.layers: there is no layer 99"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "words", "message"), IMPOSSIBLE)
def test_what_only_data_or_network_tell_is_said_before_anything_is_trained(
    command, tiny, tmp_path, method, words, message
):
    given = [w for w in tiny if not w.startswith("method")]
    done = command("unlearn", *given, f"method={method}", *words, f"paths.outputs={tmp_path}")
    assert done.code == 2
    assert len(done.err) <= 2
    assert f"error: {message}" in done.err[-1]
    assert not list(tmp_path.glob("models/*/model.safetensors"))


class Cosine(nn.Module):
    """A last layer without rows that can be edited."""


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def cosine_network():
    return nn.Sequential(nn.Flatten(), Cosine())


@pytest.mark.parametrize(("factory", "head", "fits"), [(network, "1", True), (cosine_network, "1", False)])
def test_a_head_that_is_widened_is_linear(factory, head, fits):
    model = {
        "_target_": "cu.models.user.UserModel",
        "checkpoint": None,
        "factory": f"{__name__}:{factory.__name__}",
        "settings": {},
        "head": head,
    }
    checked("method=finetune", model=model)
    if fits:
        checked("method=boundary_expand", model=model)
    else:
        with pytest.raises(ConfigError, match=r"needs a linear last layer; name a torch\.nn\.Linear by model\.head"):
            checked("method=boundary_expand", model=model)
