import importlib
from itertools import islice
from pathlib import Path

import pytest

import cu

SCRIPTS = Path(cu.__file__).parents[1] / "scripts"


@pytest.fixture
def campaign(monkeypatch):
    """The folder of the campaign's script can be imported from."""
    monkeypatch.syspath_prepend(SCRIPTS)


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


def test_the_campaign_tells_what_was_survived(campaign, monkeypatch, tmp_path):
    wrong_settings = importlib.import_module("campaign.wrong_settings")
    monkeypatch.setattr(wrong_settings, "WRONG", ("seed=abc", "--cfg=job", "method=null"))
    attempts = islice(wrong_settings.settings(tmp_path, short=False), 3)
    assert [attempt.fault is None for attempt in attempts] == [True, False, True]


def test_the_campaign_damages_every_kind_of_file_once(campaign, tmp_path):
    damages = importlib.import_module("campaign.damages")
    for name in ("models/0b36a004d31c3f7c/judged/ab55706a5bff4225.json", "models/198067236cb645ba/judged/x.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    assert damages.kinds(tmp_path) == ["models/*/judged/*.json", "models/*/judged/x.json"]
    copy = damages.damaged(tmp_path, tmp_path.with_name("copy"), "models/*/judged/*.json", lambda content: None)
    assert [path.name for path in copy.rglob("*.json")] == []
