"""Gradients: how the decision follows the pixels, from the blurred image to the one seen."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from .._typing import FloatArray
from ..inference import resolve_device
from .grids import Grid, ShownImage, project
from .masking import blur
from .pipeline_trace import AskedWindow, SeenImage

N_STEPS = 16  # images between the blurred one and the one seen
IMAGES_AT_ONCE = 4
MISSED = 0.25  # of all that pixels say, that 16 steps of a smooth decision do not miss
STEP = 1e-2  # of embeddings, of their root mean square


def integrate_gradients(
    window: AskedWindow, image: SeenImage, shown: ShownImage, grid: Grid
) -> FloatArray:
    r"""Return each patch's share of the way of the decision from the blurred image to this one.

    .. math:: (x - n) \cdot \frac{1}{16} \sum_s \nabla d(n + \alpha_s (x - n)),
              \quad \alpha_s = \frac{s - 1/2}{16}

    summed over the pixels of a patch, with the image x, the blurred image n and the decision
    d. All cells together make up d(x) - d(n), as far as 16 steps tell. The gradient of the
    embedding by the pixels is the backbone's own; that of the decision by the embedding is taken by
    central differences, whatever the steps after the embedder are.

    Returns
    -------
    shares : ndarray of shape (n_patches,)

    Warns
    -----
    UserWarning
        Where the gradients miss much of the way.

    References
    ----------
    Sundararajan, Taly and Yan (2017), "Axiomatic attribution for deep networks".
    """
    embedder: Any = window.embedders[image.embedder]
    device = resolve_device(embedder.device)
    backbone = window.backbone(image.embedder).to(device)
    seen, neutral = (
        torch.from_numpy(each.astype(np.float32) / 255).permute(2, 0, 1).to(device)
        for each in (np.asarray(shown.images)[0, 0], blur(shown))
    )
    shares = (torch.arange(N_STEPS, device=device) + 0.5) / N_STEPS
    path = neutral + shares[:, None, None, None] * (seen - neutral)  # (n_steps, 3, H, W)
    gradient = torch.zeros_like(seen)
    for images in path.split(IMAGES_AT_ONCE):
        images.requires_grad_()
        embeddings = backbone(images)  # (n, 192)
        slopes = np.stack(
            [slope(window, image, each) for each in embeddings.detach().cpu().double().numpy()]
        )
        told = torch.from_numpy(slopes).to(embeddings)
        (by_pixel,) = torch.autograd.grad((embeddings * told).sum(), images)
        gradient += by_pixel.sum(dim=0) / N_STEPS
    relevance = (gradient * (seen - neutral)).permute(1, 2, 0).double().cpu().numpy()
    with torch.inference_mode():
        start = window.ask(image, backbone(neutral[None]).cpu().double().numpy())[0]
    missed = abs(relevance.sum() - (window.value - start))
    if not gradient.any() or missed > MISSED * np.abs(relevance).sum():
        warnings.warn(
            f"The gradients of {shown.name!r} sum to {relevance.sum():.3g}, but from the blurred "
            f"image to the one seen the decision goes {window.value - start:+.3g}: it does not "
            "follow small changes of the embedding, as where trees or neighbours decide, or the "
            "image takes no part. Pass method='occlusion'.",
            UserWarning,
            stacklevel=5,
        )
    cells = project(relevance, shown, grid)
    return np.array([cells[patch].sum() for patch in grid.patches()])


def slope(window: AskedWindow, image: SeenImage, embedding: FloatArray) -> FloatArray:
    """Differentiate the decision by an embedding (192,), by central differences."""
    step = STEP * np.sqrt(np.mean(embedding**2)) or STEP
    steps = step * np.eye(len(embedding))
    there_and_back = np.concatenate([embedding + steps, embedding - steps])
    above, below = np.split(window.ask(image, there_and_back), 2)
    return (above - below) / (2 * step)
