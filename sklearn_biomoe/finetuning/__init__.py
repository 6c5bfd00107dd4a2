"""Fine-tuning: a head on the backbone, and as much of the backbone as is wanted, trained on labels."""

from .estimators import TinyBioMoEClassifier, TinyBioMoERegressor

__all__ = ["TinyBioMoEClassifier", "TinyBioMoERegressor"]
