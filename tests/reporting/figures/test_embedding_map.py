import numpy as np
import pytest

from cu.metrics.predictions import Predictions
from cu.reporting.figures.map_samples import choose


def part(count, first, classes=4):
    ids = first + np.random.default_rng(first).permutation(count)
    embedding = np.stack([ids, ids], axis=1).astype(np.float32)
    return Predictions(np.zeros((count, classes), dtype=np.float32), embedding, ids % classes, ids)


def test_classes_alike_and_forgotten_classes_from_both_splits():
    samples = choose(part(400, 0), part(400, 1000), np.arange(0, 400, 4), (0,), most=80)
    assert np.bincount(samples.label).tolist() == [20] * 4
    assert samples.forgotten.sum() == 20
    assert samples.split[samples.forgotten].tolist() == ["train"] * 10 + ["test"] * 10
    assert samples.forgotten[-20:].all(), "they must be drawn on top"


def test_a_quarter_are_forgotten_samples():
    forget = np.arange(100, 200)
    samples = choose(part(400, 0), part(400, 1000), forget, (), most=80)
    assert samples.forgotten.sum() == 20
    assert np.isin(samples.id[samples.forgotten], forget).all()
    assert not np.isin(samples.id[~samples.forgotten], forget).any()
    assert len(samples.id) <= 80


def test_embeddings_are_found_by_id_whatever_the_order():
    train, test = part(40, 0), part(40, 1000)
    samples = choose(train, test, np.arange(0, 40, 4), (0,), most=40)
    shuffled = [p.take(np.random.default_rng(3).permutation(len(p))) for p in (train, test)]
    assert samples.embedding(*shuffled)[:, 0].tolist() == samples.id.tolist()


@pytest.mark.parametrize(("kind", "name"), [("embedding_map", "t-SNE"), ("embedding_plane", "PCA")])
def test_one_map_per_model_of_the_same_samples(filled, kind, name):
    drawing = filled.drawing(kind)
    assert drawing.data["model"].unique().tolist() == ["original", "contrastive", "finetune", "retrained"]
    assert drawing.data.groupby("model")["id"].apply(tuple).nunique() == 1
    purity = drawing.data.groupby("model")["purity"].first()
    assert f"contrastive {100 * purity['contrastive']:.0f} %" in drawing.alt
    assert name in drawing.title
    assert "2 bag" in drawing.reading
