"""Curves: drawn anti-aliased, alone, in bands or over each other.

They are followed in fine columns and heights in fine steps, then averaged.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..signals import ValueRange
from .colours import GREYS, look_up

FINE_COLUMNS, STEP_BITS = 4, 6
FINE_STEPS = 1 << STEP_BITS  # per pixel, as are FINE_COLUMNS
BRUSH_COLUMNS = 5  # fine columns that a curve's stroke is wide
LINE_WIDTH = BRUSH_COLUMNS / FINE_COLUMNS  # pixels
# Black, then the colours of Okabe and Ito (2008), which the colour-blind can tell apart too.
CURVE_COLOURS = (
    (0, 0, 0),
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)


def scale_values(signals: Tensor, limits: ValueRange | None) -> Tensor:
    """Scale the values of a waveform to its axis: from 0 at the bottom to 1 at the top.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float64
    limits : (float, float), (float, float, "log") or None
        Values at 0 and 1; what is beyond them is drawn at the border. None takes each window's
        smallest and largest value. Where both are one value, it is drawn at half the height.

    Returns
    -------
    scaled : Tensor of the same shape
    """
    if limits is None:
        lowest, highest = signals.amin(dim=1, keepdim=True), signals.amax(dim=1, keepdim=True)
    else:
        lowest, highest = signals.new_tensor(limits[:2])
        signals = signals.clamp(lowest, highest)
        if len(limits) == 3:
            signals, lowest, highest = signals.log(), lowest.log(), highest.log()
    span = highest - lowest
    return torch.where(span > 0, (signals - lowest) / span, 0.5)


def draw_one(curves: Tensor, out: Tensor) -> Tensor:
    """Draw each window's curve thin, black and anti-aliased on white, from border to border.

    Parameters
    ----------
    curves : Tensor of shape (n_windows, 1, n_times), float64
        From 0 at the image's bottom to 1 at its top, half a stroke away from the border so that
        no peak is cut.
    out : Tensor of shape (n_windows, size, size, 3), uint8

    Returns
    -------
    out : Tensor
    """
    size = out.shape[1]
    return look_up(stroke(heights(curves[:, 0], 0, size), size), GREYS, out)


def draw_stacked(curves: Tensor, out: Tensor) -> Tensor:
    """Draw curves of shape (n_windows, n_curves, n_times) in bands, the first at the top."""
    size = out.shape[1]
    edges = np.linspace(0, size, curves.shape[1] + 1)
    bands = zip(curves.unbind(dim=1), edges[:-1], edges[1:], strict=True)
    return out.copy_(blend([stroke(heights(*band), size) for band in bands]))


def draw_overlaid(curves: Tensor, out: Tensor) -> Tensor:
    """Draw curves of shape (n_windows, n_curves, n_times) over each other, the last on top."""
    size = out.shape[1]
    return out.copy_(blend([stroke(heights(curve, 0, size), size) for curve in curves.unbind(1)]))


def heights(scaled: Tensor, top: float, bottom: float) -> Tensor:
    """Pixels from the image's top of values that run from 0 at ``bottom`` to 1 at ``top``."""
    return top + LINE_WIDTH / 2 + (1 - scaled) * (bottom - top - LINE_WIDTH)


def blend(strokes: Sequence[Tensor]) -> Tensor:
    """Lay coloured strokes over white: grey (n_windows, H, W) each, to (n_windows, H, W, 3)."""
    image = torch.full((*strokes[0].shape, 3), 255, device=strokes[0].device, dtype=torch.int32)
    for number, grey in enumerate(strokes):
        ink = image.new_tensor(CURVE_COLOURS[number % len(CURVE_COLOURS)])
        clear = grey[..., None].int()
        image = (image * clear + ink * (255 - clear) + 127) // 255
    return image


def stroke(heights: Tensor, size: int) -> Tensor:
    """Draw one curve per window: heights (n_windows, n_times) to grey uint8 (n_windows, H, W).

    Counts in integers, how many fine steps of each pixel the stroke covers, summed over its fine
    columns, so that sums have no order: an image's bytes depend on nothing but its window.
    """
    top, bottom = stroke_extent(heights, size * FINE_COLUMNS)  # each (n_windows, n_fine_columns)
    column = torch.arange(size * FINE_COLUMNS, device=heights.device) // FINE_COLUMNS
    # Four columns share a number: sums over rows end in 0 to 256, which fits into 16 bits each.
    n_words = -(-size // 4)
    word, bits = column // 4, column % 4 * 16
    cover = heights.new_zeros((len(heights), (size + 2) * n_words), dtype=torch.int64)
    # Below its top edge the stroke covers, below its bottom edge no more: steps of the cover along
    # a column, each shared by two rows according to where in the first it lies.
    for edge, sign in ((top, 1), (bottom, -1)):
        index = (edge >> STEP_BITS) * n_words + word
        part = edge & (FINE_STEPS - 1)
        cover.scatter_add_(1, index, sign * (FINE_STEPS - part) << bits)
        cover.scatter_add_(1, index + n_words, sign * part << bits)
    cover = cover.unflatten(1, (size + 2, n_words)).cumsum(dim=1)[:, :size]
    cover = cover.view(torch.int16)[..., :size]
    # 255 - 255 * cover / 256, rounded: covers above 128 are one less of 255 than of 256.
    return cover.add(127).bitwise_right_shift_(8).sub_(cover).add_(255).to(torch.uint8)


def stroke_extent(heights: Tensor, n_columns: int) -> tuple[Tensor, Tensor]:
    """Top and bottom of a curve's stroke in each fine column, in fine steps: int64.

    The curve joins its samples by straight lines from border to border. The stroke is what a
    square brush of LINE_WIDTH leaves, so that a steep flank is as dark as a flat one.
    """
    values = torch.cat([heights, at_column_edges(heights, n_columns)], dim=1)
    # float32 holds whole steps exactly.
    steps = values.mul_(FINE_STEPS).round_().float()
    index = column_samples(heights.shape[1], n_columns).to(heights.device)
    steps = steps.index_select(1, index.flatten()).unflatten(1, index.shape)
    highest, lowest = -steps.amin(dim=1), steps.amax(dim=1)  # (n_windows, n_columns)
    brushed = functional.max_pool1d(
        torch.stack([highest, lowest], dim=1), BRUSH_COLUMNS, stride=1, padding=BRUSH_COLUMNS // 2
    ).long()
    half_brush = round(LINE_WIDTH * FINE_STEPS / 2)
    return -brushed[:, 0] - half_brush, brushed[:, 1] + half_brush


def at_column_edges(heights: Tensor, n_columns: int) -> Tensor:
    """Heights at the n_columns + 1 column edges, interpolated between samples."""
    last = heights.shape[-1] - 1
    position = torch.arange(n_columns + 1, dtype=heights.dtype, device=heights.device)
    position = position * last / n_columns
    before = position.long().clamp(max=max(last - 1, 0))
    after = (before + 1).clamp(max=last)
    return torch.lerp(heights[..., before], heights[..., after], position - before)


@cache
def column_samples(n_times: int, n_columns: int) -> Tensor:
    """Which values decide each column's extent: int64 (n_values, n_columns).

    Indices point into the samples followed by the values at the column edges: a column is decided
    by its two edges and the samples between them, padded with its left edge to equal numbers.
    """
    edges = torch.arange(n_columns + 1)
    first = -(-edges[:-1] * (n_times - 1) // n_columns)  # first sample at or right of the edge
    after = edges[1:] * (n_times - 1) // n_columns + 1  # first sample right of the next edge
    offsets = torch.arange(int((after - first).max()))
    samples = first + offsets[:, None]
    left, right = n_times + edges[None, :-1], n_times + edges[None, 1:]
    samples = torch.where(samples < after, samples, left)
    return torch.cat([left, right, samples])
