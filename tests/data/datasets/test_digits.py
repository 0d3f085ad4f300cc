import numpy as np
import torch
from sklearn.datasets import load_digits


def test_images_and_labels_are_those_of_scikit_learn(build_dataset, tmp_path):
    data = build_dataset("digits").load(tmp_path)
    bunch = load_digits()
    for split in (data.train, data.val, data.test):
        pixels = split.images[split.rows].squeeze(1).double().numpy()
        # 16 levels over 0..255 are 15.9 apart, so rounding loses nothing.
        np.testing.assert_array_equal(np.rint(pixels * 16 / 255), bunch.images[split.ids.numpy()])
        np.testing.assert_array_equal(split.labels.numpy(), bunch.target[split.ids.numpy()])
    assert data.train.images.dtype == torch.uint8
    assert int(data.train.images.max()) == 255
    assert data.shape == (1, 8, 8)
    assert data.class_names == tuple("0123456789")


def test_splits_are_disjoint_complete_and_stratified(build_dataset, tmp_path):
    data = build_dataset("digits", val_fraction=0.1).load(tmp_path)
    ids = torch.cat([data.train.ids, data.val.ids, data.test.ids])
    assert ids.sort().values.equal(torch.arange(1797))
    assert (len(data.train) + len(data.val), len(data.val), len(data.test)) == (1438, 144, 359)
    for split in (data.train, data.val, data.test):
        counts = split.labels.bincount(minlength=10)
        assert int(counts.max() - counts.min()) <= 10


def test_normalisation_constants_are_those_of_the_training_images(build_dataset, tmp_path):
    data = build_dataset("digits", val_fraction=0.0).load(tmp_path)
    view = data.train.eval_view(torch.arange(len(data.train)))
    assert abs(float(view.mean())) < 1e-3
    assert abs(float(view.std(correction=0)) - 1) < 1e-3


def test_digits_need_no_folder(build_dataset, tmp_path):
    build_dataset("digits").load(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
