"""Speed as ratios measured in one run, so that a shared machine's noise cancels.

    python scripts/benchmark.py [--width 64] [--rounds 5]

Prints: the training step and the contrastive step of `cu` (data path included) against the bare forward, backward and
optimizer step of the same model on a fixed batch in memory; the automatic precision against float32 in NCHW; a sweep
job's time outside compute; and the start of `--help`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch.nn import functional as F

from cu.data.batches.pairs import PairedBatches
from cu.data.transforms import Transform
from cu.data.types import Split
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.ledger import Ledger
from cu.engine.recipe import Recipe, Sgd
from cu.methods.contrastive import Contrastive
from cu.models.resnet import ResNet
from cu.models.types import Classifier

CLASSES, SHAPE, BATCH, STEPS = 10, (3, 32, 32), 128, 8


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=64, help="channels of ResNet-18's first stage (64 = published)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per ratio; the median is printed")
    options = parser.parse_args()
    best, plain = hardware("auto", channels_last=True).resolved(), hardware("fp32", channels_last=False).resolved()
    best.activate()
    print(f"{best.describe()}\nResNet-18, width {options.width}, 3x32x32, batch {BATCH}; medians of {options.rounds}")
    steps(options.width, options.rounds, best, plain)
    job_overhead()
    help_start()


def hardware(precision: str, channels_last: bool) -> Hardware:
    """Hardware settings of this machine in the given precision and layout."""
    return Hardware(
        device="auto",
        precision=precision,  # pyright: ignore[reportArgumentType]
        scoring_precision="fp32",
        channels_last=channels_last,
        num_threads=None,
        deterministic=True,
    )


def steps(width: int, rounds: int, best: Hardware, plain: Hardware) -> None:
    """Images per second of `cu` against bare steps, measured in turns."""
    model = best.place(ResNet(depth=18, width=width, head="projection", dim=128).build(CLASSES, SHAPE))
    plain_model = plain.place(ResNet(depth=18, width=width, head="projection", dim=128).build(CLASSES, SHAPE))
    measurements = {
        "bare": lambda: bare(model, best),
        "training": lambda: trained(model, best),
        "contrastive": lambda: contrasted(model, best),
        "fp32 NCHW": lambda: bare(plain_model, plain),
    }
    speeds: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measurement in measurements.items():
            speeds[name].append(measurement())
    for name in ("training", "contrastive"):
        ratio = median(a / b for a, b in zip(speeds[name], speeds["bare"], strict=True))
        print(f"{name} step / bare step: {ratio:.2f} of its images/s (goal 0.90)")
    ratio = median(a / b for a, b in zip(speeds["bare"], speeds["fp32 NCHW"], strict=True))
    print(f"precision=auto ({best.precision}, channels_last) / fp32 NCHW: {ratio:.2f}x (goal 2.5x on a CPU with AMX)")
    print("images/s: " + ", ".join(f"{name} {median(values):.0f}" for name, values in speeds.items()))


def recipe(epochs: int) -> Recipe:
    """Stochastic gradient descent of so many epochs."""
    optimizer = Sgd(lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=False)
    return Recipe(
        optimizer=optimizer,
        schedule="constant",
        epochs=epochs,
        batch_size=BATCH,
        augment=True,
        clip_norm=None,
        batchnorm="train",
    )


def bare(model: Classifier, place: Hardware) -> float:
    """Images per second of forward, backward and optimizer step on one fixed batch."""
    images = place.placement.put(torch.randn(BATCH, *SHAPE))
    labels = torch.randint(CLASSES, (BATCH,), device=place.device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    model.train()

    def step() -> None:
        with place.training_precision():
            loss = F.cross_entropy(model(images).logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    step()
    return BATCH * STEPS / seconds(lambda: [step() for _ in range(STEPS)], place)


def split(name: str, size: int) -> Split:
    """Random images, cropped and flipped like CIFAR-10."""
    images = torch.randint(256, (size, *SHAPE), dtype=torch.uint8)
    transform = Transform(mean=(0.5,) * 3, std=(0.25,) * 3, crop=4, flip=True, augment=True)
    return Split(name, images, torch.arange(size), torch.randint(CLASSES, (size,)), torch.arange(size), transform)


def job(model: Classifier, place: Hardware) -> MethodContext:
    """A run that keeps no log."""
    return MethodContext(place, 0, lambda: model, lambda s: (model, {}), Ledger(place))


def trained(model: Classifier, place: Hardware) -> float:
    """Images per second of ordinary training through `fit`."""
    data, run = split("retain", BATCH * STEPS), job(model, place)
    return (
        BATCH * STEPS / seconds(lambda: fit(model, run.batches(data, recipe(1)), cross_entropy, recipe(1), run), place)
    )


def contrasted(model: Classifier, place: Hardware) -> float:
    """Images per second, forget and retain counted, of the contrastive step; half a batch of each."""
    forget, retain, run = split("forget", BATCH * STEPS // 8), split("retain", BATCH * STEPS), job(model, place)
    half = BATCH // 2
    method = Contrastive(
        recipe=recipe(1),
        temperature=0.7,
        forget_weight=3.0,
        retain_weight=1.0,
        omega=4,
        reduction="mean",
        push_weight="equation",
        embedding="signed",
        normalize=True,
        retain_sampling="random",
        detach_retain=False,
        joint_forward=True,
        stop_on="never",
        stop_every=None,
        keep_best=False,
        queue=0,
        momentum=0.99,
        retain_size="full",
    )
    pairs = PairedBatches(
        run.batches(forget, recipe(1), half), run.batches(retain, recipe(1), half), method.omega, "random"
    )
    return BATCH * len(pairs) / seconds(lambda: fit(model, pairs, method.loss, recipe(1), run), place)


def seconds(work: Callable[[], object], place: Hardware) -> float:
    """Wall time of some work on a device."""
    place.synchronize()
    start = perf_counter()
    work()
    place.synchronize()
    return perf_counter() - start


def job_overhead(jobs: int = 10) -> None:
    """A sweep job's time outside unlearning, scoring and evaluation; models are trained beforehand."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "recipe.epochs=1",
            "dataset.train_size=300",
            "model.width=4",
            "method=finetune",
            "method.recipe.epochs=1",
        ]
        common = [sys.executable, "-m", "cu", "unlearn", "-m", f"paths.outputs={folder}", *words]
        run_quietly([*common, "method_seed=0"])
        start = perf_counter()
        run_quietly([*common, "method_seed=1"])
        one = perf_counter() - start
        start = perf_counter()
        run_quietly([*common, f"method_seed={','.join(str(2 + i) for i in range(jobs + 1))}"])
        many = perf_counter() - start
        results = [json.loads(path.read_text()) for path in Path(folder).rglob("result.json")]
        parts = ("unlearn_seconds", "prep_seconds", "scoring_seconds", "evaluation_seconds")
        compute = median(sum(result["timings"][part] for part in parts) for result in results)
    outside = (many - one) / jobs - compute
    print(f"job overhead outside compute: {outside:.2f} s (goal under 1 s; W&B offline, compute {compute:.2f} s)")


def help_start() -> None:
    """How long `--help` takes, and that it does not import torch."""
    start = perf_counter()
    run_quietly([sys.executable, "-m", "cu", "unlearn", "--help"])
    taken = perf_counter() - start
    check = "import cu.cli.commands, sys; print('torch' in sys.modules)"
    heavy = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.strip()
    print(f"--help: {taken:.2f} s (goal under 1 s), torch imported: {heavy}")


def run_quietly(words: list[str]) -> None:
    """Run a command; its output is shown only if it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
