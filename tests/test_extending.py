"""In a checkout a method is a Python file and a YAML file, a metric is a function, a line and a test: nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEW = {
    "cu/methods/mine.py": '''
"""Noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Adds noise to every weight.

    Attributes:
        scale: Standard deviation of the noise.
    """

    scale: Annotated[float, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy with noise."""
        noisy, source = context.new_model(), context.generator("noise")
        noisy.load_state_dict(model.state_dict())
        with torch.no_grad():
            for p in noisy.parameters():
                p += (self.scale * torch.randn(p.shape, generator=source)).to(p.device)
        return noisy.eval()
''',
    "configs/method/mine.yaml": "# Noise; see cu/methods/mine.py.\n_target_: cu.methods.mine.Noise\nscale: 0.01\n",
    "cu/metrics/accuracy/mine.py": '''
"""How often the model says class 0."""

from __future__ import annotations

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.spec import metric


@metric(keys=("mine/zeros",))
def zeros(case: Case, /) -> dict[str, float]:
    """Share of forgotten samples that are called class 0, in [0, 1]."""
    return {"mine/zeros": primitives.mean(primitives.predicted(case.model.forget.logits) == 0)}
''',
    "tests/metrics/accuracy/test_mine.py": """
def test_mine_is_the_share_of_zeros(make_case):
    from cu.metrics.accuracy.mine import zeros

    case = make_case("sample")
    expected = [row.argmax() == 0 for row in case.model.forget.logits]
    assert abs(zeros(case)["mine/zeros"] - sum(expected) / len(expected)) < 1e-9
""",
    # All that does not speak of a single old option, and all that speaks of the new ones.
    "conftest.py": """
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "[" not in item.name or "mine" in item.name]
""",
}
SUITES = (
    *("tests/config", "tests/methods/test_contract.py", "tests/metrics/test_core_suite.py", "tests/metrics/accuracy"),
    *("tests/test_architecture.py", "tests/data/test_data_configs.py"),
)


@pytest.mark.slow
def test_a_method_is_two_files_and_a_metric_a_function_a_line_and_a_test(tmp_path):
    for folder in ("cu", "configs", "hydra_plugins", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, text in NEW.items():
        (tmp_path / name).write_text(text.lstrip("\n"), encoding="utf-8")
    with (tmp_path / "configs/evaluation/default.yaml").open("a", encoding="utf-8") as suite:
        suite.write("  mine: {_target_: cu.metrics.accuracy.mine.zeros, _partial_: true}\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", *SUITES]
    run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-5000:]
    for seen in ("test_contract.py::test_weights_move[mine-class]", "[method-mine]", "test_mine_is_the_share_of_zeros"):
        assert seen in run.stdout
