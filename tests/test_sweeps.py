import json
import re
import shutil

import pytest

STATES = ("finished", "already finished", "skipped", "failed", "diverged", "preempted", "missing")


def counts(ended):
    """What the last line says, by state, without zeros; its total is their sum."""
    total, rest = re.fullmatch(r"sweep of (\d+): (.*)", ended.err[-1]).groups()
    found = {state: int(count) for count, state in re.findall(r"(\d+) ([a-z ]+)", rest)}
    assert tuple(found) == STATES
    assert sum(found.values()) == int(total)
    return {state: count for state, count in found.items() if count}


@pytest.fixture
def outputs(finished, tmp_path):
    """The models of the finished run, without the run."""
    shutil.copytree(finished / "models", tmp_path / "outputs" / "models")
    return tmp_path / "outputs"


def test_failing_cells_cost_only_themselves_and_each_is_said(command, tiny, results, outputs):
    words = ["-m", *tiny, f"paths.outputs={outputs}", "method_seed=0,1", "recipe.epochs=2,-1"]
    ended = command("unlearn", *words)
    assert ended.code == 1
    said = [line for line in ended.err if line.startswith("error: ")]
    assert [line.split()[1] for line in said] == ["#2", "#3"]
    assert all("recipe.epochs must be greater than or equal to 0, got -1" in line for line in said)
    assert counts(ended) == {"finished": 2, "failed": 2}
    assert len(results(outputs)) == 2
    again = command("unlearn", *words)
    assert again.code == 1
    assert counts(again) == {"already finished": 2, "failed": 2}


def test_crashed_and_diverged_cells_are_told_apart(command, tiny, outputs, monkeypatch):
    from cu.methods.finetune import FineTune

    unlearn = FineTune.unlearn

    def sometimes(self, model, task, run):
        if run.seed == 1:
            raise OSError("the network drive\nis gone")
        return unlearn(self, model, task, run)

    monkeypatch.setattr(FineTune, "unlearn", sometimes)
    lr = "method.recipe.optimizer.lr=0.01,1e30"
    ended = command("unlearn", "-m", *tiny, f"paths.outputs={outputs}", "method_seed=0,1", lr)
    assert ended.code == 1
    assert counts(ended) == {"finished": 1, "failed": 2, "diverged": 1}
    assert sum(line.startswith("failed: ") and "OSError: the network drive" in line for line in ended.err) == 2
    assert sum(line.startswith("diverged: ") for line in ended.err) == 1
    states = sorted(json.loads(p.read_text())["state"] for p in outputs.glob("runs/*/*/*/*/*/status.json"))
    assert states == ["diverged", "failed", "failed", "finished"]
    notes = [json.loads(path.read_text()) for path in sorted(outputs.glob("sweeps/*/?.json"))]
    assert [n["state"] for n in notes] == ["finished", "diverged", "failed", "failed"]
    assert notes[2]["overrides"][-2:] == ["method_seed=1", "method.recipe.optimizer.lr=0.01"]


def test_a_sweep_of_nothing_but_mistakes_is_a_mistake(command, tmp_path):
    ended = command("unlearn", "-m", f"paths.outputs={tmp_path}", "seed=x,y")
    assert ended.code == 2
    assert counts(ended) == {"failed": 2}


def test_a_misspelt_option_of_a_sweep_is_found_before_anything_runs(command, tmp_path):
    ended = command("unlearn", "-m", f"paths.outputs={tmp_path}", "method=finetune,retrian")
    assert ended.code == 2
    assert len(ended.err) == 1
    assert "method=retrian does not exist: did you mean method=retrain?" in ended.err[0]
    ended = command("unlearn", "-m", f"paths.outputs={tmp_path}", "method=contrastive,finetune", "method.omega=1")
    assert ended.err == ["error: 'method.omega' is not a setting of every option that is swept over"]


def test_the_switch_may_stand_anywhere(command, tmp_path):
    ended = command("unlearn", "seed=x,y", "-m", f"paths.outputs={tmp_path}")
    assert counts(ended) == {"failed": 2}


@pytest.mark.slow
def test_parallel_jobs_give_the_same_numbers_and_are_counted(start, tiny, finished, results, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ["-m", *tiny, f"paths.outputs={tmp_path}", "method.recipe.epochs=1,-1"]
    process = start("unlearn", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    errors = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 1
    assert counts(Lines(errors)) == {"finished": 1, "failed": 1}
    assert sum(line.startswith("error: #1 method.recipe.epochs must be") for line in errors) == 1
    assert results(tmp_path) == results(finished)


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(start, tiny, tmp_path):
    words = ["-m", *tiny, f"paths.outputs={tmp_path}", "method=finetune,random_label"]
    processes = [start("unlearn", *words) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert "".join(errors).count("training the original model") == 1
    assert "".join(errors).count("training the retrained model") == 1
    done = [counts(Lines(text.splitlines())) for text in errors]
    assert sum(d.get("finished", 0) for d in done) == 2
    assert sum(d.get("already finished", 0) for d in done) == 2
    for status in tmp_path.glob("runs/*/*/*/*/*/status.json"):
        assert json.loads(status.read_text())["attempt"] == 1


class Lines:
    """Lines as those of an ended command."""

    def __init__(self, lines):
        self.err = lines
