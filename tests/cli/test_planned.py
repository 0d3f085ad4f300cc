import re

import pytest

from cu.cli.planned import duration, size


def said(ended, word):
    """The line of a plan that begins with a word."""
    return next(line for line in ended.out.splitlines() if line.startswith(word))


def written(folder):
    """Every file below a folder with its bytes."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_plan_says_what_would_be_done_and_does_nothing(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["-m", *tiny, "paths.outputs=outputs", "plan=true", "reference.k=2", "seed=0,1", "method=finetune,retrain"]
    words.remove("method=finetune")
    words.remove("method.recipe.epochs=1")
    ended = command("unlearn", *words)
    assert (ended.code, ended.err) == (0, [])
    assert said(ended, "Jobs").split()[1:] == ["4:", "4", "to", "do"]
    # Two seeds share nothing; two methods of one seed share the original and both references.
    assert said(ended, "Trainings").split("once: ")[1] == (
        "2 original (0 there), 4 retrained (0 there), 2 by method=retrain (0 there)"
    )
    assert "guess" in ended.out
    assert written(tmp_path) == {}


def test_what_is_there_is_not_planned_again_and_speed_is_measured(command, tiny, finished):
    before = written(finished)
    own = [*tiny, f"paths.outputs={finished}"]
    done = command("unlearn", *own, "plan=true")
    assert "1 finished, 0 to do" in said(done, "Jobs")
    assert said(done, "Trainings") == "Trainings  none"
    ended = command("unlearn", "-m", *own, "plan=true", "method_seed=0,1,2")
    assert "3: 1 finished, 2 to do" in said(ended, "Jobs")
    assert "1 original (1 there), 1 retrained (1 there)" in said(ended, "Trainings")
    assert re.search(r"measured by 2 earlier trainings", ended.out)
    assert "without the metrics" not in ended.out  # the finished run has timed them
    assert written(finished) == before


def test_the_bytes_told_are_near_those_that_a_run_writes(command, tiny, finished):
    models = [path for path in finished.glob("models/*/*") if path.suffix in (".safetensors", ".npz")]
    real = sum(path.stat().st_size for path in models + list(finished.glob("runs/*/*/*/*/*/predictions.npz")))
    ended = command("unlearn", *tiny, "paths.outputs=elsewhere", "plan=true")
    number, unit = re.search(r"about (\S+) (\w+)", said(ended, "Disk")).groups()
    told = float(number) * {"kB": 1e3, "MB": 1e6}[unit]
    assert told == pytest.approx(real, rel=0.4)  # embeddings of a network this poor are kept in float32, not float16


def test_data_that_is_missing_and_settings_that_cannot_be_are_said(command, tmp_path):
    words = [f"paths.outputs={tmp_path / 'o'}", f"paths.data={tmp_path / 'd'}", "plan=1e12"]
    ended = command(
        "unlearn", "-m", *words, "dataset=svhn", "dataset.download=false", "method=unsir", "scenario=class,sample"
    )
    assert ended.code == 0
    assert "svhn: 2 files are missing" in said(ended, "Data")
    assert "dataset.download=false" in said(ended, "Data")
    assert "1.0e+12 operations per second, as plan= says" in ended.out
    wrong = command("unlearn", *words, "recipe.epochs=-1")
    assert wrong.code == 2
    assert wrong.err == ["error: recipe.epochs must be greater than or equal to 0, got -1"]
    assert wrong.out == ""


def test_trainings_of_audits_are_counted(command, tiny, tmp_path):
    words = [f"paths.outputs={tmp_path}", "plan=true", "evaluation=extended", "evaluation.audits.ensembles=null"]
    told = command("unlearn", *[word for word in tiny if word != "evaluation=paper"], *words)
    # Shadows of a class scenario: 16 retrained worlds, the reference one of them; 8 originals, the run's own one.
    assert "1 original (0 there), 1 retrained (0 there), 22 for audits" in said(told, "Trainings")


def test_durations_and_sizes_read_well():
    assert [duration(s) for s in (0, 90, 150, 8000, 1e6)] == [
        "0 seconds",
        "90 seconds",
        "2.5 minutes",
        "2.2 hours",
        "12 days",
    ]
    assert [size(b) for b in (900, 1.24e6, 2.5e10)] == ["0.9 kB", "1.2 MB", "25 GB"]
