"""Contrastive matching: forget samples take the distribution that samples have which the model never saw."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.accompanied import Accompanied, AccompaniedBatches
from cu.data.batches.pairs import PairedBatches
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.descent import Stateful
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.engine.taps import tapped
from cu.errors import ConfigError
from cu.methods.matching_distance import Depth, Distance, DistanceName, Match, among_retained, like_held_out
from cu.methods.matching_level import Watch, probing, require_levels
from cu.methods.matching_target import denial, masked_shares, turned
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier, Output


@dataclass(frozen=True, kw_only=True)
class ContrastiveMatching:
    """Distribution matching of embeddings and features, with an anchor on what is kept; this project's own method.

    **Which distribution.** Say x is of the forgotten class f, and z = g(x) is its embedding by a model that never saw
    f. Such a model takes x for one of the classes it knows: P(z) = sum over c != f of P(c | x, not f) P(z | c). The
    first factor needs no retraining. By Bayes, P(c | x, not f) = P(c | x) / (1 - P(f | x)): the densities of the other
    classes do not depend on whether f is among them, so the original's prediction with f masked out estimates what a
    model without f predicts. The second is estimated by the retained samples of c, where the student has them. Hence
    the target of a forget batch: the retain batch, where class c weighs mean over the forget batch of P(c | x, not f).
    `match=per_class` asks for P(z | c) of those forget samples that are most likely of c: shirts that look like coats
    come to lie among coats. Within c no assignment is prescribed, for a class that was never seen is not laid out
    sample by sample.
    In sample scenarios the forgotten samples shall look unseen: the target is the joint distribution of (embedding,
    label, margin) of held-out samples, each class weighted as the forget batch has it. That is no target for wrong
    labels (`scenario=confusion`): held-out samples are confused as well, and the anchor keeps the layout at fault.

    **The loss.** Cross-entropy of the retain batch + `embedding_weight` |D(z_f, target) - `embedding_share` D0(z)| +
    `feature_weight` |D(h_f, target) - `feature_share` D0(h)| + `anchor_weight` mean(1 - cos(z_r, z_r of the original))
    + `denial_weight` mean(-log P(not f | x_f)); h is what enters the head, left out where it is the embedding, and D0
    the distance that the original has in the same batch. The denial says what a model that never saw f says of every
    image, and not which class it is instead. D is the squared MMD: its cross term pulls forget samples to the target
    by kernel similarity, its own term pushes them from each other, the two halves of a contrastive loss, but with a
    minimum of 0 that is reached when the distributions agree. The target is a constant, so that nothing is gained by
    moving retained samples; the anchor keeps them where they are.

    **How far.** Agreement is not where the retrained model is: it still tells a class it never saw from the others, by
    features it learnt for them. How far that is differs much from class to class, for sandals are near other shoes and
    far from all else; which share of the original's distance it is differs little: `embedding_share`, `feature_share`.
    So D goes no further than there, from either side, whatever steps and weights are; with too few or too small ones
    it does not come there (docs/representation.md has the ablation). And it counts relative to D0, as if that were 0.1
    (`relative`): half of the way is worth the same whatever class goes. In sample scenarios held-out samples are what
    the forgotten ones shall be: no share remains, and D counts as it is.

    **Shares, weights and passes** were chosen on classes and a seed that no report shows, beside retrained models. No
    retrained model takes part in unlearning.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set.
        forget_size: Forget samples per batch; `recipe.batch_size` is that of the retain batch, and of held-out ones.
        omega: Retain batches per forget batch.
        match: `weighted` as above; `plain`, all targets weigh the same; `per_class`, one distance for the forget
            samples of each class they are taken for, in their shares.
        distance: `mmd`; `sliced_wasserstein` along random directions; or `adversarial_probe`, how well the best linear
            probe of the batch tells points from targets.
        widths: Of the MMD's kernels, in median distances of the targets.
        relative: In class scenarios a distance counts relative to the original's in the same batch.
        embedding_share: Of the original's distance in the embedding, what shall remain in class scenarios.
        feature_share: The same in the features, in an embedding that is these, and in the earlier blocks.
        embedding_weight: Of the distance in the embedding; 0 leaves it out.
        feature_weight: Of the distance in the features; 0 leaves it out.
        stage_weight: Of the mean distance in the pooled outputs of the encoder's earlier blocks; 0 leaves it out.
        anchor_weight: Of the anchor; 0 leaves it out.
        denial_weight: Of the denial, in class scenarios; 0 leaves it out.
        stop_on: `never`, all passes; `val`, in class scenarios a depth is matched until a probe of held-out samples of
            the forgotten classes is down to what a model that never saw them would show, by an estimate from the
            original alone (see `cu/methods/matching_level.py`), and all at theirs end it. An embedding that is the
            features has the level of these.
        stop_every: Steps between looks; besides, it looks at the end of each pass.
    """

    recipe: Recipe
    forget_size: Annotated[int, Gt(1)]
    omega: Annotated[int, Gt(0)]
    match: Match
    distance: DistanceName
    widths: tuple[Annotated[float, Gt(0)], ...]
    relative: bool
    embedding_share: Annotated[float, Ge(0), Le(1)]
    feature_share: Annotated[float, Ge(0), Le(1)]
    embedding_weight: Annotated[float, Ge(0)]
    feature_weight: Annotated[float, Ge(0)]
    stage_weight: Annotated[float, Ge(0)]
    anchor_weight: Annotated[float, Ge(0)]
    denial_weight: Annotated[float, Ge(0)]
    stop_on: Literal["val", "never"]
    stop_every: Annotated[int, Gt(0)]

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and held-out samples to look like in sample scenarios, and to look at."""
        look = Need("validation data", "method.stop_on=val", "method.stop_on to never", scenarios=("class",))
        return (*BOTH_SETS, Need("validation data", scenarios=("sample",)), *([look] if self.stop_on == "val" else []))

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """There are held-out samples to look like in sample scenarios, and levels to stop at where `stop_on` does."""
        if task.scenario == "sample" and not len(task.val):
            raise ConfigError(
                "method=contrastive_matching has no val samples that forget samples could look like; "
                "set dataset.val_fraction above 0"
            )
        if self.looks(task):
            require_levels(model, task)

    def looks(self, task: UnlearningTask) -> bool:
        """Whether probes say when to stop."""
        return self.stop_on == "val" and task.scenario == "class"

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after `recipe.epochs` passes over `task.forget`."""
        self.check(model, task)
        forget = context.batches(task.forget, self.recipe, self.forget_size)
        pairs = PairedBatches(forget, context.batches(task.retain, self.recipe), self.omega, "random")
        held_out = context.batches(task.val, self.recipe) if task.scenario == "sample" else None
        watch = Watch(probing(task, context), model, self.stop_every) if self.looks(task) else None
        teacher, source = frozen_teacher(model), context.generator("directions")
        state: list[Stateful] = [source, *([watch] if watch else [])]
        loss = partial(self.loss, teacher, task.forget_classes, source, watch=watch)
        return fit(
            model, AccompaniedBatches(pairs, held_out), loss, self.recipe, context, after_step=watch, state=state
        )

    def loss(
        self,
        teacher: Classifier,
        gone: tuple[int, ...],
        source: torch.Generator,
        student: Classifier,
        batch: Accompanied,
        watch: Watch | None = None,
    ) -> Tensor:
        """The weighted sum; one forward pass for all batches, so that they share batch statistics."""
        forget, retain, unseen = batch.pair.forget, batch.pair.retain, batch.held_out
        parts = [part for part in (forget, retain, unseen) if part]
        sizes = [len(part.labels) for part in parts]
        images = torch.cat([part.images for part in parts])
        output, depths = self.seen(student, images, watch)
        logits, embedding = (part.split(sizes) for part in (output.logits, output.embedding))
        total, distance = F.cross_entropy(logits[1], retain.labels), Distance(self.match, self.distance, self.widths)
        if unseen is not None:
            with torch.no_grad():
                anchor = teacher(retain.images).embedding
            total = total + self.anchor_weight * turned(embedding[1], anchor)
            return total + like_held_out(distance, depths, output.logits, forget.labels, unseen.labels, source)
        with torch.no_grad():
            output_before, before = self.seen(teacher, images, watch)
        total = total + self.anchor_weight * turned(embedding[1], output_before.embedding.split(sizes)[1])
        total = total + self.denial_weight * denial(logits[0], gone)
        shares = masked_shares(output_before.logits.split(sizes)[0], gone)
        return total + among_retained(distance, depths, before, self.relative, shares, retain.labels, source)

    def seen(self, student: Classifier, images: Tensor, watch: Watch | None) -> tuple[Output, list[Depth]]:
        """The output of a forward pass, and every representation to be matched."""
        with tapped(student) if self.stage_weight else nullcontext([]) as blocks:
            output = student(images)
        same, depths = output.encoded is output.embedding, []
        name, share = ("features", self.feature_share) if same else ("embedding", self.embedding_share)
        if watch is None or name in watch.open:
            depths.append(Depth(self.embedding_weight, share, output.embedding))
        if watch is None or "features" in watch.open:
            if not same:
                depths.append(Depth(self.feature_weight, self.feature_share, output.encoded))
            earlier = blocks[:-1]  # the last one is what enters the head
            depths += [Depth(self.stage_weight / len(earlier), self.feature_share, block) for block in earlier]
        return output, [depth for depth in depths if depth.weight]
