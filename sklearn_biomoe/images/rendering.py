"""Rendering: from signals and maps to uint8 RGB images, by curves or by colours."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..representations import REPRESENTATIONS
from ..representations.pairs import LONGEST_SERIES, shorten
from ..signals import Modality, ValueRange
from .colours import check_colormap, colour
from .curves import draw_one, draw_overlaid, draw_stacked, scale_values
from .maps import (
    DYNAMIC_RANGE,
    draw_distances,
    draw_near,
    draw_transitions,
    scale_angle,
    scale_distance,
    scale_power,
    scale_signed,
    scale_span,
)

__all__ = ["DYNAMIC_RANGE", "LAYOUTS", "SCALES", "WITHOUT_MAPS", "check_colormap", "draw"]

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
    "recurrence_thresholded": draw_near,
    "mtf": draw_transitions,
}


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
    """Draw equally long windows, one image each.

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
    if entry.parts:
        for colour_channel, part in enumerate(entry.parts):
            own = limits if REPRESENTATIONS[part].to_map is None else [None]
            grey = draw(signals, part, sampling_rate=sampling_rate, modality=modality, limits=own,
                        colormap="gray", size=size)  # fmt: skip
            out[..., colour_channel] = grey[..., 0]
        return out
    if entry.to_map is None:
        channels = zip(signals.unbind(dim=1), limits, strict=True)
        scaled = torch.stack([scale_values(*channel) for channel in channels], dim=1)
        return LAYOUTS[entry.rendering](scaled, out)
    if representation in WITHOUT_MAPS and min(signals.shape[2], LONGEST_SERIES) == size:
        return WITHOUT_MAPS[representation](shorten(signals[:, 0]), colormap, out)
    maps = entry.to_map(signals[:, 0], sampling_rate or 1.0, modality)
    return colour(SCALES[entry.rendering](maps, size, limits[0]), entry.colormap or colormap, out)
