"""Fusion of several modalities: the mean of their embeddings, or one estimator per modality."""

from .additive import AdditiveFusion
from .late import LateFusionClassifier, LateFusionRegressor

__all__ = ["AdditiveFusion", "LateFusionClassifier", "LateFusionRegressor"]
