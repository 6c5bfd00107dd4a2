"""Pretraining of the open weights: simulated windows, objectives and the recipe."""

from .simulators import KINDS, Simulated, simulate

__all__ = ["KINDS", "Simulated", "simulate"]
