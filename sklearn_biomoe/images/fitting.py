"""From a transformer's parameters and windows to the settings that images are drawn by."""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._validation.parameters import check_option
from ..representations import REPRESENTATIONS, check_representations, spectrogram_piece
from ..signals import MODALITIES, Modality, Signals, ValueRange, shortest_window
from .rendering import DYNAMIC_RANGE, check_colormap
from .settings import ImageSettings, Panel, tile_starts

# Of the training samples; and of training windows, whose power may exceed the highest limit.
LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 1, 99
WINDOWS_LEARNT_AT_ONCE = 16


def check_parameters(parameters: Any) -> None:
    """Raise ValueError for the first parameter that no windows could be drawn by.

    Parameters
    ----------
    parameters : BiosignalImageTransformer
    """
    kinds = _kinds(parameters)
    for kind in kinds:
        check_option("modality", kind, list(MODALITIES))
    names = parameters.representations
    if not _is(names, "preset") and (np.ndim(names) != 1 or not len(names)):
        raise ValueError(
            f"representations={names!r}; expected 'preset', or a list of one or more names, "
            "such as ['waveform', 'spectrogram_psd']."
        )
    _check_positive("sampling_rate", parameters.sampling_rate, "in Hz, for all channels")
    if not isinstance(parameters.image_size, Integral) or parameters.image_size < 8:
        raise ValueError(f"image_size={parameters.image_size!r}; expected an integer of 8 or more.")
    check_colormap(parameters.colormap)
    _check_ranges(parameters)
    _check_tiles(parameters)
    for kind in kinds:
        check_representations(
            _representations(parameters, kind),
            parameters.sampling_rate,
            kind,
            _resolve(parameters, kind),
        )


def _kinds(parameters: Any) -> list[str]:
    modality = parameters.modality
    return [modality] if isinstance(modality, str) else list(modality)


def _representations(parameters: Any, kind: str) -> tuple[str, ...]:
    if isinstance(parameters.representations, str):
        return MODALITIES[kind].representations
    return tuple(parameters.representations)


def _resolve(parameters: Any, kind: str) -> Modality:
    """Return a modality's presets, but for what a parameter overrides."""
    names = ("spectrogram_window", "frequency_range")
    given = {name: getattr(parameters, name) for name in names}
    return replace(
        MODALITIES[kind],
        **{name: value for name, value in given.items() if not _is(value, "preset")},
    )


def _is(value: Any, name: str) -> bool:
    return isinstance(value, str) and value == name


def _check_positive(name: str, value: Any, unit: str) -> None:
    if value is None:
        return
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{name}={value!r}; expected a positive number {unit}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _check_ranges(parameters: Any) -> None:
    if not _is(parameters.spectrogram_window, "preset"):
        _check_positive("spectrogram_window", parameters.spectrogram_window, "in seconds")
    frequency_range = parameters.frequency_range
    if frequency_range is not None and not _is(frequency_range, "preset"):
        _check_pair("frequency_range", frequency_range, "Hz, None or 'preset'")
        if frequency_range[0] < 0:
            raise ValueError(f"frequency_range={frequency_range!r}; frequencies are not negative.")
    if parameters.power_range not in ("window", "training"):
        _check_pair("power_range", parameters.power_range, "decibels, 'window' or 'training'")
    value_ranges = parameters.value_range
    for value_range in value_ranges if isinstance(value_ranges, list) else [value_ranges]:
        if value_range in ("preset", "window", "training"):
            continue
        logarithmic = isinstance(value_range, tuple) and value_range[2:] == ("log",)
        forms = "'preset', 'window', 'training', (low, high, 'log')"
        _check_pair("value_range", value_range[:2] if logarithmic else value_range, forms)
        if logarithmic and value_range[0] <= 0:
            raise ValueError(f"value_range={value_range!r}; a logarithmic range starts above 0.")


def _check_pair(name: str, pair: Any, forms: str) -> None:
    is_pair = isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_number, pair))
    if not is_pair or not pair[0] < pair[1]:
        raise ValueError(
            f"{name}={pair!r}; expected a tuple (low, high) with low < high of {forms}."
        )


def _check_tiles(parameters: Any) -> None:
    length, step, rate = parameters.tile_length, parameters.tile_step, parameters.sampling_rate
    _check_positive("tile_length", length, "of seconds")
    _check_positive("tile_step", step, "of seconds")
    if length is None:
        if step is not None:
            raise ValueError(f"tile_step={step!r} needs tile_length= in seconds.")
        return
    if rate is None:
        raise ValueError(f"tile_length={length!r} needs sampling_rate= in Hz.")
    for name, value in (("tile_length", length), ("tile_step", step or length)):
        if round(value * rate) < 1:
            raise ValueError(
                f"{name}={value!r} s is less than a sample at sampling_rate={rate:g} Hz."
            )


def lay_out(parameters: Any, signals: Signals) -> ImageSettings:
    """Decide what images windows become, learning limits from them where that is asked for.

    Parameters
    ----------
    parameters : BiosignalImageTransformer
        That `check_parameters` found right.
    signals : ndarray
        As `sklearn_biomoe.signals.read_windows` returns them.

    Returns
    -------
    settings : ImageSettings

    Raises
    ------
    ValueError
        Where the number of channels does not fit the parameters, or no limits can be learnt.
    """
    n_channels = signals[0].shape[0]
    kinds = _kinds(parameters)
    kinds = kinds * n_channels if isinstance(parameters.modality, str) else kinds
    if len(kinds) != n_channels:
        raise ValueError(
            f"modality={parameters.modality!r} names {len(kinds)} channels, but windows have "
            f"{n_channels}; name one for each, or one for all."
        )
    tile_length = tile_step = None
    if parameters.tile_length is not None:
        tile_length = round(parameters.tile_length * parameters.sampling_rate)
        step = parameters.tile_step or parameters.tile_length
        tile_step = round(step * parameters.sampling_rate)
    settings = ImageSettings(
        modalities=tuple(_resolve(parameters, kind) for kind in kinds),
        channel_names=tuple(channel_names(kinds)),
        panels=(),
        sampling_rate=parameters.sampling_rate,
        colormap=parameters.colormap,
        image_size=int(parameters.image_size),
        n_tiles=len(tile_starts(signals[0].shape[1], tile_length, tile_step)),
        tile_length=tile_length,
        tile_step=tile_step,
    )
    return replace(settings, panels=tuple(_panels(parameters, kinds, signals, settings)))


def _panels(
    parameters: Any, kinds: list[str], signals: Signals, settings: ImageSettings
) -> Iterator[Panel]:
    """Yield each channel's own images, then those that join all channels."""
    names = settings.channel_names
    joint = dict.fromkeys(
        name
        for kind in kinds
        for name in _representations(parameters, kind)
        if REPRESENTATIONS[name].joins_channels
    )
    own = [
        (names[channel], representation, (channel,))
        for channel, kind in enumerate(kinds)
        for representation in _representations(parameters, kind)
        if representation not in joint
    ]
    everything = "_".join(dict.fromkeys(kinds))
    for prefix, representation, channels in [
        *own,
        *((everything, name, tuple(range(len(kinds)))) for name in joint),
    ]:
        limits = tuple(
            _limits(parameters, representation, channel, signals, settings) for channel in channels
        )
        yield Panel(f"{prefix}_{representation}", representation, channels, limits)


def channel_names(kinds: list[str]) -> list[str]:
    """Name channels after their modalities, numbered where several share one.

    Examples
    --------
    >>> channel_names(["eda", "eeg", "eeg"])
    ['eda', 'eeg_0', 'eeg_1']
    """
    shared, seen = Counter(kinds), Counter[str]()
    names = []
    for kind in kinds:
        names.append(kind if shared[kind] == 1 else f"{kind}_{seen[kind]}")
        seen[kind] += 1
    return names


def _limits(
    parameters: Any,
    representation: str,
    channel: int,
    signals: Signals,
    settings: ImageSettings,
) -> ValueRange | None:
    """Limits of one channel's waveform, or of its powers; None where windows have their own."""
    rendering = REPRESENTATIONS[representation].rendering
    if rendering == "power":
        given = parameters.power_range
        if given == "training":
            return learn_power_range(signals, channel, representation, settings)
        return None if given == "window" else given
    if REPRESENTATIONS[representation].to_map is not None:
        return None
    given = parameters.value_range
    if isinstance(given, list):
        if len(given) != len(settings.modalities):
            raise ValueError(
                f"value_range={given!r} is for {len(given)} channels, but windows have "
                f"{len(settings.modalities)}; give a range for each, or one for all."
            )
        given = given[channel]
    preset = settings.modalities[channel].value_range
    if given == "training":
        return learn_value_range(
            signals, channel, logarithmic=preset is not None and len(preset) > 2
        )
    return {"preset": preset, "window": None}[given] if isinstance(given, str) else given


def learn_value_range(signals: Signals, channel: int, *, logarithmic: bool) -> ValueRange:
    """1st and 99th percentile of all samples of a channel; of the positive ones if logarithmic.

    Examples
    --------
    >>> learn_value_range(np.arange(101.0)[None, None], 0, logarithmic=False)
    (1.0, 99.0)
    """
    samples = np.concatenate([window[channel] for window in signals])
    if not logarithmic:
        return _percentiles(samples)
    positive = samples[samples > 0]
    if not positive.size:
        raise ValueError(
            "No sample is positive, so that no logarithmic value range can be learnt; "
            "pass value_range=(low, high)."
        )
    return (*_percentiles(positive), "log")


def _percentiles(samples: NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(samples, [LOWEST_PERCENTILE, HIGHEST_PERCENTILE])
    return float(low), float(high)


def learn_power_range(
    signals: Signals, channel: int, representation: str, settings: ImageSettings
) -> tuple[float, float]:
    """99th percentile of windows' largest powers, in decibels, and 50 dB under it."""
    to_map = REPRESENTATIONS[representation].to_map
    assert to_map is not None
    largest = []
    for same_length in _batches(signals):
        pieces = settings.cut_tiles(same_length)[:, channel]
        maps = to_map(pieces, settings.sampling_rate or 1.0, settings.modalities[channel])
        largest.append(maps.amax(dim=(1, 2)))
    power = torch.cat(largest)
    if not power.any():
        raise ValueError(
            f"All windows are constant, so that no power range of {representation!r} can be "
            "learnt; pass power_range=(low, high) in decibels."
        )
    decibels = 10 * np.log10(power[power > 0].numpy())
    high = float(np.percentile(decibels, HIGHEST_PERCENTILE))
    return high - DYNAMIC_RANGE, high


def _batches(signals: Signals) -> Iterator[torch.Tensor]:
    """Yield equally long windows, float64 of shape (<= 16, n_channels, n_times)."""
    lengths = np.array([window.shape[1] for window in signals])
    for n_times in np.unique(lengths):
        rows = np.flatnonzero(lengths == n_times)
        for start in range(0, len(rows), WINDOWS_LEARNT_AT_ONCE):
            batch = [signals[row] for row in rows[start : start + WINDOWS_LEARNT_AT_ONCE]]
            yield torch.from_numpy(np.stack(batch)).double()


def check_lengths(settings: ImageSettings, signals: Signals, label: str) -> None:
    """Raise ValueError for windows too short for tiles or spectrograms, or of other tiles.

    Parameters
    ----------
    settings : ImageSettings
    signals : ndarray
    label : str
        The modality, named in the message.
    """
    shortest, n_times = shortest_window(signals)
    rate = settings.sampling_rate or 1.0
    shown = f"Window {shortest} of modality {label!r} lasts {n_times / rate:g} s"
    if settings.tile_length is not None:
        if n_times < settings.tile_length:
            raise ValueError(
                f"{shown}, less than tile_length={settings.tile_length / rate:g} s; pass a "
                "shorter one, or cut longer windows."
            )
        _check_tile_counts(settings, signals, label)
        n_times = settings.tile_length
        shown = f"A tile lasts {n_times / rate:g} s"
    for panel in settings.panels:
        modality = settings.modalities[panel.channels[0]]
        if not REPRESENTATIONS[panel.representation].has_pieces:
            continue
        if spectrogram_piece(n_times, rate, modality) > n_times:
            raise ValueError(
                f"{shown}, less than the spectrogram window of {modality.spectrogram_window:g} s; "
                f"pass spectrogram_window= of {n_times / rate:g} or less, or longer windows."
            )


def _check_tile_counts(settings: ImageSettings, signals: Signals, label: str) -> None:
    lengths = [window.shape[1] for window in signals]
    counts = [len(tile_starts(n, settings.tile_length, settings.tile_step)) for n in lengths]
    others = np.flatnonzero(np.array(counts) != settings.n_tiles)
    if others.size:
        row, rate = others[0], settings.sampling_rate or 1.0
        raise ValueError(
            f"Window {row} of modality {label!r} lasts {lengths[row] / rate:g} s and has "
            f"{counts[row]} tiles, but {settings.n_tiles} are expected, as of the first window "
            "seen in fit; cut windows of one length."
        )


def warn_outside(settings: ImageSettings, parameters: Any, signals: Signals) -> None:
    """Warn where a waveform leaves the value range that was given or preset."""
    given = parameters.value_range
    checked = set()
    for panel in settings.panels:
        if REPRESENTATIONS[panel.representation].to_map is not None:
            continue
        for channel, limits in zip(panel.channels, panel.limits, strict=True):
            learnt = _is(given[channel] if isinstance(given, list) else given, "training")
            if limits is None or learnt or channel in checked:
                continue
            checked.add(channel)
            lowest = np.array([window[channel].min() for window in signals])
            highest = np.array([window[channel].max() for window in signals])
            n_outside = int(((lowest < limits[0]) | (highest > limits[1])).sum())
            if n_outside:
                warnings.warn(
                    f"{n_outside} of {len(signals)} windows of {panel.name!r} leave value_range="
                    f"{limits} (they reach from {lowest.min():g} to {highest.max():g}) and run "
                    "along the image's border there. If the signal is not in "
                    f"{settings.modalities[channel].unit or 'these units'}, convert it, or pass "
                    "value_range='window', 'training' or (low, high).",
                    UserWarning,
                    stacklevel=3,
                )
