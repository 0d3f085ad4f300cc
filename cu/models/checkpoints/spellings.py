"""How common implementations of ResNet and VGG call their layers, and those names in the place of a network's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product

HEADS = ("fc", "linear", "classifier", "head", "head.fc", "classifier.1")
DEEPEST = 48  # blocks of a stage that are looked for
VGG_STAGES = 5


@dataclass(frozen=True)
class Spelling:
    """The layers of a ResNet, each a convolution and its normalisation, as templates.

    In them, `{s}` is the stage, `{b}` the block and `{k}` the convolution in the block; all count from 0, as do
    `{s1}` and `{k1}` from 1 and `{s2}` from 2; `{i}` is its place in an `nn.Sequential` of convolution, normalisation
    and activation, `{i1}` that of the normalisation.

    Attributes:
        stem: Before the stages.
        body: Of a block.
        shortcut: Beside a block.
        head: Names that the last layer may have.
    """

    stem: tuple[str, str]
    body: tuple[str, str]
    shortcut: tuple[str, str]
    head: tuple[str, ...] = HEADS

    def layers(self) -> Iterator[str]:
        """Every layer that any network of this spelling may have, in an order that all spellings share."""
        yield from self.stem
        for stage, block in product(range(4), range(DEEPEST)):
            places = {"s": stage, "s1": stage + 1, "s2": stage + 2, "b": block}
            yield from (name.format(**places) for name in self.shortcut)
            for k in range(3):
                inner = {"k": k, "k1": k + 1, "i": 3 * k, "i1": 3 * k + 1}
                yield from (name.format(**places, **inner) for name in self.body)


OURS = Spelling(
    ("encoder.stem.0", "encoder.stem.1"),
    ("encoder.stage{s1}.{b}.body.{i}", "encoder.stage{s1}.{b}.body.{i1}"),
    ("encoder.stage{s1}.{b}.shortcut.0", "encoder.stage{s1}.{b}.shortcut.1"),
    ("head.classifier",),
)
TORCHVISION = Spelling(
    ("conv1", "bn1"),
    ("layer{s1}.{b}.conv{k1}", "layer{s1}.{b}.bn{k1}"),
    ("layer{s1}.{b}.downsample.0", "layer{s1}.{b}.downsample.1"),
)
_HUGGING = "resnet.encoder.stages.{s}.layers.{b}"
SPELLINGS = {
    "torchvision": TORCHVISION,
    "CIFAR with shortcut": Spelling(
        TORCHVISION.stem, TORCHVISION.body, ("layer{s1}.{b}.shortcut.0", "layer{s1}.{b}.shortcut.1")
    ),
    "CIFAR with residual_function": Spelling(
        ("conv1.0", "conv1.1"),
        ("conv{s2}_x.{b}.residual_function.{i}", "conv{s2}_x.{b}.residual_function.{i1}"),
        ("conv{s2}_x.{b}.shortcut.0", "conv{s2}_x.{b}.shortcut.1"),
    ),
    "Hugging Face": Spelling(
        ("resnet.embedder.embedder.convolution", "resnet.embedder.embedder.normalization"),
        (f"{_HUGGING}.layer.{{k}}.convolution", f"{_HUGGING}.layer.{{k}}.normalization"),
        (f"{_HUGGING}.shortcut.convolution", f"{_HUGGING}.shortcut.normalization"),
        ("classifier.1",),
    ),
}


def respelled(own: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The names of a network's weights as others would spell them: a word for the spelling, and {theirs: own}.

    Args:
        own: Names of a ResNet or VGG of `cu`, or of a ResNet as torchvision spells them; nothing is found for others.
    """
    layers = {name.rpartition(".")[0] for name in own}
    if "encoder.stage5.0" in layers:
        yield from (("VGG", dict(_renamed(own, pairs))) for pairs in _vgg_layers(layers))
    for base in (OURS, TORCHVISION):
        if not set(base.stem) <= layers:
            continue
        tail = next((head for head in base.head if head in layers), None)
        for (word, spelling), head in product(SPELLINGS.items(), HEADS):
            if tail is None or head not in spelling.head:
                continue
            pairs = dict(zip(base.layers(), spelling.layers(), strict=True))
            yield word, dict(_renamed(own, {**pairs, tail: head}))


def _renamed(own: Collection[str], layers: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in own:
        layer, _, leaf = name.rpartition(".")
        if layer in layers:
            yield f"{layers[layer]}.{leaf}", name


def _vgg_layers(own: Collection[str]) -> Iterator[dict[str, str]]:
    """Our stages of (convolution, normalisation, activation) and a pooling as one `features` of the same order."""
    found, start = {}, 0
    for stage in range(1, VGG_STAGES + 1):
        places = [int(m[1]) for layer in own if (m := re.fullmatch(rf"encoder\.stage{stage}\.(\d+)", layer))]
        found |= {f"encoder.stage{stage}.{place}": f"features.{start + place}" for place in places}
        start += max(places) + 3  # the activation and the pooling
    yield from ({**found, "head.classifier": head} for head in HEADS)
