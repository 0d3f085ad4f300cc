import math

import pytest

from cu.reporting.aggregate import aggregate
from cu.reporting.collect import collect
from cu.reporting.illusion import FOOTNOTE, HEAD, INSIDE, betrayed_by
from cu.reporting.latex import latex
from cu.reporting.summary import text
from cu.reporting.tables import build_tables

PROBE, FEW, CKA = INSIDE


def entry(value, ref, original, floor=None):
    return {"value": value, "ref": ref, "original": original, "floor": floor}


@pytest.mark.parametrize(
    ("head", "inside", "key"),
    [
        # A mask: the head says 0, the probe is the original's.
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, 0.5, 0.96)}, PROBE),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.6, 0.5, 0.96), FEW: entry(0.9, 0.4, 0.95)}, FEW),
        (entry(0.0, 0.0, 0.9), {CKA: entry(0.99, 0.4, 1.0)}, CKA),
        # Nearer to the retrained model, or within its noise, or within 10 points without a floor.
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.65, 0.5, 0.96)}, None),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, 0.90, 0.96, floor=0.07)}, None),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, 0.90, 0.96, floor=0.05)}, PROBE),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, 0.87, 0.96)}, None),
        # The head does not deny it: nothing looks forgotten.
        (entry(0.9, 0.0, 0.9), {PROBE: entry(0.96, 0.5, 0.96)}, None),
        (entry(0.03, 0.0, 0.9), {PROBE: entry(0.96, 0.5, 0.96)}, None),
        (entry(0.03, 0.0, 0.9, floor=0.04), {PROBE: entry(0.96, 0.5, 0.96)}, PROBE),
        (entry(0.0, 0.1, 0.9), {PROBE: entry(0.96, 0.5, 0.96)}, PROBE),
        # Unknown numbers accuse nobody.
        (entry(None, None, None), {PROBE: entry(0.96, 0.5, 0.96)}, None),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, math.nan, 0.96)}, None),
        (entry(0.0, 0.0, 0.9), {PROBE: entry(0.96, 0.5, None)}, None),
        (entry(0.0, 0.0, 0.9), {}, None),
    ],
)
def test_who_is_betrayed(head, inside, key):
    assert betrayed_by({HEAD: head, **inside}, 0.01) == key


def metrics(make_metric, head, probe):
    return {
        HEAD: make_metric(head, 0.0, original=0.9),
        PROBE: make_metric(probe, 0.501, original=0.96),
        "retain_test_acc": make_metric(0.8 + head, 0.8, original=0.8),
    }


def test_the_table_marks_the_row_and_never_lets_it_win(run_folders, make_metric, make_report):
    methods = {"original": (0.9, 0.96), "logit_mask": (0.0, 0.96), "honest": (0.002, 0.55), "weak": (0.3, 0.9)}
    for method, (head, probe) in methods.items():
        run_folders.add(metrics(make_metric, head, probe), method=method)
    collection = collect(run_folders.outputs)
    report = make_report([HEAD, "retain_test_acc", PROBE])
    (table,) = build_tables(collection, aggregate(collection, None, None, report.margins), report)
    assert [row.label for row in table.rows[-3:]] == ["honest", "logit_mask †", "weak"]
    assert {row.label: set(row.best) for row in table.rows if row.best} == {"honest": {2}}
    assert table.footnotes == (FOOTNOTE,)
    assert r"logit\_mask $\dagger$ &" in latex([table])


def test_the_summary_says_it_in_one_plain_sentence(make_metric, make_result):
    shown = " ".join(text(make_result(metrics(make_metric, 0.0, 0.96))).split())
    assert (
        "looks forgotten, is not: the head says 0.0 %, a linear probe on the embedding still finds 96.0 % "
        "(retrained 50.1 %)"
    ) in shown
    assert "probe/linear_forget_test_acc [%]" in shown
    for head, probe in ((0.0, 0.52), (0.9, 0.96)):
        assert "looks forgotten" not in text(make_result(metrics(make_metric, head, probe)))
    sample = make_result(metrics(make_metric, 0.0, 0.96), scenario="sample", forget_classes=[])
    assert "looks forgotten" not in text(sample)
