"""Occlusion: how the decision changes where patches of an image are hidden."""

from __future__ import annotations

from typing import Any

from .._typing import FloatArray
from .grids import Grid, ShownImage
from .masking import hide_patches
from .pipeline_trace import AskedWindow, SeenImage


def occlude(window: AskedWindow, image: SeenImage, shown: ShownImage, grid: Grid) -> FloatArray:
    """Return how far hiding each patch lowers the decision: (n_patches,).

    The hidden images are remembered by no cache.

    References
    ----------
    Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks".
    """
    from ..inference import embed

    embedder: Any = window.embedders[image.embedder]
    hidden = hide_patches(shown, grid)[:, None]  # (n_patches, 1, H, W, 3)
    embeddings = embed(
        embedder._engine(),
        hidden,
        batch_size=embedder._batch_size(),
        progress=embedder.progress,
    )
    return window.value - window.ask(image, embeddings[:, 0])
