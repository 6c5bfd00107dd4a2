"""The two transformers: signals to pictures, and pictures to embeddings."""

from .drawing import BiosignalImageTransformer
from .embedding import TinyBioMoEEmbedder, UntrainedBackboneWarning

__all__ = ["BiosignalImageTransformer", "TinyBioMoEEmbedder", "UntrainedBackboneWarning"]
