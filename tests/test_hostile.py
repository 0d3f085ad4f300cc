import importlib.util
import sys
from itertools import islice
from pathlib import Path

import pytest

import cu

FILE = Path(cu.__file__).parents[1] / "scripts" / "hostile.py"


@pytest.fixture(scope="module")
def hostile():
    """The campaign's script as a module."""
    spec = importlib.util.spec_from_file_location("hostile", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["hostile"]


WORDS = [
    *("seed=99999999999999999999", "method=null", "hydra.launcher=null", "hydra.sweeper=null", "~hydra.launcher"),
    *("hardware.num_threads=100000", "hardware.device=[]", "paths.outputs=", "model.checkpoint="),
    *("recipe.optimizer.lr=inf", "method.recipe.optimizer.lr=nan", "dataset.val_fraction=nan", "tracking=null"),
]


@pytest.mark.parametrize("word", WORDS)
def test_a_wrong_setting_is_one_line_and_exit_code_2(command, tiny, tmp_path, word):
    where = [] if word.startswith("paths.outputs") else [f"paths.outputs={tmp_path}"]
    ended = command("unlearn", *tiny, *where, word)
    assert ended.code == 2
    assert sum(line.startswith("error: ") for line in ended.err) == 1
    assert not any("Traceback" in line for line in ended.err)
    assert list(tmp_path.iterdir()) == []


def test_the_campaign_tells_what_was_survived(hostile, monkeypatch, tmp_path):
    monkeypatch.setattr(hostile, "WRONG", ("seed=abc", "--cfg=job", "method=null"))
    attempts = islice(hostile.settings(tmp_path, short=False), 3)
    assert [attempt.fault is None for attempt in attempts] == [True, False, True]
