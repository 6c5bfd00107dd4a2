"""Hiding: images in which a patch is replaced by something neutral."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .._typing import FloatArray
from .grids import Grid, ShownImage, part_columns

BLUR = 1 / 8  # standard deviation, of an image's side


def hide_patches(shown: ShownImage, grid: Grid) -> NDArray[np.uint8]:
    """Draw the image with each patch hidden, and all else as it was.

    Of a map, the patch is replaced by the blurred image: of a map of pairs, the rows and the
    columns of a stretch of time. Of curves, the samples of the stretch are replaced by a straight
    line, drawn over the same range of values.

    Returns
    -------
    images : ndarray of shape (n_patches, H, W, 3), uint8
        In the order of ``grid.patches()``.
    """
    patches = list(grid.patches())
    if shown.axes.vertical == "value":
        edges = shown.axes.time_at(grid.columns / grid.columns[-1])
        cut = [straighten(shown, edges[c.start], edges[c.stop]) for _, c in patches]
        return np.asarray(shown.redraw(np.stack(cut)))[:, 0]
    image, neutral = np.asarray(shown.images)[0, 0], blur(shown)
    images = np.repeat(image[None], len(patches), axis=0)
    moved = part_columns(shown)  # (3, W) of a composite
    for hidden, patch in zip(images, patches, strict=True):
        rows, columns = grid.pixels(patch)
        if shown.axes.frequencies is not None:
            hidden[rows, columns] = neutral[rows, columns]
        elif shown.axes.vertical == "time":
            hidden[:, columns] = neutral[:, columns]
            rows = slice(len(image) - columns.stop, len(image) - columns.start)
            hidden[rows] = neutral[rows]
        else:
            inside = (moved >= columns.start) & (moved < columns.stop)  # (3, W)
            hidden[:] = np.where(inside.T, neutral, hidden)
    return images


def straighten(shown: ShownImage, start: float, stop: float) -> FloatArray:
    """Replace the samples from one time to another by a straight line between their neighbours.

    At an end of the window the line is level, and a whole window is replaced by its mean.
    """
    signal = shown.signal  # (n_channels, n_times)
    first = round(shown.start * shown.sampling_rate)
    position = np.arange(signal.shape[1])
    times = (first + position) / shown.sampling_rate
    hidden = (times >= start) & (times <= stop)
    if hidden.all():
        return np.repeat(signal.mean(axis=1, keepdims=True), signal.shape[1], axis=1)
    kept = np.flatnonzero(~hidden)
    return np.stack([np.interp(position, kept, channel[kept]) for channel in signal])


def blur(shown: ShownImage) -> NDArray[np.uint8]:
    """Blur the image by a Gaussian, mirrored at its borders: (H, W, 3).

    Curves are blurred along time alone, so that the values that they keep to stay dark.
    """
    image = torch.from_numpy(np.asarray(shown.images)[0, 0]).permute(2, 0, 1).float()[:, None]
    size = image.shape[2]
    reach = min(round(3 * BLUR * size), size - 1)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets / (BLUR * size)) ** 2)
    weights = weights / weights.sum()
    padded = functional.pad(image, [reach] * 4, mode="reflect")  # (3, 1, H, W)
    upwards = (offsets == 0).float() if shown.axes.vertical == "value" else weights
    blurred = functional.conv2d(padded, weights[None, None, None])
    blurred = functional.conv2d(blurred, upwards[None, None, :, None])[:, 0]
    return blurred.round().byte().permute(1, 2, 0).numpy()
