"""Rendering: from signals to uint8 RGB images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..representations import REPRESENTATIONS
from ..representations.pairs import LONGEST_SERIES, shorten
from ..representations.scaling import to_levels
from ..signals.modalities import Modality, ValueRange
from .colours import GREYS, colour_table, look_up
from .curves import draw_curves, scale_values


def render(
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
    """Draw windows of equal length, one image each.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_channels, n_times), float64
        One channel, unless the representation joins several.
    representation : str
        A name in the registry.
    sampling_rate : float or None
        In Hz; None if the representation does not depend on it.
    modality : Modality
        Of the (first) channel.
    limits : sequence of length n_channels
        Value range of each channel's waveform, in its unit, or power range in decibels; None for
        each window's own. Ignored by maps with a fixed scale.
    colormap : str
        Of coloured maps, a name in the package cmap.
    size : int
        Pixels on each side.
    out : Tensor of shape (n_windows, size, size, 3), uint8, contiguous, or None
        Where to draw, on the device of ``signals``; None allocates memory.

    Returns
    -------
    images : Tensor of shape (n_windows, size, size, 3), uint8
        ``out``, if it is given.

    Examples
    --------
    >>> import torch
    >>> from sklearn_biomoe.signals import MODALITIES
    >>> signals = torch.zeros(2, 1, 240, dtype=torch.float64)
    >>> render(
    ...     signals, "waveform", sampling_rate=None, modality=MODALITIES["eda"], limits=[None],
    ...     colormap="viridis", size=224
    ... ).shape
    torch.Size([2, 224, 224, 3])
    """
    if out is None:
        out = signals.new_empty((len(signals), size, size, 3), dtype=torch.uint8)
    entry = REPRESENTATIONS[representation]
    for colour_channel, part in enumerate(entry.parts):
        own = limits if REPRESENTATIONS[part].has_values else [None]
        grey = render(
            signals,
            part,
            sampling_rate=sampling_rate,
            modality=modality,
            limits=own,
            colormap="gray",
            size=size,
        )
        out[..., colour_channel] = grey[..., 0]
    if entry.parts:
        return out
    if entry.bands is not None:
        channels = zip(signals.unbind(dim=1), limits, strict=True)
        curves = torch.stack([scale_values(*channel) for channel in channels], dim=1)
        return draw_curves(curves, entry.bands(curves.shape[1], size), out)
    assert entry.to_map is not None
    assert entry.scale is not None
    colours = colour_table(entry.colormap or colormap)
    if entry.levels is not None and min(signals.shape[2], LONGEST_SERIES) == size:
        levels = entry.levels(shorten(signals[:, 0]))
        # The table of "gray", rounded down, is one less than the level at some levels.
        return look_up(levels, GREYS if entry.colormap == "gray" else colours, out)
    maps = entry.to_map(signals[:, 0], sampling_rate or 1.0, modality)
    return look_up(to_levels(entry.scale(maps, size, limits[0])), colours, out)
