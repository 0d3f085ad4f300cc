import importlib
import pkgutil

import pytest

import cu.metrics
from cu.metrics.spec import Margin, MetricSpec, metric


def every_spec():
    """The specs of all functions of the package that are metrics."""
    for module in pkgutil.walk_packages(cu.metrics.__path__, "cu.metrics."):
        for function in vars(importlib.import_module(module.name)).values():
            if isinstance(getattr(function, "spec", None), MetricSpec) and function.__module__ == module.name:
                yield function.spec


def test_every_key_whose_target_is_the_retrained_model_has_a_decided_margin():
    matched = [spec for spec in every_spec() if spec.direction == "match_retrained"]
    assert len(matched) > 30
    undecided = [key for spec in matched for key in spec.keys if key not in spec.margins]
    assert undecided == []


def test_margins_are_small_positive_numbers_with_a_unit():
    for spec in every_spec():
        for key, margin in spec.margins.items():
            assert key in spec.keys
            assert (margin.size is None) == (not margin.unit), key
            assert margin.size is None or 0 < margin.size <= 0.1, key


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("forget_train_acc", 0.01),
        ("retain_test_loss", 0.05),
        ("mia/loss_auc", 0.02),
        ("mia/loss_tpr@0.01", None),
        ("mia/svc_confidence", 0.02),
        ("mia/svc_confidence_heldout", None),
        ("calib/retain_test_nll", 0.05),
        ("geom/nc1", None),
    ],
)
def test_margins_are_in_the_unit_of_the_key(key, size):
    (found,) = [spec.margins[key] for spec in every_spec() if key in spec.keys]
    assert found.size == size


def test_the_longest_end_decides():
    one, other = Margin(0.1, "a"), Margin(0.2, "b")

    @metric(keys=("x", "x_end", "y"), margin={"x": one, "end": other})
    def function(case, /):
        return {}

    assert function.spec.margins == {"x": one, "x_end": other}
