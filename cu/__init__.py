"""Machine unlearning of image classifiers: an experiment runner that tells the truth."""

__version__ = "0.1.0"
