import pytest
import torch
from torch.nn import functional as F

from cu.engine.numerics import gradients
from cu.engine.numerics.gradients import flat, mean_gradient, sample_gradients
from cu.methods import influence
from cu.methods.influence import Influence, SampleGradients, official, woodbury


def method(solver="woodbury", scale=0.0, samples=40, damping=1e-3):
    return Influence(solver=solver, scale=scale, samples=samples, damping=damping)


class Rows:
    """A matrix in blocks of at most three rows, as `SampleGradients` gives them."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __len__(self):
        return len(self.matrix)

    def blocks(self, stop=None):
        return [p for p in torch.arange(len(self)).split(3) if stop is None or p[0] < stop]

    def block(self, positions):
        return self.matrix[positions]


@pytest.fixture
def problem():
    source = torch.Generator().manual_seed(0)
    return torch.randn(8, 20, generator=source), torch.randn(20, generator=source)


def test_woodbury_is_the_dense_solution(problem):
    matrix, v = problem
    for damping in (1e-2, 1.0):
        dense = matrix.double().T @ matrix.double() / 8 + damping * torch.eye(20, dtype=torch.double)
        expected = torch.linalg.solve(dense, v.double()).float()
        torch.testing.assert_close(woodbury(Rows(matrix), v, damping), expected, atol=1e-3, rtol=1e-3)


def test_official_is_the_recursion_written_out_and_stays_on_the_first_gradients_line(problem):
    matrix, v = problem
    k, o, n = v.double().clone(), matrix[0].double().clone(), len(matrix)
    for g in matrix[1:].double():
        t = o @ g
        k = k - (k @ g) / (n + t) * o
        o = o - t / (n + t) * o
    ours = official(Rows(matrix), v)
    torch.testing.assert_close(ours, k.float(), atol=1e-5, rtol=1e-4)
    assert F.cosine_similarity(ours - v, matrix[0], dim=0).abs().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("numbers", [1, 10**9])
def test_blocks_of_sample_gradients_do_not_depend_on_their_size(original, toy_data, make_run, monkeypatch, numbers):
    monkeypatch.setattr(gradients, "MOST_NUMBERS", numbers)
    split = toy_data.train.subset(torch.arange(6))
    rows = SampleGradients(original, split, make_run())
    whole = flat(sample_gradients(original, split.eval_view(torch.arange(6)), split.labels), lead=1)
    torch.testing.assert_close(torch.cat([rows.block(p) for p in rows.blocks()]), whole, atol=1e-6, rtol=1e-4)
    v = whole.mean(0)
    expected = torch.linalg.solve(whole.T @ whole / 6 + 0.1 * torch.eye(len(v)), v)
    torch.testing.assert_close(woodbury(rows, v, 0.1), expected, atol=1e-4, rtol=1e-3)


def test_the_difference_is_the_weighted_sum_of_sample_gradients(original, toy_tasks, make_run):
    task = toy_tasks["sample"]
    forget, retain = (
        flat(sample_gradients(original, s.eval_view(torch.arange(len(s))), s.labels), lead=1).double()
        for s in (task.forget, task.retain)
    )
    n_f, n_r = len(forget), len(retain)
    expected = forget.sum(0) / (n_f + n_r) - n_f / ((n_f + n_r) * n_r) * retain.sum(0)
    torch.testing.assert_close(method().difference(original, task, make_run()).double(), expected, atol=1e-6, rtol=1e-3)


def test_fewer_retain_samples_than_asked_for_are_all_of_them(original, toy_tasks, make_run, monkeypatch):
    """n is how many there are, where the released code has 1,000 in any case."""
    task, seen, real = toy_tasks["sample"], [], influence.official
    monkeypatch.setattr(influence, "official", lambda rows, v: seen.append(len(rows)) or real(rows, v))
    method("official", scale=1.0, samples=1000).unlearn(original, task, make_run())
    assert seen == [len(task.retain)]


@pytest.mark.parametrize("solver", ["official", "woodbury"])
def test_scale_0_is_the_identity_and_more_ascends_the_forget_loss(
    original, toy_tasks, make_run, same_weights, hardware, solver
):
    task, run = toy_tasks["class"], make_run()
    assert same_weights(method(solver).unlearn(original, task, make_run()), original)
    with run.ledger.running():
        model = method(solver, scale=1e-2).unlearn(original, task, run)
    step = flat(dict(model.named_parameters())) - flat(dict(original.named_parameters()))
    assert step @ flat(mean_gradient(original, task.forget, hardware)) > 0
    assert run.ledger.seconds["prep"] > 0


def test_official_is_nearly_the_difference_itself_and_woodbury_is_not(original, toy_tasks, make_run, monkeypatch):
    steps = {}
    for solver in ("official", "woodbury"):
        real = getattr(influence, solver)
        monkeypatch.setattr(influence, solver, lambda *a, real=real, solver=solver: steps.setdefault(solver, real(*a)))
        method(solver, scale=1.0).unlearn(original, toy_tasks["class"], make_run())
    v = method().difference(original, toy_tasks["class"], make_run())
    assert F.cosine_similarity(steps["official"], v, dim=0) > 0.95
    assert F.cosine_similarity(steps["woodbury"], v, dim=0) < 0.95
