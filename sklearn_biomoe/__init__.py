"""Biosignals to pictures to Tiny-BioMoE embeddings, as scikit-learn transformers."""

from ._version import __version__
from .images import BiosignalImages
from .signals import EDADecomposer, SignalFilter, SubjectScaler
from .transformers import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    UntrainedBackboneWarning,
)

__all__ = [
    "BiosignalImageTransformer",
    "BiosignalImages",
    "EDADecomposer",
    "SignalFilter",
    "SubjectScaler",
    "TinyBioMoEEmbedder",
    "UntrainedBackboneWarning",
    "__version__",
]
