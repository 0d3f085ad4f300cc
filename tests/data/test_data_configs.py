import typing
from dataclasses import fields
from importlib import import_module

import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from cu.config.folder import config_folder

FILES = sorted((config_folder() / "dataset").glob("*.yaml")) + sorted((config_folder() / "scenario").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_keys_are_the_fields_and_defaults_are_in_range(path):
    group = OmegaConf.load(path)
    settings = OmegaConf.to_container(group, resolve=False)
    settings.pop("defaults", None)  # what it sets besides itself
    module, _, name = settings.pop("_target_").rpartition(".")
    kind = getattr(import_module(module), name)
    assert set(settings) == {field.name for field in fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    for key, value in settings.items():
        if value != "???" and not str(value).startswith("${"):
            TypeAdapter(hints[key]).validate_python(value)


def test_every_data_set_lets_the_recipe_decide_on_augmentation():
    for path in (config_folder() / "dataset").glob("*.yaml"):
        group = OmegaConf.load(path)
        for augment in (True, False):
            assert OmegaConf.create({"dataset": group, "recipe": {"augment": augment}}).dataset.augment is augment
