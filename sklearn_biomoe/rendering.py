"""Rendering: from maps to uint8 RGB pictures, by curves or by colours.

Coloured maps fill the picture. Their first row is at the bottom: frequency, and the time of a
map's rows, go upwards; the time of its columns goes to the right.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from importlib import resources

import torch
from torch import Tensor
from torch.nn import functional

from .representations import REPRESENTATIONS
from .signals import MODALITIES

# Anti-aliasing: curves are followed in fine columns and heights in fine steps, then averaged.
FINE_COLUMNS, FINE_STEPS = 4, 64  # per pixel
BRUSH_COLUMNS = 5  # fine columns that a curve's stroke is wide
LINE_WIDTH = BRUSH_COLUMNS / FINE_COLUMNS  # pixels
DYNAMIC_RANGE = 50.0  # decibels below a map's maximum that colours tell apart


def draw(
    signals: Tensor, representation: str, sampling_rate: float | None, modality: str, size: int
) -> Tensor:
    """Draw equally long windows of one channel.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float64
    representation : str
        A name in the registry.
    sampling_rate : float or None
        In Hz; None where the representation does not depend on it.
    modality : str
    size : int
        Pixels on each side.

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
        On the device of ``signals``.

    Examples
    --------
    >>> import torch
    >>> draw(torch.zeros(2, 240, dtype=torch.float64), "waveform", None, "eda", 224).shape
    torch.Size([2, 224, 224, 3])
    """
    entry = REPRESENTATIONS[representation]
    maps = entry.to_map(signals, sampling_rate or 1.0, MODALITIES[modality])
    return RENDERINGS[entry.rendering](maps, size)


def draw_power(maps: Tensor, size: int) -> Tensor:
    """Colour powers by viridis on a decibel scale under each map's maximum.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_frequencies, n_pieces), float64
        Non-negative powers, lowest frequency first; it is drawn at the bottom.
    size : int

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
        The maximum has the brightest colour and what lies 50 dB or more under it the darkest, as
        does a map of zeros.
    """
    # A map of zeros has no maximum to refer to; the smallest number leaves it at zero.
    maximum = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    relative = (maps / maximum).clamp_(min=10 ** (-DYNAMIC_RANGE / 10))
    scaled = relative.log10_().mul_(10).div_(DYNAMIC_RANGE).add_(1)  # in [0, 1]
    return colour(resize(scaled, size))


def draw_linear(maps: Tensor, size: int, value_range: tuple[float, float] | None = None) -> Tensor:
    """Colour values evenly by viridis.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_rows, n_columns), float64
    size : int
    value_range : (float, float) or None
        Values that have the darkest and the brightest colour; None takes each map's own. A map of
        one value then has the darkest.

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
    """
    if value_range is None:
        lowest = maps.amin(dim=(1, 2), keepdim=True)
        span = maps.amax(dim=(1, 2), keepdim=True) - lowest
        span = span.clamp(min=torch.finfo(maps.dtype).tiny)
        return colour(resize((maps - lowest) / span, size))
    lowest_value, highest_value = value_range
    return colour(resize(maps, size).sub_(lowest_value).div_(highest_value - lowest_value))


def draw_angles(maps: Tensor, size: int) -> Tensor:
    """Colour angles evenly by viridis, from the darkest at -pi to the brightest at pi.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_rows, n_columns), float64
        Radians.
    size : int

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
        Between -pi and pi, which are one direction, lies no zero: what is resized are the
        directions' sines and cosines.
    """
    angles = torch.atan2(resize(maps.sin(), size), resize(maps.cos(), size))
    return colour(angles.add_(math.pi).div_(2 * math.pi))


def draw_grey(maps: Tensor, size: int, inverted: bool = False) -> Tensor:
    """Shade values evenly from black at 0 to white at each map's maximum.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_rows, n_columns), float64
        Non-negative; a map of zeros is black.
    size : int
    inverted : bool
        Whether 0 is white and the maximum black.

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
    """
    maximum = maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    grey = resize(maps, size).div_(maximum).mul_(256).clamp_(max=255).to(torch.uint8)
    grey = 255 - grey if inverted else grey
    return grey[..., None].expand(-1, -1, -1, 3)


def resize(maps: Tensor, size: int) -> Tensor:
    """Interpolate maps, averaging where they shrink, and turn their first row to the bottom.

    Returns
    -------
    resized : Tensor of shape (n_windows, size, size), float64
        New memory, even where the maps have that size.
    """
    upright = maps.flip(1)
    if maps.shape[1:] == (size, size):
        return upright
    return functional.interpolate(
        upright[:, None], size=(size, size), mode="bilinear", antialias=True
    )[:, 0]


def colour(values: Tensor) -> Tensor:
    """Look values from 0 to 1 up in viridis: (n_windows, H, W) to uint8 (n_windows, H, W, 3).

    Takes the memory of ``values`` for its own.
    """
    # The three bytes of a colour are fetched together, as a word of four.
    words = torch.tensor([(*rgb, 0) for rgb in colour_table("viridis")], dtype=torch.uint8)
    words = words.view(torch.int32)[:, 0].to(values.device)
    index = values.mul_(256).int().clamp_(0, 255)
    coloured = words.index_select(0, index.flatten()).view(torch.uint8)
    return coloured.view(*values.shape, 4)[..., :3]


def draw_lines(maps: Tensor, size: int) -> Tensor:
    """Draw each row as a thin black anti-aliased curve on white, over the picture's whole width.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_curves, n_times), float64
        The smallest and the largest value of each map touch the picture's bottom and top; a map of
        one value is drawn at half its height.
    size : int

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
    """
    lowest = maps.amin(dim=(1, 2), keepdim=True)
    span = maps.amax(dim=(1, 2), keepdim=True) - lowest
    scaled = torch.where(span > 0, (maps - lowest) / span, 0.5)
    # In pixels from the top, half a stroke away from the border so that no peak is cut.
    heights = LINE_WIDTH / 2 + (1 - scaled) * (size - LINE_WIDTH)
    grey = torch.full((len(maps), size, size), 255, dtype=torch.uint8, device=maps.device)
    for curve in heights.unbind(dim=1):
        grey = torch.minimum(grey, stroke(curve, size))
    return grey[..., None].expand(-1, -1, -1, 3)


def stroke(heights: Tensor, size: int) -> Tensor:
    """Draw one curve per window: heights (n_windows, n_times) to grey uint8 (n_windows, H, W).

    Counts in integers, how many fine steps of each pixel the stroke covers, summed over its fine
    columns, so that sums have no order: a picture's bytes depend on nothing but its window.
    """
    top, bottom = stroke_extent(heights, size * FINE_COLUMNS)  # each (n_windows, n_fine_columns)
    columns = torch.arange(size * FINE_COLUMNS, device=heights.device) // FINE_COLUMNS
    cover = heights.new_zeros((len(heights), (size + 2) * size), dtype=torch.int32)
    # Below its top edge the stroke covers, below its bottom edge no more: steps of the cover along
    # a column, each shared by two rows according to where in the first it lies.
    for edge, sign in ((top, 1), (bottom, -1)):
        row, part = edge // FINE_STEPS, edge % FINE_STEPS
        for shift, step in ((0, FINE_STEPS - part), (1, part)):
            cover.scatter_add_(1, (row + shift) * size + columns, (sign * step).int())
    cover = cover.unflatten(1, (size + 2, size)).cumsum(dim=1, dtype=torch.int32)[:, :size]
    full = FINE_STEPS * FINE_COLUMNS
    return (255 - (255 * cover + full // 2) // full).to(torch.uint8)


def stroke_extent(heights: Tensor, n_columns: int) -> tuple[Tensor, Tensor]:
    """Top and bottom of a curve's stroke in each fine column, in fine steps: int64.

    The curve joins its samples by straight lines from border to border. The stroke is what a
    square brush of LINE_WIDTH leaves, so that a steep flank is as dark as a flat one.
    """
    index = column_samples(heights.shape[1], n_columns).to(heights.device)
    values = torch.cat([heights, at_column_edges(heights, n_columns)], dim=1)[:, index]
    highest, lowest = -values.amin(dim=2), values.amax(dim=2)  # (n_windows, n_columns)
    brushed = functional.max_pool1d(
        torch.stack([highest, lowest], dim=1), BRUSH_COLUMNS, stride=1, padding=BRUSH_COLUMNS // 2
    )
    top, bottom = -brushed[:, 0] - LINE_WIDTH / 2, brushed[:, 1] + LINE_WIDTH / 2
    return (top * FINE_STEPS).round().long(), (bottom * FINE_STEPS).round().long()


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
    """Which values decide each column's extent: int64 (n_columns, n_values).

    Indices point into the samples followed by the values at the column edges: a column is decided
    by its two edges and the samples between them, padded with its left edge to equal numbers.
    """
    edges = torch.arange(n_columns + 1)
    first = -(-edges[:-1] * (n_times - 1) // n_columns)  # first sample at or right of the edge
    after = edges[1:] * (n_times - 1) // n_columns + 1  # first sample right of the next edge
    offsets = torch.arange(int((after - first).max()))
    samples = first[:, None] + offsets
    left, right = n_times + edges[:-1, None], n_times + edges[1:, None]
    samples = torch.where(samples < after[:, None], samples, left)
    return torch.cat([left, right, samples], dim=1)


@cache
def colour_table(name: str) -> tuple[tuple[int, ...], ...]:
    """256 RGB colours of a colormap."""
    text = resources.files(__package__).joinpath("colormaps", f"{name}.txt").read_text()
    return tuple(tuple(bytes.fromhex(line.removeprefix("#"))) for line in text.split())


RENDERINGS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "line": draw_lines,
    "power": draw_power,
    "linear": draw_linear,
    "signed": partial(draw_linear, value_range=(-1.0, 1.0)),
    "angle": draw_angles,
    "grey": draw_grey,
    "ink": partial(draw_grey, inverted=True),
}
