import math

import pytest

from cu.reporting.render.latex import latex
from cu.reporting.statistics.hidden_knowledge import HEAD, INSIDE, exposing_key
from cu.reporting.statistics.types import Statistic

PROBE, FEW, CKA = INSIDE[:3]
FEATURES = "probe_h/linear_forget_test_acc"
SEEDS = [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def stat(value, ref, original, std=0.01, k=3, floor=math.nan, images=0):
    """Three runs of this mean, with K retrained models each."""
    gaps = dict.fromkeys(SEEDS, value - ref)
    place = dict.fromkeys(("dataset", "model", "scenario", "data_setting", "method", "setting", "key"), "")
    return Statistic(
        **place,
        **{"mean": value, "ref": ref, "original": original, "gap": value - ref, "gap_n": 3, "floor": floor},
        **{"gaps": gaps, "stds": dict.fromkeys(SEEDS, std), "counts": dict.fromkeys(SEEDS, k), "images": images},
    )


SILENT = stat(0.0, 0.0, 0.9)


@pytest.mark.parametrize(
    ("head", "inside", "key"),
    [
        # A mask: the head says 0, the probe is the original's.
        (SILENT, {PROBE: stat(0.96, 0.5, 0.96)}, PROBE),
        (SILENT, {PROBE: stat(0.51, 0.5, 0.96), FEW: stat(0.9, 0.4, 0.95)}, FEW),
        (SILENT, {CKA: stat(0.99, 0.4, 1.0)}, CKA),
        # A projection that has lost what the encoder keeps; and a linear head, where both are one number.
        (SILENT, {PROBE: stat(0.5, 0.5, 0.96), FEATURES: stat(0.96, 0.5, 0.96)}, FEATURES),
        (SILENT, {PROBE: stat(0.96, 0.8, 0.97, std=0.057), FEATURES: stat(0.96, 0.8, 0.97, std=0.057)}, PROBE),
        # Nearer to the retrained model, within its noise, on its other side, or on too few images.
        (SILENT, {PROBE: stat(0.65, 0.5, 0.96)}, None),
        (SILENT, {PROBE: stat(0.96, 0.90, 0.96, std=0.2)}, None),
        (SILENT, {PROBE: stat(0.1, 0.5, 0.96)}, None),
        (SILENT, {PROBE: stat(0.96, 0.8, 0.97, images=10_000)}, PROBE),
        (SILENT, {PROBE: stat(0.96, 0.8, 0.97, images=8)}, None),
        # Unlearning that pushes below retraining where the original is below it too.
        (SILENT, {CKA: stat(0.1, 0.5, 0.1)}, CKA),
        # The head does not deny it: nothing looks forgotten.
        (stat(0.9, 0.0, 0.9), {PROBE: stat(0.96, 0.5, 0.96)}, None),
        (stat(0.03, 0.0, 0.9), {PROBE: stat(0.96, 0.5, 0.96)}, None),
        (stat(0.03, 0.0, 0.9, floor=0.04), {PROBE: stat(0.96, 0.5, 0.96)}, PROBE),
        (stat(0.0, 0.1, 0.9), {PROBE: stat(0.96, 0.5, 0.96)}, PROBE),
        # Unknown numbers, and one retrained model, accuse nobody.
        (stat(math.nan, math.nan, math.nan), {PROBE: stat(0.96, 0.5, 0.96)}, None),
        (SILENT, {PROBE: stat(0.96, math.nan, 0.96)}, None),
        (SILENT, {PROBE: stat(0.96, 0.5, math.nan)}, None),
        (SILENT, {PROBE: stat(0.96, 0.5, 0.96, k=1, std=math.nan)}, None),
        (SILENT, {}, None),
    ],
)
def test_what_exposes_a_method(head, inside, key):
    assert exposing_key({HEAD: head, **inside}, 0.01) == key


def test_the_table_marks_the_row_and_never_lets_it_win(run_folders, make_metric, tables, notes):
    methods = {"original": (0.9, 0.96), "logit_mask": (0.0, 0.96), "honest": (0.002, 0.505), "weak": (0.3, 0.9)}
    sizes = {"retain": 10**6, "forget": 10**6, "val": 0, "test": 10**6, "test_forget": 10**5}
    for method, (head, probe) in methods.items():
        for seed in range(3):
            metrics = {
                HEAD: make_metric(head + seed / 1e4, 0.0, original=0.9, ref_std=0.001, floor=0.001),
                PROBE: make_metric(probe + seed / 1e4, 0.501, original=0.96, ref_std=0.01, floor=0.01),
                "retain_test_acc": make_metric(0.8 + head + seed / 1e4, 0.8, original=0.8, ref_std=0.001),
            }
            run_folders.add(metrics, method=method, seed=seed, split_sizes=sizes)
    (table,) = tables([HEAD, "retain_test_acc", PROBE])
    assert {row.label.name: row.label.marks for row in table.rows[-3:]} == {
        "honest": (),
        "logit_mask": ("exposed",),
        "weak": (),
    }
    best = {row.label.name: [i for i, cell in enumerate(row.cells) if cell.best] for row in table.rows}
    assert best["honest"] == [2]
    assert best["logit_mask"] == []
    assert notes(table)[-1].startswith("† looks forgotten, is not")
    assert r"logit\_\allowbreak{}mask $\dagger$" in latex([table])
