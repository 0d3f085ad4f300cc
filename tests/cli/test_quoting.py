import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cu.cli.quoting import for_shell, quoted, with_quoted_paths

ODD = (
    *("epoch=9-step=1000.ckpt", "my photos (2024)", "list[1].csv", "fotos/é ü.txt", "it's {mine}.pt", "a,b", "2024"),
    *("back\\slash\\", "it\\'s", "1e3", "#1 100%.csv", "a:b?*", "日本", "true"),
)


def read(override):
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return parsed


@pytest.mark.parametrize("value", ODD)
def test_a_quoted_value_comes_back_as_it_was(value):
    assert read(quoted(f"model.checkpoint={value}")).value() == value
    (typed,) = shlex.split(for_shell(f"model.checkpoint={value}"))
    assert read(typed).value() == value


@pytest.mark.parametrize("value", ODD)
def test_a_path_that_is_there_needs_no_quotes(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    for key in ("model.checkpoint", "dataset.folder", "scenario.file", "paths.outputs", "removed"):
        (word,) = with_quoted_paths([f"{key}={value}"])
        if value != "true":
            assert read(word).value() == value


def test_what_hydra_reads_as_one_text_stays_as_it_is():
    words = ["model.checkpoint=null", "dataset.folder=data", "scenario.file=ids.csv", "method.temperature=0.7"]
    words += ["paths.data='a b'", "paths.outputs=${oc.env:HOME}/x", "removed=[a,b]", "-m", "--config-dir=a b"]
    words += ["model.checkpoint=a.pt,b.pt", "scenario.classes=[cat dog]"]
    assert with_quoted_paths(words) == words


def test_in_a_sweep_each_of_several_paths_is_quoted():
    assert with_quoted_paths(["-m", "model.checkpoint=epoch=1.ckpt,epoch=2.ckpt"])[1] == (
        "model.checkpoint='epoch=1.ckpt','epoch=2.ckpt'"
    )
