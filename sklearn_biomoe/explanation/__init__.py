"""Explanations: which seconds and which hertz moved the decision about a window."""

from .attribution import Explanation, ImageExplanation, explain
from .plot import plot_explanation

__all__ = ["Explanation", "ImageExplanation", "explain", "plot_explanation"]
