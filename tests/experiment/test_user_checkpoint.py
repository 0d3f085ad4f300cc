"""A network of the user's own goes in and comes out under its own names."""

from pathlib import Path

import pytest
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
        self.fc = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc(self.body(x).flatten(1))


@pytest.fixture
def own_network(tmp_path, monkeypatch):
    """A module `own_net` with a function `make`, and a checkpoint of Lightning's kind in the current folder."""
    code = __import__("inspect").getsource(Net)
    (tmp_path / "own_net.py").write_text(f"from torch import nn\n\n\n{code}\n\ndef make():\n    return Net()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = Net()
    torch.save({"state_dict": {f"model.{n}": t for n, t in network.state_dict().items()}, "epoch": 3}, "mine.ckpt")
    return network


def test_weights_come_back_in_the_user_s_format_and_the_printed_lines_load_them(command, tiny, own_network, tmp_path):
    words = [w for w in tiny if not w.startswith("model.")]
    words += ["model=user", "model.factory=own_net:make", "model.checkpoint=mine.ckpt", "reference.k=0"]
    first = command("unlearn", *words)
    assert first.code == 0, first
    assert any("the weights at 'state_dict', without the prefix 'model.'" in line for line in first.err)
    again = command("unlearn", *words)
    for ended in (first, again):
        lines = ended.out.splitlines()
        place = next(i for i, line in enumerate(lines) if line.startswith("Yours    "))
        network = Net()
        exec("\n".join(line.strip() for line in lines[place + 1 : place + 4]), {"network": network})
        assert not torch.equal(network.fc.weight, own_network.fc.weight)
    content = torch.load(lines[place].removeprefix("Yours    "), weights_only=True)
    assert (content["epoch"], list(content["state_dict"])) == (3, [f"model.{n}" for n in own_network.state_dict()])
    file = Path(lines[place].removeprefix("Yours    "))
    (record,) = tmp_path.rglob("unlearned.json")
    whole = file.read_bytes(), record.read_bytes()
    file.unlink()
    record.write_bytes(whole[1][:20])
    mended = command("unlearn", *words)
    assert mended.code == 0, mended
    assert (file.read_bytes(), record.read_bytes()) == whole
    assert not any("forgets" in line for line in mended.err)
