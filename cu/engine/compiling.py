"""Encoders compiled by `torch.compile` while they are trained, and as they were afterwards."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import torch
from torch import nn

from cu.errors import ConfigError, first_line
from cu.models.types import Classifier

M = TypeVar("M", bound=nn.Module)


@lru_cache(maxsize=4)
def require_compiler(device: str) -> None:
    """Compile one addition.

    Raises:
        ConfigError: torch has no working compiler for the device: no C++ compiler for a CPU, no Triton for a GPU.
    """
    try:
        from torch._inductor import config

        config.compile_threads = 1  # by this process itself: the compiler's own workers would outlive a job
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception as error:  # each backend has errors of its own
        why = first_line(error.__cause__ or error)
        raise ConfigError(f"hardware.compile=true: torch.compile does not work here on {device} ({why})") from error


def compiled(model: Classifier) -> Classifier:
    """The model itself with its encoder compiled at the first call; a copy of it is not."""
    model.encoder.compile()
    return model


def is_compiled(model: nn.Module) -> bool:
    """Whether some part of a model is."""
    return any(part._compiled_call_impl is not None for part in model.modules())


def uncompiled(model: M) -> M:
    """The model itself, as it was written; compiled code does not see what is hooked into it later."""
    for part in model.modules():
        part._compiled_call_impl = None
    return model
