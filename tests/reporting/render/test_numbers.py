import pytest

from cu.reporting.render.numbers import number
from cu.reporting.scales import SCALES, scale_of


@pytest.mark.parametrize(
    ("key", "scale"),
    [
        ("forget_train_acc", "percent"),
        ("unlearn_score", "percent"),
        ("retain_train_loss", "fraction"),
        ("mia/loss_auc", "fraction"),
        ("mia/logreg_acc", "percent"),
        ("mia/loss_tpr@0.01", "percent"),
        ("mia/svc_confidence", "percent"),
        ("mia/member_rate_forget", "percent"),
        ("probe/member_auc", "fraction"),
        ("probe/linear_forget_test_acc", "percent"),
        ("streisand/tail_rate", "percent"),
        ("agree/forget_train", "percent"),
        ("dist/ks_loss_logp", "fraction"),
        ("eff/unlearn_seconds", "seconds"),
        ("eff/samples_seen_retain", "count"),
        ("eff/steps", "count"),
        ("eff/peak_mem_mb", "megabytes"),
        ("eff/speedup_vs_retrain", "times"),
    ],
)
def test_scale_of_a_key(key, scale):
    assert scale_of(key) == scale


@pytest.mark.parametrize(
    ("value", "scale", "signed", "text"),
    [
        (0.9123, "percent", False, "91.2"),
        (0.9123, "percent2", False, "91.23"),
        (-0.004, "percent", True, "−0.4"),
        (0.004, "percent", True, "+0.4"),
        (-0.0001, "percent", True, "0.0"),
        (0.50349, "fraction", False, "0.503"),
        (-37.25, "fraction", False, "−37.250"),
        (-0.00001, "fraction", False, "0.000"),
        (12.345, "seconds", False, "12.3"),
        (158.4, "minutes", False, "2.64"),
        (390000.0, "count", False, "390000"),
        (float("inf"), "percent", False, "∞"),
        (float("-inf"), "fraction", False, "−∞"),
        (float("nan"), "percent", False, "n/a"),
        (None, "percent", False, "n/a"),
        (1.5e300, "count", True, "+1.50e+300"),
        (-2e13, "fraction", False, "−2.00e+13"),
    ],
)
def test_number(value, scale, signed, text):
    assert number(value, SCALES[scale], signed) == text
