import pytest

from cu.cli.together import why_not_together
from cu.config.processes import Processes

TWO = Processes(count=2, rank=1, local_rank=1, address="host", port=1)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("unlearn", ["method=finetune"], None),
        ("train", [], None),
        ("unlearn", ["-m", "seed=0,1"], "not a sweep"),
        ("train", ["--multirun"], "not a sweep"),
        ("report", [], "cu-report is the work of one process, not of 2"),
        ("evaluate", ["evaluation=paper"], "cu-evaluate is the work of one process, not of 2"),
    ],
)
def test_several_processes_share_out_one_job_and_nothing_else(name, words, said):
    assert why_not_together(name, words, Processes()) is None
    why = why_not_together(name, words, TWO)
    assert why is None if said is None else said in why


def test_the_command_says_it_once_and_ends(command, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    ended = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        ended.append(command("report"))
    assert [one.code for one in ended] == [2, 2]
    assert ["error: " in "".join(one.err) for one in ended] == [True, False]
