"""Any network and data set in a notebook, by the engine of the commands."""

import copy
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.data import Subset, TensorDataset

import cu
from cu.config.build import composed
from cu.engine.recipe import AdamW
from cu.errors import ConfigError
from cu.notebook.samples import split, tensors
from cu.notebook.settings import method_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.fc = nn.Linear(32, 4)

    def forward(self, x):
        return self.fc(self.body(x).flatten(1))


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def samples(toy_data):
    """Normalised images as data sets: train, val, test, and where the class 2 is among the training samples."""
    found = {}
    for name in ("train", "val", "test"):
        part = getattr(toy_data, name)
        found[name] = TensorDataset(part.eval_view(torch.arange(len(part))), part.labels)
    gone = toy_data.train.labels == 2
    pick = [Subset(found["train"], torch.nonzero(where).flatten().tolist()) for where in (gone, ~gone)]
    return {**found, "forget": pick[0], "retain": pick[1]}


def fit(data, epochs=30, seed=0):
    torch.manual_seed(seed)
    network = Net()
    images, labels = (torch.stack(list(part)) for part in zip(*data, strict=True))
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def networks(samples):
    """The original, two retrained ones, and one that has forgotten."""
    original, *retrained = fit(samples["train"]), fit(samples["retain"], seed=1), fit(samples["retain"], seed=2)
    account = {}
    new = cu.unlearn(
        original, forget=samples["forget"], retain=samples["retain"], val=samples["val"], device="cpu", account=account,
        recipe={"epochs": 30, "optimizer": {"lr": 0.02}},
    )  # fmt: skip
    return original, retrained, new, account


def accuracy(network, data):
    images, labels = (torch.stack(list(part)) for part in zip(*data, strict=True))
    return accuracy_score(labels, network(images).argmax(1))


def test_a_network_forgets_a_class_and_the_given_one_stays(networks, samples):
    original, _, new, account = networks
    assert type(new) is Net
    assert accuracy(original, samples["forget"]) > 0.9 > 0.5 > accuracy(new, samples["forget"])
    assert accuracy(new, samples["retain"]) > 0.8
    assert account["steps"] > 0
    assert not new.training


def test_numbers_are_those_of_other_libraries_and_of_the_command_line_s_metrics(networks, samples):
    original, retrained, new, account = networks
    found = cu.audit(
        new, original, retrained, forget=samples["forget"], retain=samples["retain"], test=samples["test"],
        val=samples["val"], device="cpu", account=account,
    )  # fmt: skip
    frame = found.to_frame()
    assert frame.loc["forget_train_acc", "unlearned"] == pytest.approx(accuracy(new, samples["forget"]))
    assert frame.loc["retain_train_acc", "original"] == pytest.approx(accuracy(original, samples["retain"]))
    expected = np.mean([accuracy(network, samples["retain"]) for network in retrained])
    assert frame.loc["retain_train_acc", "retrained"] == pytest.approx(expected)
    assert frame.loc["eff/steps", "unlearned"] == account["steps"]
    assert frame.loc["agg/avg_gap", "status"] == "ok"
    assert found.case.forget_classes == (2,)
    assert found.doubts == ()
    assert "<table" in found._repr_html_()
    titles = [picture.title for picture in found.figures("histograms", "roc")]
    assert titles == [
        "Loss and entropy of forgotten, unseen and kept samples",
        "ROC of the loss attack at few false positives",
    ]
    with pytest.raises(ConfigError, match="'rok' is no figure"):
        found.figures("rok")


def test_without_a_retrained_network_what_needs_none_is_told(networks, samples):
    original, _, new, _ = networks
    given = {"forget": samples["forget"], "retain": samples["retain"], "test": samples["test"], "device": "cpu"}
    frame = cu.audit(new, original, suite="paper", **given).to_frame()
    assert frame["retrained"].isna().all()
    assert frame.loc["forget_train_acc", "status"] == "ok"
    silly = cu.audit(new, Net().eval(), suite="paper", **given)
    assert "chance" in silly.doubts[0]


def test_no_file_no_global_state(networks, samples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state()
    cu.unlearn(
        networks[0], forget=samples["forget"], retain=samples["retain"], method="retrain", device="cpu",
        training={"epochs": 1},
    )  # fmt: skip
    assert torch.equal(torch.get_rng_state(), before)
    assert not GlobalHydra.instance().is_initialized()
    assert os.listdir(tmp_path) == []


def test_every_method_of_the_command_line_is_there(networks, samples):
    for name in ("delete", "scrub", "ssd", "random_label"):
        node = composed(f"method={name}")["method"]
        epochs = {"recipe": {"epochs": 1}} if "recipe" in node else {}
        new = cu.unlearn(
            networks[0], forget=samples["forget"], retain=samples["retain"], val=samples["val"], method=name,
            device="cpu", **epochs,
        )  # fmt: skip
        assert not torch.equal(new.fc.weight, networks[0].fc.weight) or name == "ssd"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "contrastiv"}, r"^method=contrastiv does not exist: did you mean contrastive\?"),
        ({"temprature": 1}, "^temprature is not a setting of method=contrastive; did you mean temperature"),
        ({"temperature": -1.0}, r"^temperature must be greater than 0, got -1\.0"),
        ({"val": None}, r"^method=contrastive needs validation data: give val=, or stop_on to test or never"),
        ({"forget": (torch.zeros(3, 1, 6, 6, dtype=torch.uint8), [0, 1, 2])}, "^forget: images must be a float tensor"),
        ({"forget": (torch.zeros(3, 1, 6, 6), [0, 1, 9])}, r"^forget: labels must be in \[0, 4\)"),
        (
            {"forget": (torch.zeros(3, 1, 5, 6), [0, 1, 2])},
            r"^forget: images of \(1, 5, 6\), those of retain \(1, 6, 6\)",
        ),
        ({"forget": [1, 2]}, "^forget: each sample must be"),
        ({"head": "body.0"}, "^head='body.0' is no linear layer of Net"),
        ({"device": "cuda:99"}, "^device="),
        ({"training": {"epochs": -1}}, r"^training\.epochs must be greater than"),
        ({"training": {"epoch": 1}}, r"^epoch is not a setting of training; did you mean epochs\?"),
        ({"training": {"optimizer": "adam"}}, r"^optimizer=adam does not exist: did you mean adamw\?"),
        ({"recipe": {"optimizer": 0.1}}, "^method=contrastive recipe optimizer must be a dict of some of lr, momentum"),
        ({"recipe": 3}, "^method=contrastive recipe must be a dict of some of augment, batch_size"),
        ({"temperature": np.array([1.0, 2.0])}, r"^temperature must be a number, got \[1\.0, 2\.0\]"),
        ({"forget": (torch.zeros(3, 1, 6, 6), [0, 1, 2.5])}, "^forget: labels must be whole numbers$"),
        ({"forget": (torch.zeros(3, 1, 6, 6), ["a", "b", "c"])}, "^forget: labels must be whole numbers: "),
        ({"forget": (torch.zeros(0, 1, 6, 6), [])}, r"^forget: \(0,\) labels for 0 images"),
        ({"forget": []}, "^forget has no samples$"),
        ({"forget": [{"image": torch.zeros(1, 6, 6), "label": 0}]}, "^forget: each sample must be .*KeyError"),
    ],
)
def test_mistakes_are_one_line(networks, samples, changes, message):
    given = {name: samples[name] for name in ("forget", "retain", "val")} | {"device": "cpu"} | changes
    with pytest.raises(ConfigError, match=message) as caught:
        cu.unlearn(networks[0], **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_forgets_in_float32_and_comes_back_in_its_own(networks, samples, dtype):
    given = {"forget": samples["forget"], "retain": samples["retain"], "method": "finetune"}
    own = Net().to(dtype)
    new = cu.unlearn(own, **given, device=torch.device("cpu"))
    same = cu.unlearn(copy.deepcopy(own).float(), **given, device="cpu")
    assert {parameter.dtype for parameter in new.parameters()} == {dtype}
    assert torch.equal(new.fc.weight, same.fc.weight.to(dtype))
    assert not torch.equal(new.fc.weight, own.fc.weight)


def test_settings_may_be_numbers_of_numpy_and_torch_and_optimizers_go_by_name(networks, samples):
    given = {"forget": samples["forget"], "retain": samples["retain"], "method": "finetune", "device": "cpu"}
    plain = cu.unlearn(networks[0], **given, recipe={"epochs": 2, "optimizer": {"lr": 0.25}})
    same = cu.unlearn(networks[0], **given, recipe={"epochs": np.int64(2), "optimizer": {"lr": torch.tensor(0.25)}})
    assert torch.equal(plain.fc.weight, same.fc.weight)
    by_name = cu.unlearn(networks[0], **given, recipe={"epochs": 2, "optimizer": "adamw"})
    assert not torch.equal(plain.fc.weight, by_name.fc.weight)
    assert method_of("finetune", {"recipe": {"optimizer": "adamw"}}).recipe.optimizer == AdamW(
        lr=1e-3, betas=[0.9, 0.999], weight_decay=0.01
    )


def test_labels_may_be_arrays_of_one(networks, samples):
    pairs = [(image, np.array([int(label)])) for image, label in samples["val"]]
    assert tensors(pairs, "val")[1].tolist() == [int(label) for _, label in samples["val"]]


def test_networks_and_names_of_another_number_of_classes_are_told(networks, samples):
    given = {name: samples[name] for name in ("forget", "retain", "test")}
    wider = copy.deepcopy(networks[0])
    wider.fc = nn.Linear(wider.fc.in_features, 7)
    with pytest.raises(ConfigError, match=r"^networks with different numbers of classes: .* 4, .* 4, retrained 0 7"):
        cu.audit(networks[0], networks[0], wider, **given, device="cpu")
    with pytest.raises(ConfigError, match=r"^class_names: 2 names for 4 classes$"):
        cu.audit(networks[0], networks[0], **given, class_names=["shirt", "shoe"], device="cpu")


def test_an_audit_is_shown_as_a_short_table(networks, samples):
    found = cu.audit(
        networks[0], networks[0], forget=samples["forget"], retain=samples["retain"], test=samples["test"],
        class_names=["ape", "bee", "<cat>", "dog"], device="cpu",
    )  # fmt: skip
    shown = repr(found)
    assert len(shown) < 20_000
    assert "retain_test_acc" in shown
    assert "array(" not in shown
    assert found.class_names == ("ape", "bee", "<cat>", "dog")


def test_images_pass_through_a_split_unchanged():
    images = torch.randn(5, 3, 4, 4)
    part = split("retain", torch.cat([torch.zeros(10, 3, 4, 4), images]), torch.arange(5), 10)
    assert torch.equal(part.eval_view(torch.arange(5)), images)
    assert replace(part).ids.tolist() == [10, 11, 12, 13, 14]


def test_the_package_says_what_it_has():
    with pytest.raises(AttributeError, match="it has Audit, audit, unlearn"):
        _ = cu.learn
