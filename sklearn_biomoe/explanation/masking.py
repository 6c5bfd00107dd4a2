"""Masking: images in which a patch is replaced by something neutral."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .._typing import FloatArray
from ..images.shown_image import ShownImage
from .grids import Grid, patch_weights

BLUR = 1 / 8  # standard deviation, relative to the image's side


def mask_patches(shown: ShownImage, grid: Grid) -> NDArray[np.uint8]:
    """Draw the image once for each patch, with that patch masked: (n_patches, H, W, 3).

    In a map, the patch is replaced by the blurred image. In curves, the samples of the stretch are
    replaced by a straight line, drawn in the same range of values.
    """
    if shown.is_curve:
        edges = shown.axes.time_at(grid.columns / grid.columns[-1])
        stretches = [edges[[columns.start, columns.stop]] for _, columns in grid.patches()]
        return shown.redraw(np.stack([straighten(shown, *stretch) for stretch in stretches]))
    neutral = blur(shown)
    masks = (patch_weights(shown, grid, patch) > 0 for patch in grid.patches())
    return np.stack([np.where(mask, neutral, shown.image) for mask in masks])


def straighten(shown: ShownImage, start: float, stop: float) -> FloatArray:
    """Replace the samples from one time to another by a straight line between their neighbours.

    The line is constant at an end of the window. A whole window is replaced by its mean.
    """
    signal, times = shown.signal, shown.sample_times
    masked = (times >= start) & (times <= stop)
    if masked.all():
        return np.broadcast_to(signal.mean(axis=1, keepdims=True), signal.shape)
    kept = np.flatnonzero(~masked)
    positions = np.arange(len(times))
    return np.stack([np.interp(positions, kept, channel[kept]) for channel in signal])


def blur(shown: ShownImage) -> NDArray[np.uint8]:
    """Blur the image by a Gaussian, mirrored at its borders: (H, W, 3).

    Curves are blurred along time only, so that their usual values stay dark.
    """
    image = torch.from_numpy(shown.image).permute(2, 0, 1).float()[:, None]  # (3, 1, H, W)
    size = image.shape[2]
    reach = min(round(3 * BLUR * size), size - 1)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets / (BLUR * size)) ** 2)
    along_time = weights / weights.sum()
    upwards = (offsets == 0).float() if shown.is_curve else along_time
    padded = functional.pad(image, [reach] * 4, mode="reflect")
    blurred = functional.conv2d(padded, along_time[None, None, None])
    blurred = functional.conv2d(blurred, upwards[None, None, :, None])[:, 0]
    return blurred.round().byte().permute(1, 2, 0).numpy()
