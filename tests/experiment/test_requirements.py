"""Settings that contradict each other are found from the config alone."""

from functools import cache
from itertools import product
from time import perf_counter

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
    begin = perf_counter()
    with pytest.raises(ConfigError) as caught:
        check_requirements(config, {"method": method, "scenario": "sample"})
    assert perf_counter() - begin < 0.5
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    checked("scenario=sample", f"method={method}", "dataset.val_fraction=0", f"method.{OTHERWISE[setting]}")


OTHERWISE = {
    "max_accuracy_drop=0.05": "max_accuracy_drop=null",
    "rewind=true": "rewind=false",
    "stop_on=val": "stop_on=test",
}


@pytest.mark.parametrize(("method", "scenario"), [("delete", "sample"), ("amun", "class"), ("unsir", "sample")])
def test_a_method_is_meant_for_its_scenarios(method, scenario):
    with pytest.raises(NotMeant, match="is meant for"):
        checked(f"method={method}", f"scenario={scenario}")


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
