import numpy as np

from cu.engine.recipe import Sgd
from cu.experiment.audits.retain_relearning import RetainRelearningAudit

AUDIT = RetainRelearningAudit(
    optimizer=Sgd(lr=0.02, momentum=0.9, weight_decay=0.0, nesterov=False),
    batch_size=16,
    batchnorm="train",
    max_steps=12,
    every=6,
    orders=2,
)


def test_every_model_has_curves_of_its_own(make_scene):
    found = AUDIT.examine(make_scene("class", references=2))
    for one in (found.judged, *found.references, found.original):
        assert one.steps[-1] == 12
        assert one.judged.shape == (2, len(one.steps))
    again = AUDIT.examine(make_scene("class", references=2))
    assert np.array_equal(again.judged.judged, found.judged.judged)


def test_a_retrained_model_finds_no_class_it_has_never_seen(make_scene):
    found = AUDIT.examine(make_scene("class", method="retrain"))
    assert found.judged.judged.max() == 0
    assert found.references[0].judged.max() == 0
    assert found.original.judged[:, 0].min() > 0.5
