"""Integrated gradients: how the decision changes from the blurred image to the original."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from .._typing import FloatArray
from ..inference import resolve_device, use_precision
from .decisions import RecordedImage, RecordedWindow
from .grids import Grid, patch_weights
from .masking import blur

N_STEPS = 16  # images from the blurred image to the original
IMAGES_AT_ONCE = 4
MAX_GAP = 0.25  # of the summed absolute relevance; 16 steps of a smooth decision stay below
STEP = 1e-2  # of central differences, relative to the root mean square of the embedding


def integrate_gradients(window: RecordedWindow, image: RecordedImage, grid: Grid) -> FloatArray:
    r"""Return each patch's share of the difference between two decisions: (n_patches,).

    .. math:: (x - n) \cdot \frac{1}{16} \sum_s \nabla d(n + \alpha_s (x - n)),
              \quad \alpha_s = \frac{s - 1/2}{16}

    summed over the pixels of a patch, with the image x, the blurred image n and the decision d. All
    cells together sum to d(x) - d(n), up to the error of 16 steps; a UserWarning reports a large
    error. The gradient of the embedding with respect to the pixels is the backbone's. The gradient
    of the decision with respect to the embedding is computed by central differences, whatever the
    steps after the embedder are. See Sundararajan, Taly and Yan (2017), "Axiomatic attribution for
    deep networks".
    """
    device = resolve_device(image.call.embedder.device)
    backbone = image.call.backbone.to(device)
    original, blurred = (
        torch.from_numpy(each.astype(np.float32) / 255).permute(2, 0, 1).to(device)
        for each in (image.shown.image, blur(image.shown))
    )
    shares = (torch.arange(N_STEPS, device=device) + 0.5) / N_STEPS
    path = blurred + shares[:, None, None, None] * (original - blurred)  # (n_steps, 3, H, W)
    gradient = torch.zeros_like(original)
    with use_precision("float32", device):
        for images in path.split(IMAGES_AT_ONCE):
            images.requires_grad_()
            embeddings = backbone(images)  # (n, 192)
            values = embeddings.detach().cpu().double().numpy()
            slopes = np.stack([decision_gradient(window, image, each) for each in values])
            weighted = (embeddings * torch.from_numpy(slopes).to(embeddings)).sum()
            gradient += torch.autograd.grad(weighted, images)[0].sum(dim=0) / N_STEPS
    relevance = (gradient * (original - blurred)).permute(1, 2, 0).cpu().double().numpy()
    with torch.inference_mode(), use_precision("float32", device):
        neutral = backbone(blurred[None]).cpu().double().numpy()
    _check_sum(relevance, window.value - window.decide_with(image, neutral)[0], image.shown.name)
    weights = (patch_weights(image.shown, grid, patch) for patch in grid.patches())
    return np.array([(relevance * each).sum() for each in weights])


def decision_gradient(
    window: RecordedWindow, image: RecordedImage, embedding: FloatArray
) -> FloatArray:
    """Differentiate the decision with respect to an embedding (192,), by central differences."""
    step = STEP * np.sqrt(np.mean(embedding**2)) or STEP
    steps = step * np.eye(len(embedding))
    decisions = window.decide_with(image, np.concatenate([embedding + steps, embedding - steps]))
    above, below = np.split(decisions, 2)
    return (above - below) / (2 * step)


def _check_sum(relevance: FloatArray, difference: float, name: str) -> None:
    gap = abs(relevance.sum() - difference)
    if relevance.any() and gap <= MAX_GAP * np.abs(relevance).sum():
        return
    warnings.warn(
        f"The gradients of {name!r} sum to {relevance.sum():.3g}, but the decision changes by "
        f"{difference:+.3g} from the blurred image to the original: it does not follow small "
        "changes of the embedding, as with trees or nearest neighbours, or it does not depend on "
        "the image. Pass method='occlusion'.",
        UserWarning,
        stacklevel=5,  # the call of explain
    )
