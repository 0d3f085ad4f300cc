from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build, check_components
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import RunConfig
from cu.evaluation.suite import spec_of

utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
SWEEP = yaml.safe_load((Path(__file__).parents[2] / "scripts" / "wandb_sweep.yaml").read_text(encoding="utf-8"))


def values(parameter):
    """The extremes of a parameter, or all its values."""
    return parameter.get("values") or [parameter["min"], parameter["max"]]


def command_of(arguments):
    """The words of the command that W&B's agent starts for a trial with these arguments."""
    filled = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in arguments.items()}})
    filled |= {"env": ["/usr/bin/env"], "program": [SWEEP["program"]]}
    words = []
    for word in utils.create_sweep_command(deepcopy(SWEEP["command"])):
        words += filled[word[2:-1]] if word.startswith("${") else [word]
    return words


@pytest.mark.parametrize("place", [0, -1])
def test_the_command_of_a_trial_is_one_of_ours(place):
    arguments = {name: values(parameter)[place] for name, parameter in SWEEP["parameters"].items()}
    env, program, *overrides = command_of(arguments)
    assert (env, program) == ("/usr/bin/env", "cu-unlearn")
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = OmegaConf.to_container(compose("unlearn", overrides), resolve=True)
    check_components(parse(RunConfig, config))
    for name, value in arguments.items():
        assert OmegaConf.select(OmegaConf.create(config), name) == value


def test_the_metric_is_one_of_the_suites_and_points_its_way():
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        suite = OmegaConf.to_container(compose("unlearn"), resolve=True)["evaluation"]["metrics"]
    specs = [spec_of(build(Component(node))) for node in suite.values() if node]
    (spec,) = [spec for spec in specs if SWEEP["metric"]["name"] in spec.keys]
    assert (spec.direction, SWEEP["metric"]["goal"]) == ("lower", "minimize")
