from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import pytest

from cu.config.validate import HYDRA_KEYS, locate


def nodes(node):
    """Every node with a `_target_`, however deep."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from nodes(value)


@pytest.fixture(scope="session")
def assert_keys_are_fields():
    """Each dataclass gets all of its fields, and nothing else; `checkpoint` and its key belong to the runner."""

    def check(config):
        for node in nodes(config):
            target = locate(node["_target_"], "")
            if is_dataclass(target):
                own = {"checkpoint", "checkpoint_key"} if node is config.get("model") else set()
                assert node.keys() - HYDRA_KEYS - own == {field.name for field in fields(target) if field.init}

    return check


@pytest.fixture(scope="session")
def assert_within():
    """All that the first mapping says is in the second, too."""

    def check(part, whole):
        for key, value in part.items():
            if isinstance(value, Mapping):
                check(value, whole[key])
            else:
                assert whole[key] == value, key

    return check
