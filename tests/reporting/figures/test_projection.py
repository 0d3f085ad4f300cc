import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from cu.reporting.figures.projection import aligned_plane, neighbour_purity, tsne


@pytest.fixture
def cloud():
    return np.random.default_rng(0).normal(size=(60, 5)) * [5, 3, 1, 1, 1]


def test_a_turned_moved_and_scaled_copy_falls_on_the_original(cloud):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))
    assert aligned_plane(7 * cloud @ turn + 3, cloud) == pytest.approx(aligned_plane(cloud, cloud))


def test_the_plane_is_that_of_scikit_learns_pca(cloud):
    plane = aligned_plane(cloud, cloud)
    expected = PCA(2).fit_transform(cloud)
    assert pdist(plane) / pdist(plane).max() == pytest.approx(pdist(expected) / pdist(expected).max())


def test_purity_equals_scikit_learns_neighbours(cloud):
    label, chosen = np.arange(60) % 3, np.arange(60) % 4 == 0
    neighbours = NearestNeighbors(n_neighbors=11).fit(cloud).kneighbors(cloud[chosen], return_distance=False)[:, 1:]
    expected = (label[neighbours] == label[chosen][:, None]).mean()
    assert neighbour_purity(cloud, label, chosen) == pytest.approx(expected)
    assert np.isnan(neighbour_purity(cloud, label, np.zeros(60, dtype=bool)))


def test_tsne_repeats_and_is_kept_by_content(cloud, tmp_path):
    first = tsne(cloud, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert tsne(cloud, None) == pytest.approx(first, abs=0)
    changed = kept.stat().st_mtime_ns
    assert tsne(cloud, tmp_path) == pytest.approx(first, abs=0)
    assert kept.stat().st_mtime_ns == changed
    tsne(cloud + 1e-3, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_made_again(cloud, tmp_path):
    first = tsne(cloud, tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"PK")
    assert tsne(cloud, tmp_path) == pytest.approx(first, abs=0)


def test_a_collapsed_embedding_is_one_point():
    assert tsne(np.ones((20, 4)), None).tolist() == [[0, 0]] * 20
