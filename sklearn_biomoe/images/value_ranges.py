"""Ranges of the vertical axis: learnt from windows, and warnings of values beyond them."""

import warnings
from typing import Any

import numpy as np
import torch

from .._typing import Array
from ..representations import REPRESENTATIONS
from ..representations.scaling import DYNAMIC_RANGE
from ..signals.modalities import ValueRange
from ..signals.windows import Windows
from .parameters import ImageParameters
from .settings import ImageSettings

# Of the training samples, and of the largest powers of training windows.
LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 1, 99
WINDOWS_AT_ONCE = 16
# `fit` refuses windows that are equal or beyond the axis, if there are so many of them.
ENOUGH_WINDOWS, NEARLY_ALL = 10, 0.95


def learn_value_range(windows: Windows, channel: int, *, logarithmic: bool) -> ValueRange:
    """Return the 1st and 99th percentile of a channel's samples, positive ones if logarithmic.

    Examples
    --------
    >>> from sklearn_biomoe.signals import read_windows
    >>> windows = read_windows(np.arange(101.0)[None], modality="eda")
    >>> learn_value_range(windows, 0, logarithmic=False)
    (1.0, 99.0)
    """
    samples = np.concatenate([window[channel] for window in windows.values])
    if not logarithmic:
        return _percentiles(samples)
    positive = samples[samples > 0]
    if not positive.size:
        raise ValueError(
            "No sample is positive, so a logarithmic value range cannot be learnt; "
            "pass value_range=(low, high)."
        )
    return (*_percentiles(positive), "log")


def _percentiles(samples: Array) -> tuple[float, float]:
    low, high = np.percentile(samples, [LOWEST_PERCENTILE, HIGHEST_PERCENTILE])
    return float(low), float(high)


def learn_power_range(
    windows: Windows, channel: int, representation: str, settings: ImageSettings
) -> tuple[float, float]:
    """Return the 99th percentile of windows' largest powers, in decibels, and 50 dB below it."""
    to_map = REPRESENTATIONS[representation].to_map
    assert to_map is not None
    largest = []
    for _, values in windows.by_length():
        for start in range(0, len(values), WINDOWS_AT_ONCE):
            signals = torch.from_numpy(values[start : start + WINDOWS_AT_ONCE, channel]).double()
            tiles = [signals[:, tile] for tile in settings.tile_slices(signals.shape[1])]
            flat = torch.stack(tiles, dim=1).flatten(0, 1)  # (n_windows x n_tiles, n_times)
            maps = to_map(flat, settings.sampling_rate or 1.0, settings.modalities[channel])
            largest.append(maps.amax(dim=(1, 2)))
    power = torch.cat(largest)
    if not power.any():
        raise ValueError(
            f"All windows are constant, so a power range of {representation!r} cannot be learnt; "
            "pass power_range=(low, high) in decibels."
        )
    decibels = 10 * np.log10(power[power > 0].numpy())
    high = float(np.percentile(decibels, HIGHEST_PERCENTILE))
    return high - DYNAMIC_RANGE, high


def refuse_meaningless(
    settings: ImageSettings, parameters: ImageParameters, windows: Windows
) -> None:
    """Raise ValueError if nearly all windows of a modality are beyond its axis, or all equal.

    Only if there are `ENOUGH_WINDOWS` or more, since few windows may be equal by chance.
    """
    if len(windows) < ENOUGH_WINDOWS:
        return
    advice = "check_windows shows what may be wrong with unit, sampling rate or sensor."
    for channel, (name, limits) in _fixed_ranges(settings, parameters).items():
        if limits != settings.modalities[channel].value_range:
            continue
        lowest, highest = _extremes(windows, channel)
        n_beyond = int(((highest < limits[0]) | (lowest > limits[1])).sum())
        if n_beyond > NEARLY_ALL * len(windows):
            unit = settings.modalities[channel].unit
            raise ValueError(
                f"{n_beyond} of {len(windows)} windows of {name!r} are entirely beyond "
                f"value_range={limits} in {unit} (they reach from {lowest.min():g} to "
                f"{highest.max():g}): their images are equal. Convert the signal to {unit}, or "
                f"pass value_range='training', 'window' or (low, high); {advice}"
            )
    if parameters.names == ["generic"] * len(parameters.names):
        return
    first = windows.values[0]
    if all(np.array_equal(first, window) for window in windows.values[1:]):
        raise ValueError(
            f"All {len(windows)} windows of modality {parameters.label!r} are equal, and so are "
            f"their images; {advice}"
        )


def _fixed_ranges(
    settings: ImageSettings, parameters: ImageParameters
) -> dict[int, tuple[str, ValueRange]]:
    """Return name and value range of channels with a waveform on a range that was not learnt."""
    given = parameters.value_range
    ranges = {
        channel: (panel.name, limits)
        for panel in reversed(settings.panels)
        if REPRESENTATIONS[panel.representation].has_values
        for channel, limits in zip(panel.channels, panel.limits, strict=True)
    }
    fixed = {}
    for channel, (name, limits) in ranges.items():
        own = given[channel] if isinstance(given, list) else given
        if limits is not None and not (isinstance(own, str) and own == "training"):
            fixed[channel] = name, limits
    return fixed


def _extremes(windows: Windows, channel: int) -> tuple[Array, Array]:
    """Return the lowest and the highest value of each window."""
    lowest = np.array([window[channel].min() for window in windows.values])
    highest = np.array([window[channel].max() for window in windows.values])
    return lowest, highest


_warned: set[Any] = set()  # causes, under the filters of warnings that applied


def warn_outside(settings: ImageSettings, parameters: ImageParameters, windows: Windows) -> None:
    """Warn if a waveform leaves the value range that was given or is preset.

    Counts differ from call to call, so that Python would repeat the warning for each fold of a
    study: it is given once for each image and range.
    """
    for channel, (name, limits) in _fixed_ranges(settings, parameters).items():
        lowest, highest = _extremes(windows, channel)
        n_outside = int(((lowest < limits[0]) | (highest > limits[1])).sum())
        cause = (name, tuple(limits), tuple(warnings.filters))
        if not n_outside or cause in _warned:
            continue
        unit = settings.modalities[channel].unit or "these units"
        warnings.warn(
            f"{n_outside} of {len(windows)} windows of {name!r} leave value_range={limits}, from "
            f"{lowest.min():.3g} to {highest.max():.3g}, and are drawn at the border of the image "
            f"there; check_windows lists them. If the signal is not in {unit}, convert it, or pass "
            "value_range='window', 'training' or (low, high). Other calls do not repeat this.",
            UserWarning,
            stacklevel=3,
        )
        _warned.add(cause)
