"""Losses scaled up for float16, in which small gradients would vanish."""

from __future__ import annotations

import warnings
from weakref import WeakKeyDictionary

import torch
from torch.amp.grad_scaler import GradScaler

_scalers: WeakKeyDictionary[torch.optim.Optimizer, GradScaler] = WeakKeyDictionary()


def scaler_of(optimizer: torch.optim.Optimizer, device: str, precision: str) -> GradScaler:
    """The scaler of an optimizer's own, as lasting as the optimizer; it does nothing in other precisions than fp16.

    A step whose gradients overflow is left out, and the scale halved. The learning rate's schedule counts it all the
    same, which torch would warn of.
    """
    if optimizer not in _scalers:
        if precision == "fp16":
            warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler\.step\(\)` before")
        _scalers[optimizer] = GradScaler(torch.device(device).type, enabled=precision == "fp16")
    return _scalers[optimizer]
