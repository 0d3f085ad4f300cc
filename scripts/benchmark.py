"""Speed as ratios measured in one run, so that a shared machine's noise cancels.

    python scripts/benchmark.py [--device auto] [--width 64] [--rounds 5] [--part all]

Prints: the training step and the contrastive step of `cu` (data path included) against the bare forward, backward and
optimizer step of the same model on a fixed batch in memory; the automatic precision against float32 in NCHW; how well
the device is fed at 32 and at 224 pixels, with and without augmentation; a sweep job's time outside compute; and the
start of `--help`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch.nn import functional as F

from cu.data.batches.pairs import PairedBatches
from cu.data.batches.shuffled import Batch, ShuffledBatches
from cu.data.transforms import Transform
from cu.data.types import ImageData, Split
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.ledger import Ledger
from cu.engine.recipe import Recipe, Sgd
from cu.methods.contrastive import Contrastive
from cu.models.resnet import ResNet
from cu.models.types import Classifier

CLASSES = 10
PARTS = ("all", "steps", "feeding", "jobs")


@dataclass(frozen=True)
class Work:
    """Images to train on: side in pixels, images per batch, batches per measurement, whether they are augmented."""

    side: int = 32
    batch: int = 128
    steps: int = 8
    augment: bool = True
    clock: Callable[[], float] = perf_counter

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return (3, self.side, self.side)

    @property
    def large(self) -> bool:
        """Whether networks halve such images before the first stage, and crops are resized."""
        return self.side >= 128

    def network(self, width: int) -> ResNet:
        """A ResNet-18 for such images."""
        return ResNet(depth=18, width=width, head="projection", dim=128, stem="large" if self.large else "small")


SMALL = Work()
SHAPE, BATCH, STEPS = SMALL.shape, SMALL.batch, SMALL.steps


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=64, help="channels of ResNet-18's first stage (64 = published)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per ratio; the median is printed")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--part", default="all", choices=PARTS, help="what to measure")
    options = parser.parse_args()
    best, plain = (
        hardware(precision, last, options.device).resolved() for precision, last in (("auto", True), ("fp32", False))
    )
    best.activate()
    print(f"{best.describe()}\nResNet-18, width {options.width}; medians of {options.rounds}")
    if options.part in ("all", "steps"):
        steps(options.width, options.rounds, best, plain)
    if options.part in ("all", "feeding"):
        feeding(options.width, options.rounds, best)
    if options.part in ("all", "jobs"):
        job_overhead()
        help_start()


def hardware(precision: str, channels_last: bool, device: str = "auto") -> Hardware:
    """Hardware settings of this machine in the given precision and layout."""
    return Hardware(
        device=device,
        precision=precision,  # pyright: ignore[reportArgumentType]
        scoring_precision="fp32",
        channels_last=channels_last,
        num_threads=None,
        deterministic=True,
    )


def steps(width: int, rounds: int, best: Hardware, plain: Hardware) -> None:
    """Images per second of `cu` against bare steps, measured in turns."""
    model, plain_model = (place.place(SMALL.network(width).build(CLASSES, SHAPE)) for place in (best, plain))
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


def bare(model: Classifier, place: Hardware, work: Work = SMALL) -> float:
    """Images per second of forward, backward and optimizer step on one fixed batch."""
    images = place.placement.put(torch.randn(work.batch, *work.shape))
    labels = torch.randint(CLASSES, (work.batch,), device=place.device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    model.train()

    def step() -> None:
        with place.training_precision():
            loss = F.cross_entropy(model(images).logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    step()
    return work.batch * work.steps / seconds(lambda: [step() for _ in range(work.steps)], place, work.clock)


def split(name: str, size: int, work: Work = SMALL) -> Split:
    """Random images, cropped and flipped like CIFAR-10, or like ImageNet if they are large."""
    images = torch.randint(256, (size, *work.shape), dtype=torch.uint8)
    transform = Transform(
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        crop=4,
        flip=True,
        augment=work.augment,
        crop_scale=(0.08, 1.0) if work.large else None,
    )
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


def feeding(width: int, rounds: int, best: Hardware) -> None:
    """The training step against the bare step, and how long the device has no step to work on.

    On a GPU once with the images in its memory, once with images that a thread gathers from the host's. On a CPU by
    the time that this process had of it, which others on the machine do not change.
    """
    on_cpu = best.device == "cpu"
    print("data path: step / bare step, and the share of time that the device waits for pixels or transforms them")
    for side, home, augment in product((32, 224), ("host",) if on_cpu else ("device", "host"), (False, True)):
        batch, count = ((128, 8) if side == 32 else (64, 2)) if on_cpu else ((128, 100) if side == 32 else (128, 20))
        work = Work(side, batch, count, augment, process_time if on_cpu else perf_counter)
        place = replace(best, data=home)
        model = place.place(work.network(width).build(CLASSES, work.shape))
        ratios, waits = [], []
        for _ in range(rounds):
            speed = bare(model, place, work)
            fed, waiting = watched(model, place, work)
            ratios.append(fed / speed)
            waits.append(waiting)
        name = f"{side} px, {'augmented' if augment else 'plain'}, images on the {home}"
        print(f"{name:44} {median(ratios):.3f}, {median(waits):.1%}", flush=True)


def watched(model: Classifier, place: Hardware, work: Work) -> tuple[float, float]:
    """Images per second of training through `fit`, and the share of time that the device has no step to work on."""
    part = split("retain", work.batch * work.steps, work)
    data = place.at_home(ImageData(part, part, part, tuple("0123456789"))).train
    run, gaps = job(model, place), Gaps(place, work.clock)
    batches = run.batches(data, recipe(1), work.batch)
    taken = seconds(lambda: fit(model, Watched(batches, gaps), cross_entropy, recipe(1), run), place, work.clock)
    return work.batch * work.steps / taken, gaps.seconds() / taken


@dataclass(frozen=True)
class Gaps:
    """Moments when a device ended a step and moments when it had the next batch, by the device's own clock."""

    place: Hardware
    clock: Callable[[], float]
    pairs: list[tuple[Any, Any]] = field(default_factory=list)

    def now(self) -> Any:
        """This moment; on a GPU, when it gets there."""
        if not self.place.device.startswith("cuda"):
            return self.clock()
        moment = torch.cuda.Event(enable_timing=True)
        moment.record()
        return moment

    def seconds(self) -> float:
        """Their sum."""
        if not self.place.device.startswith("cuda"):
            return sum(end - start for start, end in self.pairs)
        self.place.synchronize()
        return sum(start.elapsed_time(end) for start, end in self.pairs) / 1000


@dataclass(frozen=True)
class Watched:
    """A stream of batches that notes how long each was waited for."""

    batches: ShuffledBatches
    gaps: Gaps

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, index: int | str) -> Iterator[Batch]:
        """The batches of the stream itself."""
        items = self.batches.epoch(index)
        while True:
            start = self.gaps.now()
            batch = next(items, None)
            if batch is None:
                return
            self.gaps.pairs.append((start, self.gaps.now()))
            yield batch


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


def seconds(work: Callable[[], object], place: Hardware, clock: Callable[[], float] = perf_counter) -> float:
    """Time of some work on a device, by default that of the wall."""
    place.synchronize()
    start = clock()
    work()
    place.synchronize()
    return clock() - start


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
