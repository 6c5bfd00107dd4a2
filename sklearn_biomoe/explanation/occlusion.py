"""Occlusion: how far the decision falls if a patch of an image is masked."""

from __future__ import annotations

from .._typing import FloatArray
from .decisions import RecordedImage, RecordedWindow
from .grids import Grid
from .masking import mask_patches


def occlude(window: RecordedWindow, image: RecordedImage, grid: Grid) -> FloatArray:
    """Return how far masking each patch lowers the decision: (n_patches,).

    See Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks".
    """
    masked = mask_patches(image.shown, grid)[:, None]  # (n_patches, 1, H, W, 3)
    return window.value - window.decide_with(image, image.call.embed(masked)[:, 0])
