"""From a transformer's parameters and windows to the settings that images are drawn with."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from .._typing import Array
from .._validation.parameters import check_integer, check_number, is_number
from ..representations import REPRESENTATIONS, check_representations
from ..representations.scaling import DYNAMIC_RANGE
from ..signals.modalities import MODALITIES, Modality, ValueRange, find_modality
from ..signals.windows import Windows
from .colours import check_colormap
from .curves import LINE_WIDTH
from .settings import ImageSettings, Panel, tile_starts

# Of the training samples, and of the largest powers of training windows.
LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 1, 99
WINDOWS_AT_ONCE = 16
# `fit` refuses windows that are equal or beyond the axis, if there are so many of them.
ENOUGH_WINDOWS, NEARLY_ALL = 10, 0.95


@dataclass(frozen=True)
class ImageParameters:
    """The parameters of `BiosignalImageTransformer`, which describes them."""

    representations: str | Sequence[str]
    sampling_rate: float | None
    modality: str | Sequence[str]
    value_range: str | ValueRange | list[Any]
    power_range: str | tuple[float, float]
    spectrogram_window: str | float | None
    frequency_range: str | tuple[float, float] | None
    colormap: str
    tile_length: float | None
    tile_step: float | None
    image_size: int

    @property
    def names(self) -> list[str]:
        """Names of the modalities in `MODALITIES`."""
        given = [self.modality] if isinstance(self.modality, str) else list(self.modality)
        return [find_modality(name) for name in given]

    @property
    def label(self) -> str:
        """The modality or modalities, for messages."""
        return "+".join(self.names)

    def check(self) -> None:
        """Raise ValueError for the first invalid parameter."""
        names = self.representations
        if not isinstance(names, str) and (np.ndim(names) != 1 or not len(names)):
            raise ValueError(
                f"representations={names!r}; expected 'preset', a name, or a list of one or more "
                "names, such as ['waveform', 'spectrogram_psd']."
            )
        rate = self.sampling_rate
        if rate is not None:
            check_number("sampling_rate", rate, above=0, unit="Hz", alternative="None")
        check_integer("image_size", self.image_size, minimum=8)
        check_colormap(self.colormap)
        self._check_ranges()
        self._check_tiles()
        for name in self.names:
            check_representations(self.shown(name), rate, name, self.preset(name))

    def shown(self, name: str) -> tuple[str, ...]:
        """Representations of a modality."""
        if is_preset(self.representations):
            return MODALITIES[name].representations
        if isinstance(self.representations, str):
            return (self.representations,)
        return tuple(self.representations)

    def preset(self, name: str) -> Modality:
        """Return the presets of a modality, with those replaced that a parameter overrides."""
        overridden = ("spectrogram_window", "frequency_range")
        values = {each: getattr(self, each) for each in overridden}
        given = {each: value for each, value in values.items() if not is_preset(value)}
        return replace(MODALITIES[name], **given)

    def _check_ranges(self) -> None:
        window = self.spectrogram_window
        if window is not None and not is_preset(window):
            check_number("spectrogram_window", window, above=0, unit="seconds", alternative="None")
        frequencies: Any = self.frequency_range
        if frequencies is not None and not is_preset(frequencies):
            _check_pair("frequency_range", frequencies, "Hz, None or 'preset'")
            if frequencies[0] < 0:
                raise ValueError(
                    f"frequency_range={frequencies!r}; expected frequencies of 0 Hz or more."
                )
        if self.power_range not in ("window", "training"):
            _check_pair("power_range", self.power_range, "decibels, 'window' or 'training'")
        ranges: Any = self.value_range
        for value_range in ranges if isinstance(ranges, list) else [ranges]:
            if value_range in ("preset", "window", "training"):
                continue
            logarithmic = isinstance(value_range, tuple) and value_range[2:] == ("log",)
            pair = value_range[:2] if logarithmic else value_range
            _check_pair("value_range", pair, "'preset', 'window', 'training', (low, high, 'log')")
            if logarithmic and value_range[0] <= 0:
                raise ValueError(
                    f"value_range={value_range!r}; expected a logarithmic range above 0."
                )

    def _check_tiles(self) -> None:
        for name, value in (("tile_length", self.tile_length), ("tile_step", self.tile_step)):
            if value is not None:
                check_number(name, value, above=0, unit="seconds", alternative="None")
        if self.tile_length is None:
            if self.tile_step is not None:
                raise ValueError(f"tile_step={self.tile_step!r} needs tile_length= in seconds.")
            return
        if self.sampling_rate is None:
            raise ValueError(f"tile_length={self.tile_length!r} needs sampling_rate= in Hz.")
        for name, samples in zip(("tile_length", "tile_step"), self.tile_samples(), strict=True):
            if samples < 1:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} s is less than a sample at "
                    f"sampling_rate={self.sampling_rate:g} Hz."
                )

    def tile_samples(self) -> tuple[int, int]:
        """Length and step of tiles, in samples."""
        assert self.tile_length is not None
        assert self.sampling_rate is not None
        step = self.tile_step or self.tile_length
        return round(self.tile_length * self.sampling_rate), round(step * self.sampling_rate)


def is_preset(value: object) -> bool:
    """Return whether a parameter is "preset"; it may be an array, too."""
    return isinstance(value, str) and value == "preset"


def _check_pair(name: str, pair: Any, forms: str) -> None:
    is_pair = isinstance(pair, tuple) and len(pair) == 2 and all(map(is_number, pair))
    if not is_pair or not pair[0] < pair[1]:
        raise ValueError(
            f"{name}={pair!r}; expected a tuple (low, high) with low < high of {forms}."
        )


def fit_settings(parameters: ImageParameters, windows: Windows) -> ImageSettings:
    """Determine how windows are drawn, with ranges learnt from them if requested.

    Parameters
    ----------
    parameters : ImageParameters
        Checked ones.
    windows : Windows
        Not all of them missing.

    Returns
    -------
    settings : ImageSettings

    Raises
    ------
    ValueError
        If the number of channels does not match the parameters, or a range cannot be learnt.
    """
    present = windows.present
    names = parameters.names
    if isinstance(parameters.modality, str):
        names = names * present.n_channels
    if len(names) != present.n_channels:
        raise ValueError(
            f"modality={parameters.modality!r} names {len(names)} channels, but windows have "
            f"{present.n_channels}; name one for each, or one for all."
        )
    length, step = (None, None) if parameters.tile_length is None else parameters.tile_samples()
    settings = ImageSettings(
        modalities=tuple(map(parameters.preset, names)),
        channel_names=tuple(channel_names(names)),
        panels=(),
        sampling_rate=parameters.sampling_rate,
        colormap=parameters.colormap,
        image_size=int(parameters.image_size),
        n_tiles=len(tile_starts(present.values[0].shape[1], length, step)),
        tile_length=length,
        tile_step=step,
    )
    panels = tuple(_panels(parameters, names, present, settings))
    return replace(settings, panels=panels)


def _panels(
    parameters: ImageParameters, names: list[str], windows: Windows, settings: ImageSettings
) -> Iterator[Panel]:
    """Yield each channel's own images, then those that join all channels."""
    shown = [
        (name, representation, (channel,))
        for channel, modality in enumerate(names)
        for representation in parameters.shown(modality)
        for name in [settings.channel_names[channel]]
    ]
    own = [each for each in shown if not REPRESENTATIONS[each[1]].joins_channels]
    joint = dict.fromkeys(each[1] for each in shown if REPRESENTATIONS[each[1]].joins_channels)
    every_name, every_channel = "_".join(dict.fromkeys(names)), tuple(range(len(names)))
    for prefix, representation, channels in [
        *own,
        *((every_name, representation, every_channel) for representation in joint),
    ]:
        limits = tuple(
            _limits(parameters, representation, channel, windows, settings) for channel in channels
        )
        _check_bands(representation, len(channels), settings.image_size)
        yield Panel(f"{prefix}_{representation}", representation, channels, limits)


def _check_bands(representation: str, n_curves: int, size: int) -> None:
    """Raise ValueError if the bands of stacked curves are lower than two strokes."""
    bands = REPRESENTATIONS[representation].bands
    if bands is None or min(bottom - top for top, bottom in bands(n_curves, size)) > 2 * LINE_WIDTH:
        return
    raise ValueError(
        f"{representation!r} of {n_curves} channels does not fit into image_size={size}; pass "
        "fewer channels, or another representation."
    )


def channel_names(names: list[str]) -> list[str]:
    """Name channels after their modalities, numbered if several share one.

    Examples
    --------
    >>> channel_names(["eda", "eeg", "eeg"])
    ['eda', 'eeg_0', 'eeg_1']
    """
    shared, seen = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        numbered.append(name if shared[name] == 1 else f"{name}_{seen[name]}")
        seen[name] += 1
    return numbered


def _limits(
    parameters: ImageParameters,
    representation: str,
    channel: int,
    windows: Windows,
    settings: ImageSettings,
) -> ValueRange | None:
    """Value range of a channel's waveform, or its power range; None for each window's own."""
    entry = REPRESENTATIONS[representation]
    if entry.has_powers:
        if parameters.power_range == "training":
            return learn_power_range(windows, channel, representation, settings)
        return None if isinstance(parameters.power_range, str) else parameters.power_range
    if not entry.has_values:
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
        logarithmic = preset is not None and len(preset) > 2
        return learn_value_range(windows, channel, logarithmic=logarithmic)
    return {"preset": preset, "window": None}[given] if isinstance(given, str) else given


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
            pieces = torch.stack(tiles, dim=1).flatten(0, 1)  # (n_windows x n_tiles, n_times)
            maps = to_map(pieces, settings.sampling_rate or 1.0, settings.modalities[channel])
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


def check_lengths(settings: ImageSettings, windows: Windows, label: str) -> None:
    """Raise ValueError if a window is too short for tiles or spectrograms, or has other tiles."""
    shortest, n_times = windows.shortest()
    rate = settings.sampling_rate or 1.0
    what = f"Window {shortest} of modality {label!r} lasts {n_times / rate:g} s"
    if settings.tile_length is not None:
        if n_times < settings.tile_length:
            raise ValueError(
                f"{what}, less than tile_length={settings.tile_length / rate:g} s; pass a "
                "shorter one, or cut longer windows."
            )
        _check_tile_counts(settings, windows, label)
        n_times = settings.tile_length
        what = f"A tile lasts {n_times / rate:g} s"
    for panel in settings.panels:
        modality = settings.modalities[panel.channels[0]]
        needed = REPRESENTATIONS[panel.representation].shortest
        if needed is not None and needed(n_times, rate, modality) > n_times:
            raise ValueError(
                f"{what}, less than the spectrogram window of {modality.spectrogram_window:g} s; "
                f"pass spectrogram_window= of {n_times / rate:g} or less, or longer windows."
            )


def _check_tile_counts(settings: ImageSettings, windows: Windows, label: str) -> None:
    for row, n_times in enumerate(windows.lengths):
        n_tiles = len(settings.tile_slices(n_times))
        if n_tiles != settings.n_tiles:
            seconds = n_times / (settings.sampling_rate or 1.0)
            raise ValueError(
                f"Window {row} of modality {label!r} lasts {seconds:g} s and has {n_tiles} tiles; "
                f"expected {settings.n_tiles}, as for the first window in fit. Cut windows of one "
                "length."
            )


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
