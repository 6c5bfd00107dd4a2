"""How the open weights are made: simulated signals with known parameters, objectives, a recipe."""

from .simulators import KINDS, Simulated, simulate

__all__ = ["KINDS", "Simulated", "simulate"]
