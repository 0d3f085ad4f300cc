import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score
from torch import tensor
from torch.nn.functional import cross_entropy

from cu.reporting.figures.histograms import BINS, bin_edges, bin_shares
from cu.store.outputs import load_scores


def parts(folder):
    """Loss and entropy of forgotten, unseen and kept samples of the first contrastive run, by other libraries."""
    arrays = load_scores(folder / "predictions.npz")

    def of(split, wanted):
        chosen = np.isin(arrays[f"{split}/label"], wanted)
        logits, label = arrays[f"{split}/logits"][chosen].astype(float), arrays[f"{split}/label"][chosen]
        loss = cross_entropy(tensor(logits), tensor(label), reduction="none").numpy()
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return {"loss": loss, "entropy": entropy(p, axis=1)}

    return {"forget": of("train", [2]), "matched": of("test", [2]), "retain": of("train", [0, 1])}


@pytest.mark.parametrize("name", ["loss", "entropy"])
def test_bins_equal_numpys(filled, name):
    data = filled.drawing("histograms").data
    first = sorted(filled.outputs.glob("runs/*/*/*/contrastive/*"))[0]
    for group, found in parts(first).items():
        own = data.loc[(data["model"] == "contrastive") & (data["statistic"] == name) & (data["group"] == group)]
        edges = np.append(own["left"], own["right"].iloc[-1])
        expected = np.histogram(np.clip(found[name], edges[0], edges[-1]), edges)[0] / len(found[name])
        assert own["share"].to_numpy() == pytest.approx(expected, abs=0.07)  # one of 15 may sit on an edge
        assert own["share"].sum() == pytest.approx(1)


def test_all_panels_share_bins(filled):
    data = filled.drawing("histograms").data
    assert data.groupby("statistic")["left"].nunique().tolist() == [BINS, BINS]


def test_auc_equals_scikit_learns(filled):
    alt = filled.drawing("histograms").alt
    first = sorted(filled.outputs.glob("runs/*/*/*/contrastive/*"))[0]
    found = parts(first)
    areas = [
        roc_auc_score([1] * 15 + [0] * 8, -np.concatenate([found["forget"][name], found["matched"][name]]))
        for name in ("loss", "entropy")
    ]
    assert f"contrastive: AUC of loss {areas[0]:.2f}, of entropy {areas[1]:.2f}" in alt


def test_what_lies_outside_counts_in_the_outer_bins():
    edges = bin_edges("loss", np.array([1e-30, 1e9]), 10)
    assert edges[[0, -1]] == pytest.approx([1e-4, 20])
    shares = bin_shares(np.array([0.0, 1e9, 1e9, 1.0]), edges)
    assert shares[0] == 0.25
    assert shares[-1] == 0.5
    assert bin_edges("entropy", np.array([0.0]), 10)[-1] == pytest.approx(np.log(10))
    assert np.diff(bin_edges("loss", np.array([1e9]), 10)).min() > 0
