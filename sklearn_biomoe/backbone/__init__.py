"""The Tiny-BioMoE backbone: as published, in a fast form, and in ONNX form."""

from .network import TinyBioMoE

__all__ = ["TinyBioMoE"]
