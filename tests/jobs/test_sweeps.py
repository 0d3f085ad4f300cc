import importlib.util
import json
import re
import shutil
import signal
from collections import Counter

import pytest
from hydra.core.config_store import ConfigStore

from cu.jobs.sweep_status import exit_code, note, note_running, summary, tally

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
    assert ended.err == [
        "error: 'method.omega' is not a setting of every option that is swept over: method=finetune does not have it; "
        "sweep over the others"
    ]


def test_the_switch_may_stand_anywhere(command, tmp_path):
    ended = command("unlearn", "seed=x,y", "-m", f"paths.outputs={tmp_path}")
    assert counts(ended) == {"failed": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "said"),
    [("joblib", "error: #1 method.recipe.epochs must be"), ("pool", "#1 failed, ")],
)
def test_parallel_jobs_give_the_same_numbers_and_are_counted(start, tiny, finished, results, tmp_path, launcher, said):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ["-m", *tiny, f"paths.outputs={tmp_path}", "method.recipe.epochs=1,-1", f"hydra/launcher={launcher}"]
    process = start("unlearn", *words, "hydra.launcher.n_jobs=2")
    errors = process.communicate(timeout=240)[1].splitlines()
    assert process.returncode == 1
    assert counts(Lines(errors)) == {"finished": 1, "failed": 1}
    assert sum(said in line and "method.recipe.epochs must be" in line for line in errors) == 1
    assert results(tmp_path) == results(finished)


KILL_ONE = """
import os, signal
from cu.methods.finetune import FineTune
whole = FineTune.unlearn
def dying(self, model, task, run):
    if run.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, model, task, run)
FineTune.unlearn = dying
"""


@pytest.mark.slow
def test_a_pool_survives_a_kill_and_typing_it_again_does_what_is_left(start, command, tiny, results, outputs, tmp_path):
    (tmp_path / "killing.py").write_text(KILL_ONE, encoding="utf-8")
    seeds = ["method_seed=0,1,2", f"paths.outputs={outputs}"]
    pool = ["hydra/launcher=pool", "hydra.launcher.n_jobs=2", "hydra.launcher.preload=[killing]"]
    process = start("unlearn", "-m", *tiny, *seeds, *pool, path=(tmp_path,))
    errors = process.communicate(timeout=240)[1].splitlines()
    assert process.returncode == 1
    assert counts(Lines(errors)) == {"finished": 2, "failed": 1}
    states = [json.loads(p.read_text()) for p in outputs.glob("runs/*/*/*/*/*/status.json")]
    (dead,) = [status for status in states if status["state"] != "finished"]
    assert (dead["state"], dead["error"]) == ("failed", "killed by signal 9 (SIGKILL), perhaps for lack of memory")
    again = command("unlearn", "-m", *tiny, *seeds)
    assert (again.code, counts(again)) == (0, {"finished": 1, "already finished": 2})
    mixed = results(outputs)
    shutil.rmtree(outputs / "runs")
    assert command("unlearn", "-m", *tiny, *seeds).code == 0
    assert len(mixed) == 3
    assert mixed == results(outputs)


@pytest.mark.slow
def test_without_a_pool_a_hard_crash_ends_the_sweep_and_typing_it_again_goes_on(start, command, tiny, outputs):
    words = ["-m", *tiny, "method_seed=0,1,2", f"paths.outputs={outputs}"]
    process = start("unlearn", *words, prelude=KILL_ONE)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    notes = [json.loads(path.read_text())["state"] for path in sorted(outputs.glob("sweeps/*/?.json"))]
    assert notes == ["finished", "running"]
    again = command("unlearn", *words)
    assert (again.code, counts(again)) == (0, {"finished": 2, "already finished": 1})


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


def test_a_method_that_is_not_meant_for_a_scenario_is_skipped(command, tiny, outputs):
    words = ["-m", *tiny, f"paths.outputs={outputs}", "scenario=sample", "scenario.count=20", "reference.k=0"]
    words = [word for word in words if word != "method.recipe.epochs=1"]
    ended = command("unlearn", *words, "method=original,unsir")
    assert (ended.code, counts(ended)) == (0, {"finished": 1, "skipped": 1})
    assert "skipped: #1 method=unsir is meant for class scenarios, not for scenario=sample" in ended.err
    assert not list(outputs.glob("runs/*/*/*/unsir/*"))  # no report shows a hole for it
    assert command("unlearn", *words, "method=unsir").code == 2


@pytest.mark.parametrize(
    ("words", "planned"),
    [
        (["seed=range(0,3)", "forget_seed=1,2"], 6),
        (["method=glob(neggrad*)", "seed=0,1"], 2),
        (["seed=0,1", "seed=5"], 1),
        (["scenario.classes=[1,2],[3]"], 2),
    ],
)
def test_the_number_of_jobs_is_known_before_they_run(command, tmp_path, monkeypatch, words, planned):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("cu.cli.commands.work", stop)
    ended = command("unlearn", "-m", f"paths.outputs={tmp_path}", *words)
    assert ended.code == 130
    left = {"missing": planned - 1} if planned > 1 else {}
    assert counts(ended) == {"preempted": 1, **left}


def test_jobs_without_a_last_note_are_missing(tmp_path):
    assert tally(tmp_path, 3) == Counter()
    note(tmp_path, 0, "finished", {})
    note_running(tmp_path, 1, [], tmp_path)
    assert tally(tmp_path, 5) == Counter(finished=1, missing=4)
    assert tally(tmp_path, None) == Counter(finished=1, missing=1)
    assert exit_code(tally(tmp_path, 5)) == 1
    assert summary(tally(tmp_path, 5)).startswith("sweep of 5: 1 finished, ")
    note(tmp_path, 1, "already finished", {})
    assert exit_code(tally(tmp_path, 2)) == 0


def test_a_plugin_that_is_not_installed_is_one_line(command, tmp_path, monkeypatch):
    from hydra.core.plugins import Plugins

    Plugins.instance()  # they register their options when Hydra first looks for them
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], "joblib.yaml", raising=False)
    ended = command("unlearn", "-m", "hydra/launcher=joblib", f"paths.outputs={tmp_path}", "seed=0,1")
    assert ended.code == 2
    assert ended.err == ["error: hydra/launcher/joblib needs the extra 'joblib': pip install hydra-joblib-launcher"]


@pytest.mark.parametrize(("choice", "extra"), [("hydra/launcher=ray", "ray"), ("experiment=tune", "optuna")])
def test_a_library_that_is_not_installed_is_one_line(command, tmp_path, monkeypatch, choice, extra):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == extra else find(name, *rest))
    ended = command("unlearn", "-m", choice, f"paths.outputs={tmp_path}", "seed=0,1")
    assert (ended.code, len(ended.err)) == (2, 1)
    assert ended.err[0].endswith(f"needs the extra {extra!r}: pip install {extra}")


@pytest.mark.slow
def test_a_search_skips_what_diverges_and_tries_no_point_twice(start, tiny, outputs):
    pytest.importorskip("optuna")
    own = [word for word in tiny if word != "evaluation=paper"]
    space = ["hydra.sweeper.params=null", "method.recipe.optimizer.lr=choice(0.01,1e30)", "hydra.sweeper.n_trials=4"]
    endings = []
    for _ in range(2):
        process = start("unlearn", "-m", "experiment=tune", *own, *space, f"paths.outputs={outputs}")
        errors = process.communicate(timeout=240)[1].splitlines()
        endings.append((process.returncode, errors))
        assert not any("Traceback" in line for line in errors)
        assert "every point of the space was tried" in errors
    (first, said), (second, again) = endings
    assert (first, counts(Lines(said))) == (1, {"finished": 1, "diverged": 1})
    assert (second, sum(": 2 of 4 trials done; " in line for line in again)) == (0, 1)
    best = [path.read_text() for path in sorted(outputs.glob("sweeps/*/optimization_results.yaml"))]
    assert best[0] == best[1]
    assert "method.recipe.optimizer.lr: '0.01'" in best[0]
