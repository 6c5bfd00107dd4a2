"""Rendering: from signals and maps to uint8 RGB pictures, by curves or by colours.

Coloured maps fill the picture. Their first row is at the bottom: frequency, and the time of a
map's rows, go upwards; the time of its columns goes to the right.
"""

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache

import cmap
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .representations import REPRESENTATIONS
from .representations.pairs import LONGEST_SERIES, N_BINS, shorten, transitions
from .signals import Modality, ValueRange

# Anti-aliasing: curves are followed in fine columns and heights in fine steps, then averaged.
FINE_COLUMNS, STEP_BITS = 4, 6
FINE_STEPS = 1 << STEP_BITS  # per pixel, as are FINE_COLUMNS
BRUSH_COLUMNS = 5  # fine columns that a curve's stroke is wide
LINE_WIDTH = BRUSH_COLUMNS / FINE_COLUMNS  # pixels
DYNAMIC_RANGE = 50.0  # decibels below a map's maximum that colours tell apart
N_COLOURS = 256  # of a colormap's table
Colours = tuple[tuple[int, ...], ...]  # RGB bytes of each level
GREYS: Colours = tuple((level, level, level) for level in range(N_COLOURS))
FAMILIAR_COLORMAPS = ["cividis", "gray", "inferno", "magma", "plasma", "turbo", "viridis"]
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


def draw(
    signals: Tensor,
    representation: str,
    *,
    sampling_rate: float | None,
    modality: Modality,
    limits: Sequence[ValueRange | None],
    colormap: str,
    size: int,
    out: Tensor | None = None,
) -> Tensor:
    """Draw equally long windows, one picture each.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_channels, n_times), float64
        One channel, unless the representation joins several.
    representation : str
        A name in the registry.
    sampling_rate : float or None
        In Hz; None where the representation does not depend on it.
    modality : Modality
        Of the (first) channel.
    limits : sequence of length n_channels
        Of each channel's waveform, in its unit, or of powers, in decibels; None takes each
        window's own. Maps with a scale of their own do without.
    colormap : str
        Of coloured maps, a name that the package cmap knows.
    size : int
        Pixels on each side.
    out : Tensor of shape (n_windows, size, size, 3), uint8, contiguous, or None
        Memory to draw into, on the device of ``signals``; None takes new memory.

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
        ``out``, where it is given.

    Examples
    --------
    >>> import torch
    >>> from sklearn_biomoe.signals import MODALITIES
    >>> signals = torch.zeros(2, 1, 240, dtype=torch.float64)
    >>> draw(
    ...     signals, "waveform", sampling_rate=None, modality=MODALITIES["eda"], limits=[None],
    ...     colormap="viridis", size=224
    ... ).shape
    torch.Size([2, 224, 224, 3])
    """
    if out is None:
        out = signals.new_empty((len(signals), size, size, 3), dtype=torch.uint8)
    entry = REPRESENTATIONS[representation]
    if entry.to_map is None:
        channels = zip(signals.unbind(dim=1), limits, strict=True)
        scaled = torch.stack([scale_values(*channel) for channel in channels], dim=1)
        return LAYOUTS[entry.rendering](scaled, out)
    if representation in WITHOUT_MAPS and min(signals.shape[2], LONGEST_SERIES) == size:
        return WITHOUT_MAPS[representation](shorten(signals[:, 0]), colormap, out)
    maps = entry.to_map(signals[:, 0], sampling_rate or 1.0, modality)
    return colour(SCALES[entry.rendering](maps, size, limits[0]), entry.colormap or colormap, out)


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


def scale_power(maps: Tensor, size: int, limits: ValueRange | None) -> Tensor:
    """Scale powers in decibels.

    Parameters
    ----------
    maps : Tensor of shape (n_windows, n_frequencies, n_pieces), float64
        Non-negative powers, lowest frequency first; it is drawn at the bottom.
    size : int
    limits : (float, float) or None
        Decibels (of 1 unit of power) at 0 and 1. None takes each map's maximum and 50 dB under it.
        A map of zeros is at 0.

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

    Between the two, which are one direction, lies no zero: what is resized are the directions'
    sines and cosines.
    """
    angles = torch.atan2(resize(maps.sin(), size), resize(maps.cos(), size))
    return angles.add_(math.pi).div_(2 * math.pi)


def resize(maps: Tensor, size: int) -> Tensor:
    """Interpolate maps, averaging where they shrink, and turn their first row to the bottom.

    Like ``torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)``, but faster for
    small maps.

    Returns
    -------
    resized : Tensor of shape (n_windows, size, size), float32
        New memory, even where the maps have that size.
    """
    maps = maps.float()
    if maps.shape[1:] == (size, size):
        return maps.flip(1)
    # Rows are fetched whole: columns are made rows for their turn.
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


def colour(values: Tensor, colormap: str, out: Tensor) -> Tensor:
    """Look values from 0 to 1 up: (n_windows, H, W) to uint8 (n_windows, H, W, 3) in ``out``.

    Takes the memory of ``values`` for its own.
    """
    # By way of int16, which is faster than straight to bytes.
    levels = values.mul_(N_COLOURS).clamp_(0, N_COLOURS - 1).to(torch.int16).to(torch.uint8)
    return look_up(levels, colour_table(colormap), out)


def look_up(levels: Tensor, colours: Colours, out: Tensor) -> Tensor:
    """Write the colours of uint8 levels (n_windows, H, W) to ``out`` (n_windows, H, W, 3)."""
    if levels[0].numel() % 2 == 0:  # two pixels at once, in half the time
        pairs = as_words(levels.view(-1, 2))
        table = pair_table(colours).to(levels.device)
        torch.index_select(table, 0, pairs, out=out.view(-1, 6).view(torch.int16))
    else:
        table = torch.tensor(colours, dtype=torch.uint8, device=levels.device)
        torch.index_select(table, 0, levels.flatten().int(), out=out.view(-1, 3))
    return out


@cache
def pair_table(colours: Colours) -> Tensor:
    """Six bytes, as int16 (65536, 3), for each pair of levels, see `as_words`."""
    levels = torch.arange(N_COLOURS)
    pairs = torch.cartesian_prod(levels, levels)
    table = torch.empty((len(pairs), 6), dtype=torch.uint8)
    six_bytes = torch.tensor(colours, dtype=torch.uint8)[pairs].flatten(1)
    return table.index_copy_(0, as_words(pairs.to(torch.uint8)).long(), six_bytes).view(torch.int16)


def as_words(pairs: Tensor) -> Tensor:
    """Numbers from 0 to 65535 that pairs of bytes (n, 2) make: int32 (n,)."""
    return pairs.view(torch.int16)[:, 0].int().bitwise_and_(0xFFFF)


@cache
def colour_table(name: str) -> Colours:
    """256 RGB colours of a colormap, as bytes; rounded down, as matplotlib does."""
    colours = (cmap.Colormap(name).lut(N_COLOURS)[:, :3] * 255).astype(int)
    return tuple(map(tuple, colours.tolist()))


def check_colormap(name: str) -> None:
    """Raise ValueError where the package cmap has no gradient of colours of this name.

    Examples
    --------
    >>> check_colormap("virdis")
    Traceback (most recent call last):
    ...
    ValueError: Unknown colormap 'virdis'; expected one of the package cmap, such as ['cividis',
    'gray', 'inferno', 'magma', 'plasma', 'turbo', 'viridis'] (`cmap.Catalog()` lists all). Did you
    mean 'viridis'?
    """
    try:
        n_colours = len(colour_table(name))
    except (TypeError, ValueError) as error:
        known = list(cmap.Catalog().short_keys())
        nearest = get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"Unknown colormap {name!r}; expected one of the package cmap, such as "
            f"{FAMILIAR_COLORMAPS} (`cmap.Catalog()` lists all).{hint}"
        ) from error
    if n_colours < N_COLOURS:
        raise ValueError(
            f"Colormap {name!r} has {n_colours} colours that form no gradient; expected one like "
            f"{FAMILIAR_COLORMAPS}."
        )


def draw_distances(series: Tensor, colormap: str, out: Tensor) -> Tensor:
    """Draw recurrence where pairs of samples are pixels: differences of bytes, without a map."""
    lowest = series.amin(dim=1, keepdim=True)
    span = series.amax(dim=1, keepdim=True) - lowest
    shares = (series - lowest) / span.clamp(min=torch.finfo(series.dtype).tiny)
    levels = shares.mul_(N_COLOURS - 1).round_().to(torch.uint8)
    rows, columns = levels.flip(1)[:, :, None], levels.repeat_interleave(3, dim=1)[:, None]
    greys = out.flatten(2)  # (n_windows, size, size x 3)
    torch.maximum(rows, columns, out=greys).sub_(torch.minimum(rows, columns))
    return out


def draw_transitions(series: Tensor, colormap: str, out: Tensor) -> Tensor:
    """Draw Markov transitions where pairs of samples are pixels: at most 8 rows differ."""
    probabilities, bins = transitions(series)
    kinds = probabilities.gather(2, bins[:, None].expand(-1, N_BINS, -1))
    # A bin that no sample lies in takes another's values, so that it does not count for the scale.
    first = kinds.gather(1, bins[:, :1, None].expand(-1, -1, kinds.shape[2]))
    there = torch.zeros_like(probabilities[:, 0]).scatter_(1, bins, 1.0)
    kinds = torch.where(there[..., None] > 0, kinds, first)
    lowest = kinds.amin(dim=(1, 2), keepdim=True)
    span = kinds.amax(dim=(1, 2), keepdim=True) - lowest
    shares = (kinds - lowest) / span.clamp(min=torch.finfo(kinds.dtype).tiny)
    coloured = colour(shares, colormap, out.new_empty((*kinds.shape, 3)))
    windows = torch.arange(len(bins), device=bins.device)[:, None]
    index = (windows * N_BINS + bins.flip(1)).flatten()
    torch.index_select(
        coloured.flatten(2).flatten(0, 1), 0, index, out=out.flatten(2).flatten(0, 1)
    )
    return out


def draw_one(curves: Tensor, out: Tensor) -> Tensor:
    """Draw each window's curve thin, black and anti-aliased on white, from border to border.

    Parameters
    ----------
    curves : Tensor of shape (n_windows, 1, n_times), float64
        From 0 at the picture's bottom to 1 at its top, half a stroke away from the border so that
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
    """Pixels from the picture's top of values that run from 0 at ``bottom`` to 1 at ``top``."""
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
    columns, so that sums have no order: a picture's bytes depend on nothing but its window.
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


SCALES: dict[str, Callable[[Tensor, int, ValueRange | None], Tensor]] = {
    "power": scale_power,
    "span": scale_span,
    "signed": scale_signed,
    "distance": scale_distance,
    "angle": scale_angle,
}
LAYOUTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "single": draw_one,
    "stacked": draw_stacked,
    "overlaid": draw_overlaid,
}
WITHOUT_MAPS: dict[str, Callable[[Tensor, str, Tensor], Tensor]] = {
    "recurrence": draw_distances,
    "mtf": draw_transitions,
}
