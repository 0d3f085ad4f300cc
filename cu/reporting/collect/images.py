"""How many images a metric was measured on: what bounds the precision of a share."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from cu.metrics.findings import WATCHED

# The first pattern that matches a key decides; of other metrics no such bound is known.
_RULES = (
    ("agree/forget_test*", "test_forget"),
    ("agree/retain_test*", "test_retain"),
    ("agree/forget*", "forget"),
    ("agree/retain*", "retain"),
    ("agree/*", "test"),
    ("mia/member_rate_retain", "retain"),
    ("mia/retain_auc", "retain_attack"),
    ("mia/*_heldout", "retain_attack"),
    ("mia/member_rate_unseen", "unseen"),
    ("*_auc*", "attack"),
    ("*_tpr@*", "attack"),
    ("mia/*_acc", "attack"),
    ("mia/*", "forget"),
    ("unlearn_score", "forget"),
    ("forget_train_acc", "forget"),
    ("retain_train_acc", "retain"),
    ("*retain_test_acc", "test_retain"),
    ("*forget_test_acc", "test_forget"),
    ("probe/*_forget_acc", "test_forget"),
    ("test_acc", "test"),
    ("val_acc", "val"),
    ("relearn/curve@*", "watched"),
    ("relearn/retain_only_acc", "watched"),
    ("relearn/retain_only_max", "watched"),
    ("streisand/tail_rate", "forget"),
)
# Metrics that are the difference of two shares, or an advantage.
_DIFFERENCES = ("mia/correctness_gap", "mia/member_rate_difference", "mia/swap_*")


def is_difference(key: str) -> bool:
    """Whether a metric with a number of images is in [-1, 1] and not a share in [0, 1]."""
    return any(fnmatchcase(key, pattern) for pattern in _DIFFERENCES)


def images_of(key: str, sizes: Mapping[str, int]) -> int | None:
    """Images behind a metric that is a share of them; of an attack, the smaller of its two groups.

    Args:
        key: Of the metric.
        sizes: Samples by split, as a result has them.
    """
    split = next((split for pattern, split in _RULES if fnmatchcase(key, pattern)), None)
    if split is None:
        return None
    forget, test = sizes.get("forget", 0), sizes.get("test", 0)
    unseen = sizes.get("test_forget", 0) or test
    derived = {
        "test_retain": test - sizes.get("test_forget", 0),
        "unseen": unseen,
        "attack": min(forget, unseen),
        "retain_attack": min(sizes.get("retain", 0), test - sizes.get("test_forget", 0)),
        "watched": min(forget, WATCHED),
    }
    return max(0, derived.get(split, sizes.get(split, 0))) or None
