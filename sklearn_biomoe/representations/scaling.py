"""Scaling of maps from 0 to 1, and resizing to the size of an image.

The first row of a map is at the bottom of the image: frequency and the time of rows increase
upwards, the time of columns to the right.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ..signals.modalities import ValueRange

N_LEVELS = 256  # of a colormap
DYNAMIC_RANGE = 50.0  # decibels below a map's maximum that colours distinguish


def to_levels(values: Tensor) -> Tensor:
    """Convert values from 0 to 1 to levels of a colormap, uint8; changes ``values``."""
    # By way of int16, which is faster than straight to bytes.
    levels = values.mul_(N_LEVELS).clamp_(0, N_LEVELS - 1)
    return levels.to(torch.int16).to(torch.uint8)


def scale_power(maps: Tensor, size: int, limits: ValueRange | None) -> Tensor:
    """Scale powers in decibels.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_frequencies, n_segments), float64
        Non-negative powers, lowest frequency first; it is drawn at the bottom.
    size : int
    limits : (float, float) or None
        Decibels (of 1 unit of power) at 0 and 1. If None, from 50 dB below each map's maximum up
        to it. A map of zeros is at 0.

    Returns
    -------
    scaled : Tensor of shape (n_windows, size, size), float32
    """
    if limits is None:
        low, high = -DYNAMIC_RANGE, 0.0
        # A map of zeros has no maximum to refer to; the smallest number leaves it at zero.
        largest = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    else:
        low, high = limits[:2]
        largest = maps.new_tensor(10 ** (high / 10))
    # Shares of the largest fit into float32, whose logarithms are a tenth of the work.
    shares = (maps / largest).clamp_(10 ** ((low - high) / 10), 1).float()
    return resize(shares.log10_().mul_(10 / (high - low)).add_(1), size)


def scale_span(maps: Tensor, size: int, limits: ValueRange | None = None) -> Tensor:
    """Scale values from each map's smallest to its largest; a map of one value is at 0."""
    lowest = maps.amin(dim=(1, 2), keepdim=True)
    span = maps.amax(dim=(1, 2), keepdim=True) - lowest
    return resize((maps - lowest) / span.clamp(min=torch.finfo(maps.dtype).tiny), size)


def scale_signed(maps: Tensor, size: int, limits: ValueRange | None = None) -> Tensor:
    """Scale values from -1 to 1."""
    return resize(maps, size).add_(1).div_(2)


def scale_distance(maps: Tensor, size: int, limits: ValueRange | None = None) -> Tensor:
    """Scale values from 0 to each map's largest; a map of zeros is at 0."""
    largest = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    return resize(maps, size).div_(largest)


def scale_angle(maps: Tensor, size: int, limits: ValueRange | None = None) -> Tensor:
    """Scale radians from -pi to pi.

    Sines and cosines are resized instead of angles, since -pi and pi are the same direction.
    """
    angles = torch.atan2(resize(maps.sin(), size), resize(maps.cos(), size))
    return angles.add_(math.pi).div_(2 * math.pi)


def resize(maps: Tensor, size: int) -> Tensor:
    """Interpolate maps, averaging if they shrink, and turn their first row to the bottom.

    Matches ``torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)``, and is
    faster for small maps.

    Returns
    -------
    resized : Tensor of shape (n_windows, size, size), float32
        New memory, even where the maps have that size.
    """
    maps = maps.float()
    if maps.shape[1:] == (size, size):
        return maps.flip(1)
    # Both passes resize rows, which are contiguous in memory.
    maps = resize_rows(maps.transpose(1, 2).contiguous(), size, upright=False)
    return resize_rows(maps.transpose(1, 2).contiguous(), size, upright=True)


def resize_rows(maps: Tensor, size: int, upright: bool) -> Tensor:
    """Resize maps (n_windows, n_rows, n_columns) to ``size`` rows, the last first if upright."""
    index, weights = (taps.to(maps.device) for taps in resize_taps(maps.shape[1], size))
    if upright:
        index, weights = index.flip(1), weights.flip(1)
    resized = maps.index_select(1, index[0]).mul_(weights[0])
    for rows, weight in zip(index[1:], weights[1:], strict=True):
        resized += maps.index_select(1, rows).mul_(weight)
    return resized


@lru_cache(maxsize=32)
def resize_taps(n_rows: int, size: int) -> tuple[Tensor, Tensor]:
    """Which rows make up each of ``size`` rows: int64 (n_taps, size) and weights (n_taps, size, 1).

    Weights fall linearly with the distance of rows' centres, to zero at a row's height, of the
    larger rows.
    """
    height = n_rows / size
    reach = max(height, 1.0)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * height
    first = (centre - reach + 0.5).floor().clamp(min=0).long()
    index = first + torch.arange(math.ceil(2 * reach))[:, None]
    weights = (1 - (index + 0.5 - centre).abs() / reach).clamp(min=0) * (index < n_rows)
    weights = (weights / weights.sum(dim=0)).float()
    return index.clamp(max=n_rows - 1), weights[..., None]
