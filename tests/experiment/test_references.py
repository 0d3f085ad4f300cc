import pytest
import torch
from torch.utils.data import DataLoader

from cu.config.reference import ReferenceConfig
from cu.errors import ConfigError
from cu.experiment.references import Logits, Samples, references
from cu.store.models import ModelStore

CODE = """
import torch

def train(network, dataset, seed):
    torch.manual_seed(seed)
    images, labels = zip(*(dataset[i] for i in range(len(dataset))))
    images, labels = torch.stack(images), torch.tensor(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

def wrong(network, dataset, seed):
    return network
"""


@pytest.fixture
def bench(make_bench, tmp_path, monkeypatch):
    (tmp_path / "own_training.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda **asked: make_bench(store=ModelStore(tmp_path / "models"), reference=ReferenceConfig(**asked))


def test_files_of_the_user_s_come_first_and_the_recipe_trains_the_rest(bench, toy_tasks, make_model, tmp_path):
    torch.manual_seed(5)
    mine = make_model()
    torch.save({"net": mine.state_dict()}, tmp_path / "mine.pt")
    workspace = bench(k=2, checkpoints=[str(tmp_path / "mine.pt")])
    first, second = references(workspace, toy_tasks["class"].retain)
    assert torch.equal(first.weights["head.classifier.weight"], mine.state_dict()["head.classifier.weight"])
    assert first.record["cost"] is None
    assert second.folder == workspace.reference(toy_tasks["class"].retain, 1).folder
    other = references(workspace, toy_tasks["sample"].retain)[0]
    assert other.folder != first.folder, "what it was trained without is part of what it is"


def test_a_function_of_the_user_s_trains_and_its_source_counts(bench, toy_tasks, tmp_path):
    retain = toy_tasks["class"].retain
    workspace = bench(k=2, train="own_training:train")
    first, second = references(workspace, retain)
    blank = workspace.context(first.record["identity"]["seed"]).new_model().state_dict()
    assert not torch.equal(first.weights["head.classifier.weight"], blank["head.classifier.weight"])
    assert not torch.equal(first.weights["head.classifier.weight"], second.weights["head.classifier.weight"])
    (tmp_path / "own_training.py").write_text(CODE + "\n# edited\n")
    assert references(workspace, retain)[0].folder != first.folder


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"train": "own_training:none"}, r"^reference\.train=own_training:none: module own_training has no function"),
        ({"train": "own_training:wrong"}, r"^reference\.train=own_training:wrong must train the network it is given"),
        ({"checkpoints": ["none.pt"]}, r"^reference\.checkpoints=none\.pt cannot be read"),
    ],
)
def test_mistakes_name_the_setting(bench, toy_tasks, asked, message):
    with pytest.raises(ConfigError, match=message):
        references(bench(k=1, **asked), toy_tasks["class"].retain)


def test_what_the_user_s_code_is_handed_is_a_plain_network_and_a_torch_data_set(toy_tasks, make_model):
    retain = toy_tasks["class"].retain
    images, labels = next(iter(DataLoader(Samples(retain), batch_size=7)))  # type: ignore[arg-type]
    assert torch.equal(images, retain.eval_view(torch.arange(7)))
    assert labels.tolist() == retain.labels[:7].tolist()
    assert Logits(make_model())(images).shape == (7, 4)
