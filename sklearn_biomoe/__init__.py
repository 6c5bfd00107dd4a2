"""Biosignals to images to Tiny-BioMoE embeddings, as scikit-learn transformers."""

from ._version import __version__
from .images.stack import BiosignalImages
from .pipelines import make_biosignal_embedder, make_multimodal_embedder
from .signals import EDADecomposer, SignalFilter, SubjectScaler
from .transformers import BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning

__all__ = [
    "BiosignalImageTransformer",
    "BiosignalImages",
    "EDADecomposer",
    "SignalFilter",
    "SubjectScaler",
    "TinyBioMoEEmbedder",
    "UntrainedBackboneWarning",
    "__version__",
    "make_biosignal_embedder",
    "make_multimodal_embedder",
]
