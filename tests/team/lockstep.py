"""What each of two processes runs: a method on the toy data, its weights written by the first one."""

import sys
from dataclasses import replace

import torch
from conftest import ORIGINAL_RECIPE, build_data, build_run
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.processes import processes
from cu.data.scenarios.classes import ClassScenario
from cu.data.task import make_task
from cu.engine import sharding, team


def outcome(name: str, batchnorm: str, *words: str) -> dict[str, torch.Tensor]:
    """Weights after a method with ragged batches, and with other settings than its own where words say so."""
    data = build_data()
    task = make_task(data, ClassScenario(classes=[2]), torch.Generator().manual_seed(0))
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        settings = [f"method.{word}" for word in words]
        parts = {**compose(f"method/{name}", settings), **compose("recipe/short")}
    node = OmegaConf.to_container(OmegaConf.create(parts).method, resolve=True)
    if "recipe" in node:
        node["recipe"] |= {"epochs": 1, "batch_size": 17, "augment": True, "batchnorm": batchnorm}
        node["recipe"]["optimizer"]["lr"] = 0.05
    method = build(Component(node))
    run = build_run()
    torch.manual_seed(0)
    with team.alone():
        start = build_run().new_model()
        start = replace_training(start, data, build_run())
    return method.unlearn(start, task, run).state_dict()


def replace_training(model, data, run):
    """The model, trained by the usual recipe for one pass."""
    from cu.engine.fit import cross_entropy, fit

    recipe = replace(ORIGINAL_RECIPE, epochs=1)
    return fit(model, run.batches(data.train, recipe), cross_entropy, recipe, run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    team.join(processes())
    found, divided = {}, {}
    for case in sys.argv[2:]:
        before = sharding.passes()
        found[case] = outcome(*case.split("/"))
        divided[case] = sharding.passes() > before
    if team.leads():
        torch.save((found, divided), sys.argv[1])
