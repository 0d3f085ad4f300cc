import logging
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

from cu.engine.fit import Diverged
from cu.evaluation.suite import measure
from cu.experiment.audits.run_audits import run_audits, with_findings
from cu.experiment.audits.types import AuditFindings
from cu.metrics.case import Case
from cu.metrics.distribution.over_unlearning import OverUnlearning, over_unlearning
from cu.metrics.distribution.zrf import zrf
from cu.metrics.findings import Layers, Shadows
from cu.metrics.membership.ulira import ulira_efficacy, ulira_privacy
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.relearning.speed import relearning_speed


@dataclass(frozen=True)
class Fixed:
    provides: ClassVar = Shadows

    answer: object

    def examine(self, context):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass(frozen=True)
class Unread(Fixed):
    provides: ClassVar = Layers


def empty_case(scenario):
    none = Predictions(np.empty((0, 4)), np.empty((0, 2)), np.empty(0, np.int64), np.empty(0, np.int64))
    model = ModelPredictions(none, none, none, none, none)
    return Case(model, (), None, scenario, (2,) if scenario == "class" else (), 4)


def test_only_audits_that_a_metric_of_this_scenario_reads_are_conducted(make_scene):
    answer, context = AuditFindings("a", ("b",), "c"), make_scene()
    assert run_audits({"x": Fixed(answer)}, {"m": ulira_privacy}, context) == {Shadows: answer}
    assert run_audits({"x": Fixed(answer)}, {"m": zrf}, context) == {}
    assert run_audits({"x": Fixed(answer)}, {"m": ulira_privacy}, make_scene("class")) == {}


def test_divergence_ends_an_audit_and_says_so(make_scene, caplog):
    with caplog.at_level(logging.WARNING, logger="cu"):
        assert run_audits({"x": Fixed(Diverged("at step 3"))}, {"m": ulira_efficacy}, make_scene()) == {}
    assert "audit x is given up" in caplog.text
    assert "at step 3" in caplog.text


def test_the_log_says_which_audit_of_how_many(make_scene, caplog):
    answer, metrics = AuditFindings("a", (), None), {"a": ulira_efficacy, "b": relearning_speed}
    with caplog.at_level(logging.INFO, logger="cu"):
        run_audits({"unread": Unread(answer), "x": Fixed(answer)}, metrics, make_scene())
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if line.startswith("audit")] == ["audit 1 of 1: x"]


def test_other_errors_are_not_swallowed(make_scene):
    with pytest.raises(KeyError):
        run_audits({"x": Fixed(KeyError("shadows"))}, {"m": ulira_efficacy}, make_scene())


def test_findings_go_to_whom_they_are_about():
    case, found = empty_case("sample"), {Shadows: AuditFindings("judged", ("first", "second"), None)}
    assert with_findings(case, found, "judged").findings[Shadows] == "judged"
    assert with_findings(case, found, 1).findings[Shadows] == "second"
    assert Shadows not in with_findings(case, found, "original").findings


def test_metrics_without_their_audit_are_skipped_and_say_which():
    metrics = {
        "zrf": zrf,
        "speed": partial(relearning_speed, tolerance=0.05),
        "efficacy": ulira_efficacy,
        "privacy": ulira_privacy,
        "over": over_unlearning,
    }
    values = measure(metrics, empty_case("class"))
    assert values["dist/zrf"] == "skipped: needs initial"
    assert values["relearn/ain"] == "skipped: needs relearning"
    assert values["mia/ulira_eff_auc"] == "skipped: needs shadows"
    assert values["mia/ulira_priv_auc"] == "skipped: only for sample scenarios"
    assert values["over/ou@0.03"] == "skipped: needs over_unlearning"


def test_an_audit_that_was_conducted_is_not_missing():
    found = {OverUnlearning: AuditFindings(OverUnlearning(np.zeros((2, 4)), np.zeros((2, 4))), (), None)}
    case = with_findings(empty_case("class"), found, "judged")
    assert isinstance(measure({"over": over_unlearning}, case)["over/ou@0.03"], float)
