"""What the default evaluation costs with many classes and wide embeddings: seconds and peak memory.

    python scripts/benchmark_evaluation.py [--classes 1000] [--rows 50000] [--dims 2048] [--scenario class]

Makes outputs of an original, a retrained and an unlearned model (wide clouds around class means, written once to
`--folder`), and judges all three by the suite that runs use, in a process of its own. Prints CPU seconds by metric,
seconds in all, and the largest resident memory of that process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
MODELS = ("original", "retrained", "unlearned")
CHUNK = 1000


def main() -> None:
    """Make the outputs, and measure in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=50_000, help="images of all splits together")
    parser.add_argument("--dims", type=int, default=2048, help="of the embedding")
    parser.add_argument("--scenario", choices=["class", "sample"], default="class")
    parser.add_argument("--suite", default="default", help="a file of configs/evaluation")
    parser.add_argument("--only", nargs="*", help="metrics, by their names in the suite")
    parser.add_argument("--folder", type=Path, help="where outputs are kept for the next time")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measured(options)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(MODELS):
            if not (folder / f"{name}.npz").exists():
                write_outputs(folder / f"{name}.npz", options, number)
        again = [sys.executable, __file__, *sys.argv[1:], "--measure", "--folder", str(folder)]
        subprocess.run(again, check=True)


def write_outputs(path: Path, options: argparse.Namespace, number: int) -> None:
    """Outputs of one model: embeddings in float16 around class means, and the logits of the nearest-mean head."""
    from cu.store.outputs import save_scores

    shared, own = np.random.default_rng(0), np.random.default_rng(number + 1)
    means = shared.standard_normal((options.classes, options.dims)).astype(np.float32)
    head = (means + 0.3 * own.standard_normal(means.shape)).astype(np.float32) / np.sqrt(options.dims).astype(
        np.float32
    )
    arrays: dict[str, Any] = {"head/weight": head, "head/bias": np.zeros(options.classes, np.float32)}
    arrays["head/sees_embedding"], first = np.array(True), 0
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        for split, share in SHARES.items():
            count = round(share * options.rows)
            shapes = {"logits": (np.float32, options.classes), "embedding": (np.float16, options.dims)}
            for name, (kind, width) in shapes.items():
                file = Path(scratch, f"{split}-{name}")
                arrays[f"{split}/{name}"] = np.memmap(file, kind, "w+", shape=(count, width))
            label = np.arange(count) % options.classes
            for start in range(0, count, CHUNK):
                rows = slice(start, start + CHUNK)
                cloud = means[label[rows]] + 4 * own.standard_normal((len(label[rows]), options.dims), np.float32)
                arrays[f"{split}/embedding"][rows] = cloud
                arrays[f"{split}/logits"][rows] = arrays[f"{split}/embedding"][rows].astype(np.float32) @ head.T
            arrays[f"{split}/label"] = label.astype(np.int64)
            arrays[f"{split}/id"] = np.arange(first, first := first + count)
        save_scores(path, arrays)


def measured(options: argparse.Namespace) -> None:
    """Judge all three models, as a run with one reference does; print what it took."""
    from cu.evaluation.facing import in_place, judge, judge_reference

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, used = perf_counter(), process_time()
    case = case_of(options)
    seconds: Counter[str] = Counter()  # of the processors, which other work on the machine does not slow down
    metrics = {name: timed(name, function, seconds) for name, function in suite(options).items()}
    judge(metrics, case)
    assert case.original is not None
    judge(metrics, in_place(case, case.original, None))
    judge_reference(metrics, in_place(case, case.retrained[0], None), 0)
    wall, cpu = perf_counter() - started, process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, value in seconds.most_common(15):
        print(f"{value:8.1f} CPU s  {name}")
    print(
        f"{options.scenario} scenario, {options.classes:,} classes x {options.rows:,} rows x {options.dims:,} dims: "
        f"{wall:.0f} s, {cpu:.0f} CPU s, peak {peak / 2**20:.2f} GiB (before: {before / 2**20:.2f})"
    )


def suite(options: argparse.Namespace) -> dict[str, Any]:
    """The metrics of a suite by name."""
    from omegaconf import OmegaConf

    from cu.config.build import build
    from cu.config.component import Component

    path = Path(__file__).parents[1] / "configs" / "evaluation" / f"{options.suite}.yaml"
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    chosen = {name: node for name, node in content["metrics"].items() if not options.only or name in options.only}
    return {name: build(Component(node)) for name, node in chosen.items()}


def timed(name: str, function: Any, seconds: Any) -> Any:
    """The metric, its CPU seconds added to those of its name."""
    from cu.evaluation.suite import spec_of

    def clocked(case: Any) -> Mapping[str, float]:
        started = process_time()
        try:
            return function(case)
        finally:
            seconds[name] += process_time() - started

    clocked.spec = spec_of(function)  # type: ignore[attr-defined]
    return clocked


def case_of(options: argparse.Namespace) -> Any:
    """The unlearned model beside one retrained and the original; one class of them, or 500 samples, is forgotten."""
    from cu.evaluation.cases import divided
    from cu.metrics.case import Case
    from cu.store.outputs import load_scores

    found = [load_scores(options.folder / f"{name}.npz") for name in MODELS]
    assert found[0] is not None
    label, ids = found[0]["train/label"], found[0]["train/id"]
    gone = label == 5 if options.scenario == "class" else np.arange(len(label)) % (len(label) // 500) == 0
    classes = (5,) if options.scenario == "class" else ()
    original, retrained, judged = (divided(one, ids[~gone], ids[gone], classes) for one in found if one is not None)
    return Case(judged, (retrained,), original, options.scenario, classes, options.classes)


if __name__ == "__main__":
    main()
