"""Weights of the backbone: found by name or path, verified, and read without executing code."""

from .loading import BackboneWeights, convert, load_backbone, weights_sha256
from .model_card import export
from .random_weights import random_backbone

__all__ = [
    "BackboneWeights",
    "convert",
    "export",
    "load_backbone",
    "random_backbone",
    "weights_sha256",
]
