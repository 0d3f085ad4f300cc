import math

import pytest

from cu.evaluation.compare import compare
from cu.evaluation.yardsticks import rank_p
from cu.metrics.drawn import Drawn
from cu.metrics.spec import metric


@metric(keys=("level", "twice"), direction="higher", version=3)
def level(case, /):
    raise AssertionError("only its spec is read")


@metric(keys=("apart",), direction="lower", needs=("retrained",), identical=0.0)
def apart(case, /):
    raise AssertionError("only its spec is read")


@metric(keys=("alike",), direction="higher", needs=("retrained",), identical=1.0)
def alike(case, /):
    raise AssertionError("only its spec is read")


@metric(keys=("seen",), needs=("retrained",))
def seen(case, /):
    raise AssertionError("only its spec is read")


def test_comparison_by_hand():
    # References 2, 4, 9: mean 5, deviations -3, -1, 4, so sample variance 26 / 2 = 13; differences 2, 7, 5.
    refs = [{"level": v, "twice": 2 * v} for v in (2.0, 4.0, 9.0)]
    entries = compare({"level": level}, {"level": 6.5, "twice": 1.0}, refs, {"level": 7.0, "twice": math.nan})
    assert list(entries) == ["level", "twice"]
    entry = entries["level"]
    assert (entry.value, entry.ref, entry.gap) == (6.5, 5.0, 1.5)
    assert entry.ref_std == pytest.approx(math.sqrt(13))
    assert entry.floor == pytest.approx(14 / 3)
    assert entry.z == pytest.approx(1.5 / math.sqrt(13))
    assert entry.rank_p == rank_p(6.5, [2.0, 4.0, 9.0])
    assert (entry.original, entry.direction, entry.version, entry.status) == (7.0, "higher", 3, "ok")
    assert entries["twice"].original is None
    assert entries["twice"].gap == -9.0


def test_one_reference_has_no_spread_and_none_has_no_gap():
    one = compare({"level": level}, {"level": 1.0, "twice": 2.0}, [{"level": 0.25, "twice": 1.0}], {})["level"]
    assert (one.ref, one.gap) == (0.25, 0.75)
    assert (one.ref_std, one.floor, one.z, one.rank_p, one.original) == (None,) * 5
    none = compare({"level": level}, {"level": 1.0, "twice": 2.0}, [], {})["level"]
    assert (none.value, none.status) == (1.0, "ok")
    assert (none.ref, none.gap, none.ref_std, none.floor, none.z) == (None,) * 5


def test_equal_references_have_no_z():
    refs = [{"level": 0.5, "twice": 1.0}] * 2
    entry = compare({"level": level}, {"level": 0.75, "twice": 1.0}, refs, {})["level"]
    assert (entry.ref_std, entry.floor, entry.z, entry.gap) == (0.0, 0.0, None, 0.25)


def test_skipped_and_undefined_values_keep_their_reason_and_the_references():
    refs = [
        {"level": 0.5, "twice": "skipped: needs head"},
        {"level": math.nan, "twice": 3.0},
        {"level": 1.5, "twice": 1.0},
    ]
    entries = compare({"level": level}, {"level": math.nan, "twice": "skipped: needs cost"}, refs, {"level": "x"})
    assert (entries["level"].value, entries["level"].status) == (None, "undefined")
    assert (entries["level"].ref, entries["level"].gap, entries["level"].floor) == (1.0, None, 1.0)
    assert (entries["twice"].value, entries["twice"].status) == (None, "skipped: needs cost")
    assert (entries["twice"].ref, entries["twice"].gap) == (2.0, None)
    infinite = compare({"level": level}, {"level": math.inf, "twice": 0.0}, [], {})
    assert (infinite["level"].value, infinite["level"].status) == (None, "undefined")
    assert (infinite["twice"].value, infinite["twice"].status) == (0.0, "ok"), "zero is a number"


@pytest.mark.parametrize(("function", "key", "floor"), [(apart, "apart", 0.3), (alike, "alike", 0.7)])
def test_the_floor_of_a_metric_that_compares_is_what_it_says_of_two_retrained_models(function, key, floor):
    # By symmetry both say 0.3 of each other: they do not differ, and yet they are apart.
    pairs = {(0, 1): {key: 0.3}, (1, 0): {key: 0.3}}
    entry = compare({"m": function}, {key: 0.4}, [{key: 0.3}] * 2, {}, pairs)[key]
    assert entry.floor == pytest.approx(floor)
    assert (entry.ref_std, entry.z, entry.rank_p) == (None, None, None)
    assert compare({"m": function}, {key: 0.4}, [{key: "skipped: needs retrained"}], {})[key].floor is None


def test_a_metric_of_the_model_alone_that_reads_retrained_models_has_the_floor_of_values():
    pairs = {(0, 1): {"seen": 0.5}, (1, 0): {"seen": 0.7}}
    assert compare({"m": seen}, {"seen": 0.4}, [{"seen": 0.5}, {"seen": 0.7}], {}, pairs)[
        "seen"
    ].floor == pytest.approx(0.2)


def test_a_pair_without_a_value_leaves_no_floor():
    pairs = {(0, 1): {"apart": 0.3}, (1, 0): {"apart": None}}
    assert compare({"m": apart}, {"apart": 0.4}, [{"apart": 0.3}] * 2, {}, pairs)["apart"].floor is None


def test_the_draws_of_a_metric_are_part_of_its_floor():
    values = [Drawn(0.5, 0.1), Drawn(0.5, 0.3)]
    entry = compare({"l": level}, {"level": 0.5, "twice": 0}, [{"level": v, "twice": 0.0} for v in values], {})["level"]
    assert entry.floor == pytest.approx(math.sqrt(4 * 0.05 / math.pi))
