"""Where models come from: originals and retrained models, trained once or loaded, and their outputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from cu.config.build import build
from cu.config.schema import RunConfig, TrainConfig
from cu.data.batches.shuffled import batch_bounds
from cu.data.types import ImageData, Split
from cu.disk.json_lines import JsonLines, read_rows
from cu.engine.context import Log, MethodContext, silent
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.interruption import Descents
from cu.engine.ledger import Ledger
from cu.engine.outputs import score, shows_features
from cu.engine.pace import retimed, seconds_per_sample
from cu.engine.passes import Flops, flops_per_image
from cu.engine.recipe import Recipe
from cu.engine.warm_up import warm_up
from cu.errors import ConfigError
from cu.experiment.adoption import adopted
from cu.experiment.data import data_of
from cu.models.types import Classifier
from cu.seeds import member_seed
from cu.store.checkpoint import EpochCheckpoint
from cu.store.identity import retrained_identity
from cu.store.models import KeptModels, ModelStore, StoredModel, load_into
from cu.store.outputs import cached_outputs
from cu.store.provenance import provenance

log = logging.getLogger(__name__)
C = TypeVar("C", TrainConfig, RunConfig)


@dataclass(frozen=True, eq=False)
class Workspace(Generic[C]):
    """What every step of a job shares, and the models that it works with.

    Attributes:
        config: What the job is told.
        original_identity: What the original model depends on.
        data: The data set, prepared by the scenario.
        hardware: Where things are computed.
        recipe: How originals and retrained models are trained.
        store: Where trained models are.
    """

    config: C
    original_identity: Mapping[str, Any]
    data: ImageData
    hardware: Hardware
    recipe: Recipe
    store: ModelStore | KeptModels

    @property
    def seed(self) -> int:
        """The training seed of the original."""
        return self.config.seed

    def blank(self) -> Classifier:
        """A model with weights from torch's global generator."""
        return build(self.config.network).build(self.data.num_classes, self.data.shape)

    def context(self, seed: int, log_row: Log = silent, **more: Any) -> MethodContext:
        """What a method or a training is handed, with its own seed and account."""
        retrain = partial(self.retrained_by_method, seed)
        ledger = Ledger(self.hardware)
        return MethodContext(self.hardware, seed, self.blank, retrain, ledger, ledger.off_the_clock(log_row), **more)

    def retrained_by_method(self, seed: int, retain: Split) -> tuple[Classifier, Mapping[str, float]]:
        """What a method of this seed gets if it trains from scratch, and what that cost; it is no reference."""
        stored = self.retrained(retain, member_seed(seed, "retrain", 0))
        return self.load(stored), retimed(stored.record["cost"], self.pace)

    def warm_up(self, model: Classifier, splits: Collection[Split], recipe: Recipe) -> None:
        """Do what this process does only once before a clock starts; see `cu.engine.warm_up`."""
        sizes = {stop - start for split in splits for start, stop in batch_bounds(len(split), recipe.batch_size)}
        for split in splits:
            warm_up(model, split, sizes, recipe.optimizer, self.hardware)

    @cached_property
    def flops(self) -> Flops:
        """Operations of one image, by the model of this job."""
        return flops_per_image(self.context(self.seed).new_model(), self.data.shape)

    @cached_property
    def pace(self) -> float | None:
        """Seconds that training takes per sample here and now; looked at once in a job."""
        context = self.context(self.seed)
        self.warm_up(context.new_model(), (self.data.train,), self.recipe)
        return seconds_per_sample(self.data.train, self.recipe, context)

    def cost_of(self, ledger: Ledger) -> dict[str, float]:
        """An account as numbers, with floating-point operations: the only cost that compares machines."""
        cost = ledger.cost()
        work = cost["forward_images"] * self.flops.forward + cost["backward_images"] * self.flops.backward
        return {**cost, "flops": work}

    def reference(self, retain: Split, number: int, level: int = logging.INFO) -> StoredModel:
        """The retrained model `number` that outcomes of this training seed are set against, and no others."""
        return self.retrained(retain, member_seed(self.seed, "reference", number), level)

    def load(
        self, stored: StoredModel, framed: Callable[[Classifier, Mapping[str, Tensor]], Classifier] | None = None
    ) -> Classifier:
        """A stored model on the device, in evaluation mode.

        Args:
            stored: Its weights.
            framed: Gives a new network the form that a method left it in, by its weights.

        Raises:
            ConfigError: Only its record is left.
        """
        if not stored.weights:
            raise ConfigError(
                f"the weights of {stored.folder} are gone or damaged, and its outputs are not there either"
            )
        model = self.context(self.seed).new_model()
        model = framed(model, stored.weights) if framed else model
        load_into(model, stored.weights, str(stored.folder))
        return model.eval()

    def original(self, log_row: Log = silent) -> StoredModel:
        """The original model, trained or loaded; from the user's own file if the config names one."""
        if path := self.config.checkpoint:
            context = self.context(self.seed)
            train = partial(adopted, Path(path), self.config.checkpoint_key, "model.checkpoint", context)
        else:
            train = self.trainer(self.data.train, self.seed, "original", log_row)
        return self.store.obtain(self.original_identity, train)

    def retrained(self, retain: Split, seed: int, level: int = logging.INFO) -> StoredModel:
        """A model trained on the retain set alone, by the original's recipe; `level` is that of the line in the log."""
        kept = set(retain.ids.tolist())
        forgotten = [i for i in self.data.train.ids.tolist() if i not in kept]
        identity = retrained_identity(self.original_identity, seed, forgotten)
        return self.store.obtain(identity, self.trainer(retain, seed, "retrained", silent, level))

    def trainer(
        self, split: Split, seed: int, name: str, log_row: Log, level: int = logging.INFO
    ) -> Callable[..., Any]:
        """How to train a new model on a split by the recipe."""

        def train(checkpoint: EpochCheckpoint, rows: JsonLines) -> tuple[Classifier, Mapping[str, Any]]:
            log.log(level, "training the %s model on %d samples, seed %d", name, len(split), seed)

            def record(values: Mapping[str, float], step: int) -> None:
                rows.append(values, step)
                log_row(values, step)

            replay(read_rows(rows.path), log_row)
            descents = Descents(lambda number: checkpoint, self.config.save_every)
            batches = (context := self.context(seed, record, descents=descents)).batches(split, self.recipe)
            self.warm_up(context.new_model(), (split,), self.recipe)
            with context.ledger.running():
                blank = context.new_model()
                model = fit(blank, batches, cross_entropy, self.recipe, context, state=(), name=name)
            return model, {"cost": self.cost_of(context.ledger), **asdict(provenance(self.hardware.describe()))}

        return train

    def scores(self, stored: StoredModel) -> dict[str, Any]:
        """A stored model's outputs on the whole data set, computed once; earlier versions' lacked features."""
        path = stored.folder / f"predictions-{self.hardware.scoring_precision}.npz"
        whole = shows_features if stored.weights else None
        return cached_outputs(path, lambda: score(self.load(stored), self.data, self.hardware), whole)


def set_up(config: C, original_identity: Mapping[str, Any]) -> Workspace[C]:
    """Take hold of the hardware, read the data.

    Args:
        config: Of the job.
        original_identity: What the original model depends on.
    """
    hardware = build(config.hardware).resolved()
    hardware.activate()
    data = hardware.at_home(data_of(config, original_identity))
    store = ModelStore(config.paths.outputs / "models")
    return Workspace(config, original_identity, data, hardware, build(config.recipe), store)


def replay(rows: list[dict[str, Any]], log_row: Log) -> None:
    """Send rows written earlier to a log."""
    for row in rows:
        log_row({name: value for name, value in row.items() if name != "step"}, row["step"])
