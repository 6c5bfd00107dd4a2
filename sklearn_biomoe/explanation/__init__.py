"""Explanations: which seconds and frequencies the decision about a window depends on."""

from .attribution import Explanation, ImageExplanation, explain
from .plot import plot_explanation

__all__ = ["Explanation", "ImageExplanation", "explain", "plot_explanation"]
