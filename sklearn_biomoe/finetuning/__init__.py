"""Fine-tuning: train a head on the backbone, and optionally the backbone, on labelled windows."""

from .estimators import TinyBioMoEClassifier, TinyBioMoERegressor

__all__ = ["TinyBioMoEClassifier", "TinyBioMoERegressor"]
