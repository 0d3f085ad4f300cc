"""A method that retrains must look like retraining, by every metric and with any number of retrained models."""

import math

import numpy as np
import pytest

from cu.evaluation.compare import compare
from cu.evaluation.facing import in_place, judge, judge_pairs, judge_reference
from cu.evaluation.suite import measure

WORLDS = 16


def compared(suite, case, judged=None):
    """Every key of a case, by the same calls as a run."""
    count = len(case.retrained)
    own = [in_place(case, case.retrained[i], case.retrained_cost[i]) for i in range(count)]
    refs = [judge_reference(suite, own[i], i) for i in range(count)]
    pairs = {(i, j): values for i in range(count) for j, values in judge_pairs(suite, own[i], i).items()}
    return compare(suite, judged or judge(suite, case), refs, judge(suite, in_place(case, case.original, None)), pairs)


def excess(gaps):
    """How many standard errors the mean gap is away from 0; 0 where all gaps are rounding."""
    error = np.std(gaps, ddof=1) / math.sqrt(len(gaps))
    return 0.0 if np.abs(gaps).max() < 1e-9 else abs(np.mean(gaps)) / error


def collected(suite, make_world, scenario, count, judged=None, worlds=WORLDS):
    """Comparisons of an exact method by key, in independent worlds."""
    found = {}
    for seed in range(worlds):
        world = make_world(scenario, 100 * count + seed)
        case = world.case(world.model(), count)
        for key, entry in compared(suite, case, judged and judged(suite, case)).items():
            if entry.gap is not None:
                found.setdefault(key, []).append(entry)
    return {key: entries for key, entries in found.items() if len(entries) > worlds / 2}


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "count"), [("class", 2), ("sample", 3)])
def test_an_exact_method_cannot_be_told_from_retraining(suite, make_world, scenario, count):
    found = collected(suite, make_world, scenario, count)
    assert len(found) > 60
    # Of about 70 keys with 15 degrees of freedom, one test in 200 would pass this limit by chance.
    apart = {key: excess([entry.gap for entry in entries]) for key, entries in found.items()}
    assert {key: errors for key, errors in apart.items() if errors > 5} == {}
    for key, entries in found.items():
        # An attack at chance says nothing of a model: where fewer than two are left there is no yardstick either.
        assert all(entry.floor is not None or entry.ref_std is None for entry in entries), key


@pytest.mark.slow
def test_facing_one_reference_more_would_show(suite, make_world):
    # What a comparison against all K would make of the same exact method: nearer than retraining to retraining.
    alone = {"average_gap": suite["average_gap"]}
    nearer = collected(alone, make_world, "sample", 2, measure, worlds=120)["agg/avg_gap_acc"]
    assert np.mean([e.value for e in nearer]) / np.mean([e.ref for e in nearer]) == pytest.approx(0.87, abs=0.06)
    fair = collected(alone, make_world, "sample", 2, worlds=120)["agg/avg_gap_acc"]
    assert np.mean([e.value for e in fair]) / np.mean([e.ref for e in fair]) == pytest.approx(1, abs=0.06)
