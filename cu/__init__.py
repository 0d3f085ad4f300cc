"""Contrastive machine unlearning of image classifiers.

The rooms of the house, from the ground up. A module imports from its own room and from rooms below it, never from
above; rooms of one floor do not know each other.

    errors, seeds                  one error a user can cause; named random streams
    disk                           files that are whole or absent, locks, hashes
    config                         where configurations are, how they are checked and built
    data, metrics                  images, splits and who is forgotten; pure functions from arrays to numbers
    models, losses                 networks that return logits and an embedding; pure functions from tensors to a scalar
    engine                         the only training loop, forward passes, precision, what work costs
    methods                        one file per way to forget
    evaluation                     every metric beside the retrained models' values
    store                          identities, plans and files of models and runs
    tracking                       Weights & Biases
    experiment, reporting          train, unlearn, compare, audit; tables, figures and the page
    notebook                       the same for any network and data set, without configs and files
    api                            what notebooks and authors of methods and metrics import
    jobs                           one job of a command or a sweep, and how it ended
    cli                            the commands
    __main__                       the same, as `python -m cu`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cu.notebook.audit import Audit
    from cu.notebook.auditing import audit
    from cu.notebook.unlearning import unlearn

__version__ = "0.1.0"
__all__ = ["Audit", "audit", "unlearn"]


def __getattr__(name: str) -> Any:
    # Torch takes seconds to import, and the command line starts without it.
    if name not in __all__:
        raise AttributeError(
            f"module 'cu' has no attribute {name!r}; it has {', '.join(__all__)}, and cu.api has the rest"
        )
    from importlib import import_module

    return getattr(import_module("cu.api"), name)
