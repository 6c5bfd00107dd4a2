"""Several modalities, one decision: embeddings averaged, or one estimator for each."""

from .additive import AdditiveFusion
from .late import LateFusionClassifier, LateFusionRegressor

__all__ = ["AdditiveFusion", "LateFusionClassifier", "LateFusionRegressor"]
