"""Explanations: which seconds and which hertz moved the decision about a window."""

from .drawing import plot_explanation
from .explaining import Explanation, PictureExplanation, explain

__all__ = ["Explanation", "PictureExplanation", "explain", "plot_explanation"]
