"""25 ways to write a checkpoint, of three families: loaded and handed back loadable; others refused in one line."""

import argparse
import copy
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cu.errors import ConfigError
from cu.models.checkpoints.hand_back import hand_back
from cu.models.checkpoints.load import load_checkpoint
from cu.models.resnet import ResNet
from cu.models.user import as_classifier
from cu.models.vgg import VGG

SHAPE, CLASSES = (3, 16, 16), 3


class Block(nn.Module):
    """The basic block of most CIFAR ResNets on the net, written down once more."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.shortcut(x))


class CifarResNet18(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        channels = width
        for stage in range(4):
            blocks = []
            for stride in ((1 if stage == 0 else 2), 1):
                blocks.append(Block(channels, width * 2**stage, stride))
                channels = width * 2**stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(x.mean(dim=(2, 3)))


class CifarVGG11(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        layers, channels = [], 3
        for factor in (1, "M", 2, "M", 4, 4, "M", 8, 8, "M", 8, 8, "M"):
            if factor == "M":
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
                continue
            layers += [nn.Conv2d(channels, width * factor, 3, padding=1), nn.BatchNorm2d(width * factor), nn.ReLU()]
            channels = width * factor
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(channels, CLASSES)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def tiny_vit():
    from torchvision.models import VisionTransformer

    torch.manual_seed(1)
    vit = VisionTransformer(16, 8, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8, num_classes=CLASSES)
    nn.init.normal_(vit.heads.head.weight)  # zeros as it comes
    return vit


FAMILIES = {
    "resnet": (CifarResNet18, lambda: ResNet(depth=18, width=4, head="linear", dim=8).build(CLASSES, SHAPE)),
    "vgg": (CifarVGG11, lambda: VGG(depth=11, width=2, head="linear", dim=8).build(CLASSES, SHAPE)),
    "vit": (tiny_vit, lambda: as_classifier(tiny_vit(), "heads.head", CLASSES, SHAPE, "model.name=tiny")),
}


def under(prefix, network):
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


def compiled_inside(network):
    return {
        f"{n.split('.')[0]}._orig_mod.{n.split('.', 1)[1]}" if "." in n else n: t for n, t in under("", network).items()
    }


def averaged(network):
    return torch.optim.swa_utils.AveragedModel(network).state_dict()


def other(network):
    changed = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(2)
    return changed


def optimizer(network):
    adam = torch.optim.Adam(network.parameters())
    network(torch.randn(2, *SHAPE)).sum().backward()
    adam.step()
    adam.zero_grad()
    return adam.state_dict()


def with_optimizer(network):
    used = copy.deepcopy(network)
    state = optimizer(used)
    return {"optimizer_state": state, "weights": network.state_dict(), "epoch": 3}


TORCH = {  # what is handed to torch.save
    "bare": lambda n: n.state_dict(),
    "state_dict": lambda n: {"epoch": 3, "arch": "x", "state_dict": n.state_dict(), "best_acc1": torch.tensor(0.5)},
    "model": lambda n: {"model": n.state_dict(), "optimizer": {"state": {0: {"exp_avg": torch.ones(2, 2)}}}},
    "net": lambda n: {"net": n.state_dict(), "acc": 93.1, "epoch": 7},
    "model_state_dict": lambda n: {"model_state_dict": n.state_dict(), "loss": 0.1},
    "nested": lambda n: {"model": {"state_dict": n.state_dict(), "name": "x"}},
    "unusual key": lambda n: {"classifier_weights": n.state_dict(), "epoch": 1},
    "pair": lambda n: (n.state_dict(), 12),
    "ddp": lambda n: under("module.", n),
    "compiled": lambda n: under("_orig_mod.", n),
    "ddp of compiled": lambda n: {"state_dict": under("module._orig_mod.", n)},
    "compiled inside": compiled_inside,
    "lightning": lambda n: {
        "state_dict": {**under("model.", n), "criterion.weight": torch.ones(CLASSES)},
        "pytorch-lightning_version": "2.4",
        "hyper_parameters": argparse.Namespace(lr=0.1),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2, 2)}}}],
    },
    "ema beside": lambda n: {"state_dict": n.state_dict(), "state_dict_ema": other(n).state_dict()},
    "averaged": averaged,
    "namespace": lambda n: {"model": n.state_dict(), "args": argparse.Namespace(lr=0.1, out=Path("x"))},
    "numpy numbers": lambda n: {"model": n.state_dict(), "best": np.float64(0.3), "seen": np.arange(3)},
    "whole module": lambda n: n,
    "whole module in a dict": lambda n: {"net": n, "epoch": 1},
    "with optimizer": with_optimizer,
}
LOADED = [*TORCH, "old torch", "safetensors", "folder", "shards", "half"]


def write(name, network, folder):
    weights = {n: t.contiguous() for n, t in network.state_dict().items()}
    if name in TORCH:
        torch.save(TORCH[name](network), folder / "a.pth")
        return folder / "a.pth"
    if name == "old torch":
        torch.save({"state_dict": weights}, folder / "a.pt", _use_new_zipfile_serialization=False)
        return folder / "a.pt"
    if name == "safetensors":
        save_file(weights, folder / "a.safetensors", {"format": "pt", "by": "me"})
        return folder / "a.safetensors"
    if name == "half":
        torch.save({n: t.half() if t.is_floating_point() else t for n, t in weights.items()}, folder / "a.bin")
        return folder / "a.bin"
    (folder / "net").mkdir()
    (folder / "net" / "config.json").write_text("{}")
    if name == "folder":
        save_file(weights, folder / "net" / "model.safetensors")
        return folder / "net"
    names = list(weights)
    parts = {"1.safetensors": names[::2], "2.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({n: weights[n] for n in inside}, folder / "net" / part)
    index = {"weight_map": {n: part for part, inside in parts.items() for n in inside}}
    (folder / "net" / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder / "net"


def trained(make):
    torch.manual_seed(0)
    network = make()
    with torch.no_grad():
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.add_(0.1 * torch.rand_like(buffer))
    return network.eval()


def test_there_are_25_formats():
    assert len(LOADED) == 25


@pytest.mark.filterwarnings("ignore:.*weights_only.*")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", LOADED)
def test_a_checkpoint_is_loaded_and_handed_back_in_its_own_format(name, family, tmp_path):
    make, build = FAMILIES[family]
    theirs, ours = trained(make), build().eval()
    path = write(name, theirs, tmp_path)
    found = load_checkpoint(path, None, ours)
    ours.load_state_dict(found.weights)
    images, close = torch.randn(4, *SHAPE), {"rtol": 1e-2, "atol": 1e-2} if name == "half" else {}
    torch.testing.assert_close(ours(images).logits, theirs(images), **close)
    assert "\n" not in found.described()

    new = other(ours)
    target, lines = hand_back(found, new.state_dict(), path, tmp_path / "out")
    assert len(lines) == 3
    network = make().eval()
    exec("\n".join(lines), {"network": network})
    torch.testing.assert_close(network(images), new(images).logits, **({"rtol": 1e-2, "atol": 0.1} if close else {}))
    assert target.suffix == (path.suffix or ".safetensors")
    assert load_checkpoint(target, None, ours).fit.names == found.fit.names


def test_handed_back_is_what_was_there_less_what_still_knows(tmp_path):
    network, build = trained(CifarResNet18), FAMILIES["resnet"][1]
    for name, kept in (("ema beside", {"state_dict"}), ("net", {"net", "acc", "epoch"}), ("model", {"model"})):
        path = write(name, network, tmp_path)
        found = load_checkpoint(path, None, build())
        target, _ = hand_back(found, found.weights, path, tmp_path)
        content = torch.load(target, weights_only=True)
        assert set(content) == kept
        assert list(next(v for v in content.values() if isinstance(v, dict))) == list(network.state_dict())


def test_the_key_that_is_used_is_named_and_another_may_be_said(tmp_path):
    network, build = trained(CifarResNet18), FAMILIES["resnet"][1]
    path = write("ema beside", network, tmp_path)
    raw, ema = (load_checkpoint(path, key, build()) for key in (None, "state_dict_ema"))
    assert raw.described() == (
        "the weights at 'state_dict', names as in CIFAR with shortcut, "
        "not used: state_dict_ema (model.checkpoint_key=state_dict_ema)"
    )
    assert torch.equal(ema.weights["head.classifier.bias"], 2 * raw.weights["head.classifier.bias"])
    with pytest.raises(ConfigError, match=r"checkpoint_key=ema is not in .*; it has state_dict, state_dict_ema"):
        load_checkpoint(path, "ema", build())


class Harmful:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (Path("/tmp/cu-was-here").touch, ())


def nan(network):
    state = {n: t.clone() for n, t in network.state_dict().items()}
    next(iter(state.values())).view(-1)[0] = float("nan")
    return state


def renamed(network, classes=7):
    state = dict(network.state_dict())
    *_, weight, bias = (n for n in state if not n.endswith("num_batches_tracked"))
    return {**state, weight: torch.zeros(classes, state[weight].shape[1]), bias: torch.zeros(classes)}


def saved(content):
    return lambda network, path: torch.save(content(network), path)


def cut(network, path):
    torch.save(network.state_dict(), path)
    path.write_bytes(path.read_bytes()[:3000])


def foreign_zip(network, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", "x")


REFUSED = {
    "nan": (saved(nan), r"is not finite \(NaN or infinite\): the training that wrote the file diverged"),
    "classes": (saved(renamed), "the file knows 7 classes, the data set has 3"),
    "optimizer": (saved(lambda n: {"optimizer": optimizer(n), "epoch": 2}), "holds no state_dict .*: optimizer, epoch"),
    "ambiguous": (saved(lambda n: {"a": n.state_dict(), "b": n.state_dict()}), r"say model.checkpoint_key=a\|b"),
    "script": (lambda n, path: torch.jit.script(nn.Linear(2, 2)).save(path), "TorchScript .* torch.save"),
    "cut": (cut, "damaged, or no file of weights"),
    "text": (lambda n, path: path.write_text("hello"), "damaged, or no file of weights"),
    "empty": (lambda n, path: path.write_bytes(b""), "damaged, or no file of weights"),
    "keras": (lambda n, path: path.write_bytes(b"\x89HDF\r\n"), "an HDF5 file, as Keras writes them"),
    "pickle": (lambda n, path: path.write_bytes(pickle.dumps(Harmful(), protocol=2)), "damaged, or no file of weights"),
    "half a header": (lambda n, path: path.write_bytes(b"\x08\0\0\0\0\0\0\0{"), "damaged, or no file of weights"),
    "zip": (foreign_zip, "a zip archive without weights of torch"),
    "numbers": (saved(lambda n: [1, 2]), "holds no state_dict"),
    "foreign": (saved(lambda n: {"a.weight": torch.ones(2, 2)}), "does not fit the model: .* missing"),
    "part": (saved(lambda n: dict(list(n.state_dict().items())[2:])), "does not fit the model: .* missing"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line_that_says_what_to_do(name, family, tmp_path):
    make, build = FAMILIES[family]
    writer, message = REFUSED[name]
    writer(trained(make), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match=message) as caught:
        load_checkpoint(tmp_path / "a.pt", None, build())
    assert str(caught.value).startswith(f"model.checkpoint={tmp_path / 'a.pt'}")
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    for name, reason in (
        ("none.pt", "does not exist"),
        (".", "is a folder without model.safetensors or"),
    ):
        with pytest.raises(ConfigError, match=f"^model.checkpoint=.*{reason}"):
            load_checkpoint(tmp_path / name, None, FAMILIES["resnet"][1]())


@pytest.mark.parametrize("new", [True, False])
def test_nothing_in_a_file_runs(new, tmp_path):
    network, path = trained(CifarResNet18), tmp_path / "a.pt"
    torch.save({"net": network.state_dict(), "x": Harmful()}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ConfigError, match="damaged, or no file of weights"):
        load_checkpoint(path, None, FAMILIES["resnet"][1]())
    assert not Path("/tmp/cu-was-here").exists()


def test_a_refusal_says_which_option_the_file_wants(tmp_path):
    import torchvision

    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), tmp_path / "tv.pt")
    torch.save(CifarResNet18().state_dict(), tmp_path / "cifar.pt")
    torch.save(tiny_vit().state_dict(), tmp_path / "vit.pt")
    projection = ResNet(depth=18, width=4, head="projection", dim=8).build(3, SHAPE)
    narrow = ResNet(depth=34, width=2, head="linear", dim=8).build(3, SHAPE)
    for name, model, advice in (
        ("tv", projection, "say model=resnet18 model.stem=large model.head=linear$"),
        ("cifar", projection, "say model.head=linear$"),
        ("cifar", narrow, "say model=resnet18 model.head=linear model.width=4$"),
        ("vit", projection, "model=torchvision model.name=vit_...$"),
    ):
        with pytest.raises(ConfigError, match=advice):
            load_checkpoint(tmp_path / f"{name}.pt", None, model)
