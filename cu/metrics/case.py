"""What a metric sees: predictions, models, and the case of a judged model beside what it is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from cu.metrics.findings import Findings
from cu.metrics.predictions import ModelPredictions, Predictions

Scenario = Literal["class", "sample"]


@dataclass(frozen=True, eq=False)
class Case:
    """All a metric may look at. The same function judges unlearned, original and retrained models.

    Attributes:
        model: The judged model.
        retrained: Retrained models other than the judged one (the target); may be empty.
        original: The model before unlearning.
        scenario: `class` or `sample`.
        forget_classes: Forgotten classes in class scenarios, else empty.
        num_classes: Number of classes C.
        confused_classes: The two classes between which the forgotten training labels are swapped, if they are.
        seed: Source of every random choice; see `generator`.
        cost: What making the judged model took (`eff/...` keys), if known.
        retrained_cost: What training each of `retrained` took, in the same order.
        findings: What audits found out about the judged model, by type; see `cu.metrics.findings`.
    """

    model: ModelPredictions
    retrained: tuple[ModelPredictions, ...]
    original: ModelPredictions | None
    scenario: Scenario
    forget_classes: tuple[int, ...]
    num_classes: int
    confused_classes: tuple[int, ...] = ()
    seed: int = 0
    cost: Mapping[str, float] | None = None
    retrained_cost: tuple[Mapping[str, float], ...] = field(default=())
    findings: Findings = field(default_factory=Findings)

    def generator(self, purpose: str) -> np.random.Generator:
        """A random generator of its own for each named purpose; the same for every judged model."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "little"))

    def matched_non_members(self, model: ModelPredictions | None = None, draw: int = 0) -> Predictions:
        """Test samples with the forget set's class histogram: the only fair non-members of the forget set.

        Class scenarios: the test samples of the forgotten classes. Sample scenarios: a stratified draw without
        replacement, as large as the class counts of forget and test sets allow. The rows are the same for every model.

        Args:
            model: Whose predictions; those of the judged model if None.
            draw: Number of the draw; see `non_member_draws`.
        """
        judged = model or self.model
        if self.scenario == "class":
            return judged.test_forget
        test, forget = judged.test_retain, judged.forget
        wanted = np.bincount(forget.label, minlength=self.num_classes).tolist()
        there = np.bincount(test.label, minlength=self.num_classes).tolist()
        # As fractions: int(w * (t / w)) loses a sample for many t and w.
        shares = [Fraction(t, w) for t, w in zip(there, wanted, strict=True) if w]
        share = min(Fraction(1), *shares) if shares else Fraction(0)
        rng = self.generator(f"matched_non_members/{draw}")
        rows = [
            rng.choice(np.flatnonzero(test.label == c), size=int(wanted[c] * share), replace=False)
            for c in range(self.num_classes)
        ]
        return test.take(np.sort(np.concatenate(rows)).astype(np.int64))

    def non_member_draws(self, draws: int) -> int:
        """How many different draws `matched_non_members` has to give of `draws` asked for: in class scenarios one."""
        return 1 if self.scenario == "class" else draws
