"""The Tiny-BioMoE backbone: as published, in a form for fast inference, and in ONNX form."""

from .network import TinyBioMoE

__all__ = ["TinyBioMoE"]
