"""`settings=published` brings what papers and releases state, number by number."""

import pytest

from cu.config.build import composed

# meghdadk/SCRUB, MIA_experiments.ipynb: retain_bs, forget_bs, ng_alpha, ng_epochs, ng_lr, and plain SGD.
NEGGRAD_PLUS = {
    "retain_weight": 0.9999,
    "forget_batch_size": 16,
    "recipe.batch_size": 32,
    "recipe.epochs": 5,
    "recipe.schedule": "constant",
    "recipe.optimizer.lr": 0.01,
    "recipe.optimizer.momentum": 0.0,
    "recipe.optimizer.weight_decay": 0.0,
}
# OPTML-Group/Unlearn-Saliency, Classification: the README's example, arg_parser.py's defaults, labels in unlearn/RL.py.
SALUN = {
    "saliency": 0.5,
    "order": "sequential",
    "labels": "any",
    "redraw": True,
    "recipe.batch_size": 256,
    "recipe.epochs": 10,
    "recipe.optimizer.lr": 0.013,
    "recipe.optimizer.momentum": 0.9,
    "recipe.optimizer.weight_decay": 5e-4,
}
# if-loops/selective-synaptic-dampening, src/forget_random_main.py: selection_weighting, dampening_constant, batches.
SSD = {
    "threshold": 10.0,
    "threshold_unit": "absolute",
    "dampening": 1.0,
    "importance": "grad2_batch",
    "batch_size": 128,
}
STATED = [
    ("cifar10", "neggrad_plus", NEGGRAD_PLUS),
    ("cifar10", "salun", SALUN),
    ("svhn", "salun", SALUN),
    ("cifar10", "ssd", SSD),
    ("svhn", "ssd", SSD),
]


@pytest.mark.parametrize(("dataset", "method", "stated"), STATED)
def test_random_samples_are_forgotten_by_the_stated_settings(dataset, method, stated):
    config = composed("settings=published", f"dataset={dataset}", "scenario=sample", f"method={method}")["method"]

    def found(path):
        node = config
        for name in path.split("."):
            node = node[name]
        return node

    assert {path: found(path) for path in stated} == stated
