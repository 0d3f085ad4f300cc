"""Audits of methods that leave a network of another form than the original's."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cu.experiment.audits.layers import LayerAudit
from cu.experiment.audits.stages import StageAudit
from cu.experiment.audits.weights import WeightAudit
from cu.methods.esc import Esc
from cu.methods.logit_mask import LogitMask
from cu.metrics.findings import DEPTHS
from cu.store.models import write_model


@pytest.fixture(params=[LogitMask(), Esc(share=0.2)], ids=["logit_mask", "esc"])
def context(request, make_scene):
    seed = 950 + isinstance(request.param, Esc)
    return replace(make_scene("class", references=2, method_seed=seed), method=request.param)


def test_it_is_loaded_as_the_method_left_it(context):
    model = context.load(context.unlearned())
    again = context.method.unlearn(context.load(context.original), context.task, context.workspace.context(0))
    images = context.task.test.eval_view(torch.arange(6))
    with torch.no_grad():
        torch.testing.assert_close(model(images), again(images))


def test_a_saved_outcome_is_loaded_that_way_too(context):

    saved = context.method.unlearn(context.load(context.original), context.task, context.workspace.context(0))
    write_model(context.plan.folder.path, saved, {})
    kept = context.kept()
    assert kept is not None
    assert kept.state_dict().keys() == saved.state_dict().keys()


def test_stages_and_layers_are_those_of_the_encoder_that_both_share(context):
    found = StageAudit(max_samples=20).examine(context)
    assert len(found.judged.judged) == DEPTHS
    np.testing.assert_array_equal(found.judged.judged[0].forget.embedding, found.judged.original[0].forget.embedding)
    layers = LayerAudit(max_samples=20).examine(context)
    np.testing.assert_array_equal(layers.judged.judged["forget"][0], layers.judged.original["forget"][0])
    # Only an erasure is between the encoder's last weights and the head.
    other = isinstance(context.method, Esc)
    stages = (one[-1].forget.embedding for one in (found.judged.judged, found.judged.original))
    assert np.allclose(*stages) != other
    assert np.allclose(layers.judged.judged["forget"][-1], layers.judged.original["forget"][-1]) != other


def test_there_is_no_line_between_weights_of_different_networks(context):
    found = WeightAudit(points=3, max_samples=20).examine(context)
    assert np.isnan(found.judged.to_original.l2)
    assert np.isnan(found.judged.to_original.losses).all()
    assert np.isfinite(found.references[0].to_original.l2)
