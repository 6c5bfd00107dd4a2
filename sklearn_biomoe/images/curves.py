"""Curves: drawn anti-aliased, alone, in bands or over each other.

Strokes are computed in columns and steps finer than a pixel, which are then averaged.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from ..signals import ValueRange
from .colours import GREYS, look_up

FINE_COLUMNS, STEP_BITS = 4, 6
FINE_STEPS = 1 << STEP_BITS  # per pixel, as are FINE_COLUMNS
BRUSH_COLUMNS = 5  # width of a stroke in fine columns
LINE_WIDTH = BRUSH_COLUMNS / FINE_COLUMNS  # pixels
# Black, then the colours of Okabe and Ito (2008), which colour-blind people can distinguish.
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
        Values at 0 and 1; values beyond them are drawn at the border. If None, each window's
        smallest and largest value. A constant window is drawn at half the height.

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


def draw_curves(curves: Tensor, bands: Sequence[tuple[float, float]], out: Tensor) -> Tensor:
    """Draw each window's curves thin and anti-aliased on white, from border to border.

    Parameters
    ----------
    curves : Tensor of shape (n_windows, n_curves, n_times), float64
        From 0 at the bottom of the curve's band to 1 at its top, half a stroke away from the border
        so that no peak is cut.
    bands : sequence of (float, float)
        Pixels at the top and the bottom of each curve's band.
    out : Tensor of shape (n_windows, size, size, 3), uint8

    Returns
    -------
    out : Tensor
        With the first curve black, later ones over earlier ones.
    """
    size = out.shape[1]
    strokes = [
        stroke(heights(curve, *band), size)
        for curve, band in zip(curves.unbind(dim=1), bands, strict=True)
    ]
    if len(strokes) == 1:
        return look_up(strokes[0], GREYS, out)
    return out.copy_(blend(strokes))


def heights(scaled: Tensor, top: float, bottom: float) -> Tensor:
    """Convert values from 0 at ``bottom`` to 1 at ``top`` to pixels from the top of the image."""
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

    The fine steps of each pixel that the stroke covers are counted in integers and summed over its
    fine columns. Integer sums do not depend on their order, so an image's bytes depend on its
    window alone.
    """
    top, bottom = stroke_extent(heights, size * FINE_COLUMNS)  # each (n_windows, n_fine_columns)
    column = torch.arange(size * FINE_COLUMNS, device=heights.device) // FINE_COLUMNS
    # Four columns share a number: sums over rows end in 0 to 256, which fits into 16 bits each.
    n_words = -(-size // 4)
    word, bits = column // 4, column % 4 * 16
    cover = heights.new_zeros((len(heights), (size + 2) * n_words), dtype=torch.int64)
    # The cover of a column increases at the top edge of the stroke and decreases at its bottom
    # edge. Each change is shared by two rows, by the position of the edge in the first.
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

    Straight lines join the samples from border to border. The brush is a square of LINE_WIDTH, so
    that a steep flank is as dark as a flat one.
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


@lru_cache(maxsize=32)
def column_samples(n_times: int, n_columns: int) -> Tensor:
    """Positions of the values that determine each column's extent: int64 (n_values, n_columns).

    Positions are those in the samples followed by the values at the column edges. A column is
    determined by its two edges and the samples between them, padded with its left edge.
    """
    edges = torch.arange(n_columns + 1)
    first = -(-edges[:-1] * (n_times - 1) // n_columns)  # first sample at or right of the edge
    after = edges[1:] * (n_times - 1) // n_columns + 1  # first sample right of the next edge
    offsets = torch.arange(int((after - first).max()))
    samples = first + offsets[:, None]
    left, right = n_times + edges[None, :-1], n_times + edges[None, 1:]
    samples = torch.where(samples < after, samples, left)
    return torch.cat([left, right, samples])
