"""Occlusion: how the decision changes where patches of a picture are hidden."""

from __future__ import annotations

from typing import Any

from .grids import Array, Grid, ShownPicture
from .hiding import hide_patches
from .pipelines import AskedWindow, SeenPicture


def occlude(window: AskedWindow, picture: SeenPicture, shown: ShownPicture, grid: Grid) -> Array:
    """Return how far hiding each patch lowers the decision: (n_patches,).

    The hidden pictures are remembered by no cache.

    References
    ----------
    Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks".
    """
    from ..inference import embed

    embedder: Any = window.embedders[picture.embedder]
    hidden = hide_patches(shown, grid)[:, None]  # (n_patches, 1, H, W, 3)
    embeddings = embed(
        embedder._engine(),
        hidden,
        batch_size=embedder._batch_size(),
        progress=embedder.progress,
    )
    return window.value - window.ask(picture, embeddings[:, 0])
