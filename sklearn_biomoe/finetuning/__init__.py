"""Fine-tuning: a head on the backbone, and as much of that as is wanted, trained on labels."""

from .estimators import TinyBioMoEClassifier, TinyBioMoERegressor

__all__ = ["TinyBioMoEClassifier", "TinyBioMoERegressor"]
