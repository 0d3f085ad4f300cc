import json
import os
import pickle
import shutil
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import check_components
from cu.config.folder import config_folder
from cu.config.parse import parse
from cu.config.schema import EvaluateConfig
from cu.engine.outputs import logits_of
from cu.errors import ConfigError
from cu.experiment.reevaluate import evaluate_again
from cu.experiment.selection import Selection
from cu.jobs.job import work
from cu.store.outputs import load_scores, save_scores
from cu.store.plan import plan_unlearning

TINY = ["dataset.train_size=200", "model.width=2", "recipe.epochs=1", "tracking=none", "evaluation=paper"]
CALIBRATION = {"_target_": "cu.metrics.accuracy.calibration.calibration", "_partial_": True, "bins": 15}
COUNTS = ("evaluated", "already evaluated", "not possible")
pytestmark = pytest.mark.slow


def composed(name, *overrides):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return OmegaConf.to_container(compose(name, ["hardware.num_threads=1", *overrides]), resolve=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Three finished runs: two methods on a class with two retrained models each, one method on samples."""
    outputs = tmp_path_factory.mktemp("finished") / "outputs"
    jobs = [("original", "class", 2), ("logit_mask", "class", 2), ("original", "sample", 1)]
    for method, scenario, k in jobs:
        chosen = [f"method={method}", f"scenario={scenario}", f"reference.k={k}", f"paths.outputs={outputs}"]
        extra = ["scenario.count=20"] if scenario == "sample" else []
        config = composed("unlearn", *TINY, *chosen, *extra)
        names = {"dataset": "digits", "model": "slim", "recipe": "short", "scenario": scenario, "method": method}
        assert work(plan_unlearning(config, names))[0] == "finished"
    return outputs


@pytest.fixture
def outputs(finished, tmp_path):
    """A copy of the finished runs. Whatever a test does to it, nothing is trained and nothing forgets."""
    outputs = shutil.copytree(finished, tmp_path / "outputs")
    before = made(outputs)
    yield outputs
    assert made(outputs).items() <= before.items()


def made(outputs):
    """When the files were written that only training and forgetting write."""
    names = ("model.safetensors", "model.json", "metrics.jsonl", "checkpoint.pt", "cost.json")
    return {path: path.stat().st_mtime_ns for path in outputs.rglob("*") if path.name in names}


@pytest.fixture
def again(outputs):
    """`(config=None, **settings) -> (counts, lines)`, by the suite of the runs and calibration."""

    def evaluate(metrics=None, **select):
        config = composed("evaluate", "evaluation=paper", f"paths.outputs={outputs}")
        config["evaluation"]["metrics"] |= {"calibration": CALIBRATION} if metrics is None else metrics
        config["select"] |= select.pop("select", {})
        config |= select
        parsed = parse(EvaluateConfig, config)
        check_components(parsed)
        lines = []
        endings = evaluate_again(parsed, lines.append)
        return tuple(endings[ending] for ending in COUNTS), lines

    return evaluate


def results(outputs):
    return {path: json.loads(path.read_text()) for path in sorted(outputs.glob("runs/**/result.json"))}


def contents(outputs):
    kept = ("judged", "predictions-fp32.npz", ".lock", "result.json")
    return {p: p.read_bytes() for p in outputs.rglob("*") if p.is_file() and not set(kept) & {p.name, p.parent.name}}


def test_a_metric_more_changes_only_metrics_and_the_suite(outputs, again):
    before, files = results(outputs), contents(outputs)
    assert again() == ((3, 0, 0), [])
    for path, result in results(outputs).items():
        old = deepcopy(before[path])
        assert result.pop("evaluation_id") != old.pop("evaluation_id")
        found, known = result.pop("metrics"), old.pop("metrics")
        assert result == old
        assert {key: found[key] for key in known} == known
        assert {key.split("/")[0] for key in found.keys() - known.keys()} == {"calib"}
        assert all(entry["ref"] is not None for key, entry in found.items() if key.startswith("calib/retain_test"))
    assert contents(outputs) == files
    assert not list(outputs.rglob("*.tmp"))


def test_what_is_evaluated_is_left_alone_unless_asked(outputs, again):
    assert again({})[0] == (0, 3, 0)
    before = results(outputs)
    assert again({}, resume="rerun")[0] == (3, 0, 0)
    assert results(outputs) == before
    assert again()[0] == (3, 0, 0)
    assert again()[0] == (0, 3, 0)


def test_a_new_unlearning_job_accepts_the_evaluation(outputs, again):
    assert again({"calibration": CALIBRATION})[0] == (3, 0, 0)
    config = composed(
        "unlearn", *TINY, "method=original", "reference.k=2", f"paths.outputs={outputs}", "scenario=class"
    )
    config["evaluation"]["metrics"]["calibration"] = CALIBRATION
    names = {"dataset": "digits", "model": "slim", "recipe": "short", "scenario": "class", "method": "original"}
    state, result = work(plan_unlearning(config, names))
    assert state == "already finished"
    assert "calib/retain_test_ece" in result.metrics


@pytest.mark.parametrize(
    ("select", "count"),
    [
        ({"methods": ["original"]}, 2),
        ({"scenarios": ["class"]}, 2),
        ({"methods": ["original"], "scenarios": ["class"]}, 1),
        ({"datasets": ["digits"], "models": ["slim"], "seeds": [0]}, 3),
    ],
)
def test_filters(again, select, count):
    assert again(select=select)[0] == (count, 0, 0)


def test_what_a_run_of_an_earlier_version_lacks_is_one_line_and_the_rest_is_evaluated(outputs, again):
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    result = json.loads((folder / "result.json").read_text())
    result["cost"] = {k: v for k, v in result["cost"].items() if k not in ("flops", "retrain_seconds_per_sample")}
    (folder / "result.json").write_text(json.dumps(result))
    counts, (line,) = again()
    assert counts == (3, 0, 0)
    assert str(folder) in line
    assert "no FLOPs" in line
    assert "no speed-up" in line
    metrics = json.loads((folder / "result.json").read_text())["metrics"]
    assert metrics["eff/speedup_vs_retrain"]["value"] is metrics["eff/flops"]["value"] is None
    assert metrics["eff/samples_seen_retain"]["value"] is not None


def test_a_formula_of_an_earlier_version_is_evaluated_again(outputs, again):
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    result = json.loads((folder / "result.json").read_text())
    result["metrics"]["forget_test_acc"]["version"] = 0
    (folder / "result.json").write_text(json.dumps(result))
    assert again({})[0] == (1, 2, 0)


def test_a_filter_that_finds_nothing_says_what_there_is(again, tmp_path):
    with pytest.raises(ConfigError, match=r"^select\.methods: no finished run of salun; there are .* original$"):
        again(select={"methods": ["original", "salun"]})
    with pytest.raises(ConfigError, match=r"^select\.seeds: no finished run of 7; there are runs of 0$"):
        again(select={"seeds": [0, 7]})
    with pytest.raises(ConfigError, match=r"^select\.methods: no finished run of nothing; there are runs of "):
        again(select={"methods": []})
    with pytest.raises(ConfigError, match=r"^no finished run below paths\.outputs=.*make some with cu-unlearn"):
        Selection(datasets=None, models=None, scenarios=None, methods=None, seeds=None).runs(tmp_path / "nowhere")


def test_outputs_of_models_suffice_without_their_weights(outputs, again):
    for weights in outputs.glob("models/*/model.safetensors"):
        weights.unlink()
    assert again() == ((3, 0, 0), [])


def test_weights_suffice_without_outputs(outputs, again):
    before = results(outputs)
    for scores in outputs.glob("models/*/predictions-*.npz"):
        scores.unlink()
    assert again()[0] == (3, 0, 0)
    for path, result in results(outputs).items():
        for key, entry in before[path]["metrics"].items():
            for part in ("value", "ref", "original"):
                known, found = entry[part], result["metrics"][key][part]
                assert known is found is None or np.isclose(known, found, atol=1e-6)


def test_each_thing_that_is_missing_gets_one_line_and_the_rest_goes_on(outputs, again):
    for path, result in results(outputs).items():
        if result["names"]["method"] == "logit_mask":
            (path.parent / "predictions.npz").unlink()
        elif result["scenario"] == "sample":
            shutil.rmtree(outputs / "models" / result["models"]["retrained"][0])
    before = results(outputs)
    counts, lines = again()
    assert counts == (1, 0, 2)
    assert sorted(line.split(": ")[0] for line in lines) == ["not possible"] * 2
    assert sum("predictions.npz is missing" in line for line in lines) == 1
    assert sum(line.endswith("is gone") for line in lines) == 1
    assert sum(before[path] != result for path, result in results(outputs).items()) == 1


def test_neither_weights_nor_outputs(outputs, again):
    for folder in (outputs / "models").iterdir():
        (folder / "model.safetensors").unlink()
        (folder / "predictions-fp32.npz").unlink()
    counts, lines = again()
    assert counts == (0, 0, 3)
    assert all("are gone or damaged" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "text"), [("config.yaml", ""), ("config.yaml", "seed: 0\n"), ("result.json", "{"), ("predictions.npz", "")]
)
def test_damage_is_one_line(outputs, again, name, text):
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    (folder / name).write_text(text)
    counts, (line,) = again(resume="rerun")
    assert counts == (2, 0, 1)
    assert name in line


def test_runs_that_did_not_finish_are_not_meant(outputs, again):
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    (folder / "status.json").write_text('{"state": "failed"}')
    (folder.parent / "empty").mkdir()
    assert again()[0] == (2, 0, 0)


def test_other_forget_samples_than_then_are_noticed(outputs, again):
    (config,) = outputs.glob("runs/*/*/sample/original/*/config.yaml")
    config.write_text(config.read_text().replace("forget_seed: 0", "forget_seed: 1"))
    counts, (line,) = again()
    assert counts == (2, 0, 1)
    assert "other forget samples" in line


def test_a_run_without_retrained_models_is_held_to_its_own_list(tmp_path):
    words = ["method=original", "scenario=sample", "scenario.count=20", "reference.k=0", f"paths.outputs={tmp_path}"]
    names = {"dataset": "digits", "model": "slim", "recipe": "short", "scenario": "sample", "method": "original"}
    assert work(plan_unlearning(composed("unlearn", *TINY, *words), names))[0] == "finished"
    again = parse(EvaluateConfig, composed("evaluate", "evaluation=paper", "resume=rerun", f"paths.outputs={tmp_path}"))
    lines = []
    assert evaluate_again(again, lines.append)["evaluated"] == 1
    (config,) = tmp_path.glob("runs/*/*/*/*/*/config.yaml")
    before = [config.with_name(name).read_bytes() for name in ("result.json", "forget_ids.csv")]
    config.write_text(config.read_text().replace("forget_seed: 0", "forget_seed: 1"))
    assert evaluate_again(again, lines.append)["not possible"] == 1
    assert "other forget samples" in lines[-1]
    assert [config.with_name(name).read_bytes() for name in ("result.json", "forget_ids.csv")] == before


def test_suites_that_would_train_are_refused(outputs):
    config = composed("evaluate", "evaluation=extended", f"paths.outputs={outputs}")
    with pytest.raises(ConfigError, match=r"evaluation=extended has audits .* cu-unlearn conducts them"):
        evaluate_again(parse(EvaluateConfig, config), print)


def command(*words):
    return subprocess.run([sys.executable, "-m", "cu", "evaluate", *words], capture_output=True, text=True)


def test_the_command_counts_and_its_exit_code_tells(outputs):
    (scores,) = outputs.glob("runs/*/*/class/logit_mask/*/predictions.npz")
    scores.unlink()
    metric = [f"+evaluation.metrics.calibration.{key}={value}" for key, value in CALIBRATION.items()]
    done = command("evaluation=paper", f"paths.outputs={outputs}", "hardware.num_threads=1", *metric)
    assert (done.returncode, done.stdout) == (1, "2 evaluated, 0 already evaluated, 1 not possible\n")
    assert sum("not possible" in line for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    wrong = command(f"paths.outputs={outputs}", "evaluation.metrics.calibration.bins=0")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: evaluation.metrics.calibration.bins")


PAYLOADS = (
    ("scenario", {"_target_": "joblib.load", "filename": "{payload}"}),
    ("scenario", {"_target_": "torch.load", "f": "{payload}", "weights_only": False}),
    ("dataset", {"_target_": "cu.disk.files.write_text", "path": "{made}", "text": "x"}),
    ("recipe", {"_target_": "subprocess.getoutput", "cmd": "touch {made}"}),
    ("method", {"_target_": "os.system", "command": "touch {made}"}),
    (
        "model",
        {
            "_target_": "cu.models.user.UserModel",
            "factory": "subprocess:getoutput",
            "settings": {"cmd": "touch {made}"},
        },
    ),
    (
        "dataset",
        {"_target_": "cu.data.datasets.digits.Digits", "mean": {"_target_": "os.system", "command": "touch {made}"}},
    ),
)


@pytest.mark.parametrize(("group", "node"), PAYLOADS)
@pytest.mark.parametrize("trust", [[], ["*"]])
def test_a_record_is_data_and_never_run(outputs, again, tmp_path, group, node, trust):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(made),)

    made, payload = tmp_path / "made", tmp_path / "payload"
    payload.write_bytes(pickle.dumps(Payload()))
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    config = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    filled = json.loads(json.dumps(node).replace("{payload}", str(payload)).replace("{made}", str(made)))
    config[group] = {"head": "fc", "checkpoint": None, **filled} if group == "model" else filled
    config["trust"] = ["subprocess", "os", "joblib", "torch", "cu"]  # what a record trusts counts for nothing
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    for scores in outputs.glob("models/*/predictions-*.npz"):
        scores.unlink()
    counts, lines = again(resume="rerun", trust=trust)
    assert not made.exists()
    assert counts == (2, 0, 1)
    assert len(lines) == 1


def test_what_needs_embeddings_is_not_judged_from_logits_alone(outputs, again):
    (folder,) = outputs.glob("runs/*/*/class/logit_mask/*")
    arrays = load_scores(folder / "predictions.npz")
    save_scores(folder / "predictions.npz", logits_of(arrays))
    before = results(outputs)
    probe = {"_target_": "cu.metrics.representation.neural_collapse.collapse", "_partial_": True}
    counts, (line,) = again({"collapse": probe}, resume="rerun")
    assert counts == (2, 0, 1)
    assert "evaluation.keep=logits" in line
    path = folder / "result.json"
    assert results(outputs)[path] == before[path]
    assert again(resume="rerun") == ((3, 0, 0), [])
