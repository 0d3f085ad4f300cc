from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.findings import Findings
from cu.metrics.relearning.retain_only import RetainRelearning, retain_only_relearning


def test_what_returns_by_hand(make_case):
    curves = RetainRelearning(np.array([0, 10, 20]), np.array([[0.1, 0.6, 0.5], [0.1, 0.3, 0.7]]))
    found = retain_only_relearning(replace(make_case(), findings=Findings.of(curves)))
    expected = {"acc": 0.6, "gain": 0.5, "max": 0.65}
    assert found == pytest.approx({f"relearn/retain_only_{name}": value for name, value in expected.items()})
