from types import SimpleNamespace

import pytest

from cu.data.scenarios.id_files import Named
from cu.store.forget_ids import write_forget_ids
from cu.store.removed import removal_of


@pytest.mark.parametrize(
    "weights", ["model.safetensors", "unlearned.pth", "unlearned", "unlearned/pytorch_model.bin"], ids=str
)
def test_weights_in_either_format_know_what_their_run_removed(tmp_path, weights):
    write_forget_ids(tmp_path, [Named("line 1", 4), Named("line 2", 2)])
    config = SimpleNamespace(removed=[], checkpoint=str(tmp_path / weights))
    found = removal_of(config)  # type: ignore[arg-type]
    assert [entry.id for entry in found.entries] == [4, 2]
    assert list(found.sources) == [tmp_path]


def test_weights_of_nobodys_run_know_nothing(tmp_path):
    config = SimpleNamespace(removed=[], checkpoint=str(tmp_path / "unlearned" / "mine.pth"))
    assert removal_of(config).entries == ()  # type: ignore[arg-type]
