"""What a sweep refuses before any of its jobs begins, although only one job of each kind is composed beforehand."""

import pytest
from hydra import compose, initialize_config_dir

from cu.config.folder import config_folder
from hydra_plugins.cu_grid.sweeper import GridSweeper

MISTAKES = {
    "a key that no job has": (["method=finetune", "metod_seed=0,1"], "metod_seed"),
    "an option that is not there, in a later job": (["method=finetune,fintune", "method_seed=0,1"], "fintune"),
    "a key that only the first method has": (
        ["method=contrastive,finetune", "method.temperature=0.1,0.3"],
        "temperature",
    ),
    "an option of a later data set": (["dataset=digits,digts", "seed=0,1"], "digts"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_of_any_kind_of_job_is_found_before_the_first_one(command, tiny, tmp_path, what):
    words, named = MISTAKES[what]
    own = [word for word in tiny if not word.startswith("method")]
    ended = command("unlearn", "-m", *own, *words, f"paths.outputs={tmp_path / 'o'}")
    assert ended.code == 2
    (line,) = [line for line in ended.err if line.startswith("error: ")]
    assert named in line
    assert not list(tmp_path.glob("o/runs"))


def test_jobs_that_differ_in_values_alone_are_of_one_kind(monkeypatch):
    composed = []

    class Loader:
        def get_group_options(self, group):
            return ["finetune", "contrastive"] if group == "method" else []

        def load_sweep_config(self, master_config, sweep_overrides):
            composed.append(sweep_overrides)

    sweeper = GridSweeper(max_batch_size=None)
    sweeper.config = {}
    sweeper.hydra_context = type("Context", (), {"config_loader": Loader()})()
    jobs = [[f"method={method}", f"seed={seed}", "+x=1"] for method in ("finetune", "contrastive") for seed in range(9)]
    sweeper.validate_batch_is_legal(jobs)
    assert sorted(words[0] for words in composed) == ["method=contrastive", "method=finetune"]


def test_it_is_the_sweeper_of_every_command():
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        for name in ("unlearn", "train", "evaluate", "report"):
            sweeper = compose(name, return_hydra_config=True).hydra.sweeper
            assert sweeper["_target_"] == "hydra_plugins.cu_grid.sweeper.GridSweeper"


def test_configs_of_another_program_in_the_same_process_have_hydras_own(tmp_path):
    (tmp_path / "other.yaml").write_text("x: 1\n")
    for folder, name, ours in ((config_folder(), "unlearn", True), (tmp_path, "other", False)) * 2:
        with initialize_config_dir(str(folder), version_base="1.3"):
            target = compose(name, return_hydra_config=True).hydra.sweeper["_target_"]
        assert target.endswith(".GridSweeper" if ours else ".BasicSweeper")
