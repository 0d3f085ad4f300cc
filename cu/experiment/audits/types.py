"""What an audit is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from cu.experiment.audits.context import AuditContext

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class AuditFindings:
    """What a metric is to read, for each model it judges.

    AuditFindings that hold the retrained models beside the judged one hold all of them, in the order of the run's
    references, for every judged model: `cu.evaluation.facing` takes out those it does not face.

    Attributes:
        judged: For the unlearned model.
        references: For each retrained model, in their order.
        original: For the original model; None where the audit says nothing about it.
    """

    judged: Any
    references: tuple[Any, ...]
    original: Any | None


def beside_all(
    kind: Callable[[T, T, tuple[T, ...]], Any], judged: T, original: T, references: Sequence[T]
) -> AuditFindings:
    """Findings of a type made of the judged model's, the original's and those of all retrained models."""
    retrained = tuple(references)
    return AuditFindings(
        kind(judged, original, retrained),
        tuple(kind(own, original, retrained) for own in retrained),
        kind(original, original, retrained),
    )


class Audit(Protocol):
    """Settings (a frozen dataclass whose defaults live in YAML) and one verb: a look at models that costs more models.

    `provides` is the type of what it finds about one model: what metrics name in `needs` and read as
    `case.findings[Type]`.
    """

    provides: ClassVar[type]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Train, fine-tune or attack what it takes; all of it is kept, so that a killed audit goes on."""
        ...
