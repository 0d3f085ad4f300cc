import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
METHOD = """
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt


@dataclass(frozen=True, kw_only=True)
class Shrink:
    factor: Annotated[float, Gt(0)]

    def unlearn(self, model, task, run):
        shrunk = run.new_model()
        shrunk.load_state_dict({name: value * self.factor for name, value in model.state_dict().items()})
        return shrunk.eval()
"""

pytestmark = pytest.mark.slow


def run(*words, **options):
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the wheel, and nothing else, is installed."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("wheel")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *here, "-w", folder, ROOT)
    if built.returncode and not here and "hatchling" in built.stderr:
        pytest.skip("hatchling is neither installed nor to be downloaded")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    installed = run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder / "site", wheel)
    assert installed.returncode == 0, installed.stderr
    return folder / "site"


@pytest.fixture
def elsewhere(site, tmp_path):
    """`(command, *words)`: the installed command, from an empty folder and with nothing of the checkout in reach."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{tmp_path}", "OMP_NUM_THREADS": "1"}
    return lambda name, *words: run(site / "bin" / name, *words, cwd=tmp_path, env=environment)


def test_the_wheel_carries_every_config(site):
    def yaml_files(folder):
        return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.yaml")}

    assert yaml_files(site / "cu" / "configs") == yaml_files(ROOT / "configs")


def test_the_wheel_carries_the_launcher(elsewhere, tmp_path):
    asked = ("hydra/launcher=pool", "hydra.launcher.n_jobs=0", "-m", "seed=0,1")
    ended = elsewhere("cu-unlearn", *asked)
    assert ended.stderr == "error: hydra.launcher.n_jobs must be greater than 0, got 0\n"


def test_the_wheel_carries_the_page_of_a_report(site):
    templates = Path("cu", "reporting", "render", "page", "templates")
    names = {path.name for path in (site / templates).iterdir()}
    assert names == {path.name for path in (ROOT / templates).iterdir()} >= {"page.html", "page.css", "page.js"}


def test_the_installed_command_shows_its_config(elsewhere, tmp_path):
    shown = elsewhere("cu-unlearn", "--cfg", "job", "method=finetune")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "_target_: cu.methods.finetune.FineTune" in shown.stdout
    assert elsewhere("cu-unlearn", "--info", "searchpath").stdout.count(str(ROOT / "configs")) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_method_runs(elsewhere, tiny, tmp_path):
    (tmp_path / "shrinking.py").write_text(METHOD, encoding="utf-8")
    (tmp_path / "mine" / "method").mkdir(parents=True)
    (tmp_path / "mine" / "method" / "shrink.yaml").write_text("_target_: shrinking.Shrink\nfactor: 0.5\n")
    words = [word for word in tiny if not word.startswith("method")]
    ended = elsewhere("cu-unlearn", "--config-dir", "mine", "method=shrink", *words)
    assert ended.returncode == 0, ended.stderr
    assert "shrink on digits / resnet18_slim / class" in ended.stdout
    assert len(list(tmp_path.glob("outputs/runs/digits/resnet18_slim/class/shrink/*/result.json"))) == 1
    wrong = elsewhere("cu-unlearn", "--config-dir", "mine", "method=shrink", "method.facter=1")
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "error: 'method.facter' is not a setting: did you mean 'method.factor'? method has factor\n"
    )
