"""Classes by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

from cu.errors import ConfigError, suggestion


def class_numbers(asked: Sequence[int | str], class_names: Sequence[str], key: str) -> list[int]:
    """The numbers of classes, counted from 0, in the order asked for.

    Args:
        asked: Numbers or names.
        class_names: By number.
        key: The setting that asks, for messages.

    Raises:
        ConfigError: There is no such class, or a number is the name of another class.
    """
    return [_number(one, list(class_names), key) for one in asked]


def _number(asked: int | str, names: list[str], key: str) -> int:
    if isinstance(asked, str):
        if asked in names:
            return names.index(asked)
        hint = suggestion(asked, names, "did you mean {}? ")
        few = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise ConfigError(f"{key}: there is no class {asked!r}: {hint}the classes are {few}")
    if not 0 <= asked < len(names):
        raise ConfigError(f"{key}: there is no class {asked}; classes run from 0 to {len(names) - 1}")
    if str(asked) in names and names[asked] != str(asked):
        raise ConfigError(
            f"{key}: {asked} is the name of one class and the number of another, {names[asked]!r}: "
            f"write the name in quotes, such as '{key}=[\"{asked}\"]' or '{key}=[\"{names[asked]}\"]'"
        )
    return asked
