"""Occlusion: how far the decision falls if a patch of an image is masked."""

from __future__ import annotations

from .._typing import FloatArray
from ..inference import embed
from .decisions import RecordedImage, RecordedWindow
from .grids import Grid
from .masking import mask_patches


def occlude(window: RecordedWindow, image: RecordedImage, grid: Grid) -> FloatArray:
    """Return how far masking each patch lowers the decision: (n_patches,).

    Embeddings of masked images are not cached. See Zeiler and Fergus (2014), "Visualizing and
    understanding convolutional networks".
    """
    embedder = image.call.embedder
    embeddings = embed(
        embedder._engine(),
        mask_patches(image.shown, grid)[:, None],  # (n_patches, 1, H, W, 3)
        batch_size=embedder._batch_size(),
        progress=embedder.progress,
    )
    return window.value - window.decide_with(image, embeddings[:, 0])
