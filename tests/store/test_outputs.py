import numpy as np
import pytest

from cu.disk.files import Damaged
from cu.store import outputs
from cu.store.outputs import load_scores, save_scores


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "LARGE", 1000)
    path, rng = tmp_path / "predictions.npz", np.random.default_rng(0)
    arrays = {
        "train/logits": rng.normal(size=(50, 7)).astype(np.float32),
        "train/embedding": np.asfortranarray(rng.normal(size=(50, 30)).astype(np.float16)),
        "train/label": np.arange(50),
    }
    save_scores(path, arrays)
    return path, arrays


def test_large_arrays_are_mapped_and_the_same(written):
    path, arrays = written
    found = load_scores(path)
    assert {name for name, array in found.items() if isinstance(array, np.memmap)} == {
        "train/logits",
        "train/embedding",
    }
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("place", [200, 1000, 3000, 4500])
def test_a_changed_byte_in_a_mapped_array_is_noticed(written, place):
    path, _ = written
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        load_scores(path)


def test_a_mapped_file_may_be_replaced(written):
    path, arrays = written
    found = load_scores(path)
    save_scores(path, {"train/logits": np.zeros(3)})
    np.testing.assert_array_equal(found["train/logits"], arrays["train/logits"])
