"""The two transformers: signals to images, and images to embeddings."""

from .embedder import TinyBioMoEEmbedder, UntrainedBackboneWarning
from .image_transformer import BiosignalImageTransformer

__all__ = ["BiosignalImageTransformer", "TinyBioMoEEmbedder", "UntrainedBackboneWarning"]
