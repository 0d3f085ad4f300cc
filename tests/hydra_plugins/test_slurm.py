import pytest

from cu.errors import ConfigError
from hydra_plugins.cu_slurm._endings import why
from hydra_plugins.cu_slurm._queue import Entry, minutes, require_partition
from hydra_plugins.cu_slurm._settings import checked

GIVEN = {
    **{"partition": None, "account": None, "timeout_min": 60, "cpus_per_task": 1, "mem_gb": 2, "gpus_per_node": None},
    **{"array_parallelism": 2, "max_num_timeout": 3, "signal_delay_s": 60, "poll_seconds": 1, "options": []},
}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("2:00", 2), ("1:30:00", 90), ("2-00:00:30", 2880.5), ("infinite", float("inf")), ("n/a", float("inf"))],
)
def test_time_limits_are_read_as_slurm_writes_them(limit, expected):
    assert minutes(limit) == expected


def test_a_partition_that_cannot_take_the_jobs_is_named():
    known = {"cpu": ("up", "infinite"), "short": ("up", "2:00"), "old": ("down", "infinite")}
    settings = checked(GIVEN)
    require_partition(settings, "cpu", known)
    require_partition(settings, "short,cpu", known)
    for name, message in {
        "gpu": "partition=gpu does not exist: Slurm has cpu, short, old",
        "short": r"timeout_min=60 is more than partition short allows \(2:00\)",
        "old": "partition=old is down",
        None: "partition must be given",
    }.items():
        with pytest.raises(ConfigError, match=message):
            require_partition(settings, name, known)


def test_what_ended_a_job_is_put_into_words(tmp_path):
    log, settings = tmp_path / "0.log", checked(GIVEN)
    assert why(None, settings, log) == ("preempted", "cancelled in Slurm before it began")
    log.write_text("warning: x\nerror: node7 cannot enter /home/me\n")
    assert why(None, settings, log) == ("failed", "gone from Slurm's queue without a word")
    for state, status, expected in (
        ("CANCELLED", 15, ("preempted", "cancelled in Slurm")),
        ("OUT_OF_MEMORY", 9, ("failed", "out of memory (hydra.launcher.mem_gb=2)")),
        ("TIMEOUT", 0, ("preempted", "out of time (hydra.launcher.timeout_min=60)")),
        ("NODE_FAIL", 0, ("preempted", "its node failed")),
        ("FAILED", 124 << 8, ("preempted", "out of time (hydra.launcher.timeout_min=60), 3 times queued again")),
        ("FAILED", 1 << 8, ("failed", "node7 cannot enter /home/me")),
    ):
        assert why(Entry(state, status, ""), settings, log) == expected
    log.write_text("")
    assert why(Entry("FAILED", 9, ""), settings, log)[1].startswith("killed by signal 9 (SIGKILL)")


def test_without_slurm_s_commands_it_is_one_line(command, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = command("unlearn", "-m", "hydra/launcher=slurm", f"paths.outputs={tmp_path / 'o'}", "seed=0,1")
    assert (ended.code, len(ended.err)) == (2, 1)
    assert ended.err[0].startswith("error: hydra/launcher=slurm needs Slurm's commands, and there is no sbatch: ")


def test_a_misspelt_setting_of_a_launcher_names_the_right_one(command, tmp_path):
    for launcher, wrong, right in (("slurm", "partitoin", "partition"), ("pool", "n_job", "n_jobs")):
        words = [f"hydra/launcher={launcher}", f"hydra.launcher.{wrong}=1", f"paths.outputs={tmp_path}", "seed=0,1"]
        ended = command("unlearn", "-m", *words)
        assert (ended.code, len(ended.err)) == (2, 1)
        hint = f"'hydra.launcher.{wrong}' is not a setting: did you mean 'hydra.launcher.{right}'? "
        assert ended.err[0].startswith(f"error: {hint}")
