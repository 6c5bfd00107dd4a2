"""From a transformer's parameters and windows to the settings that images are drawn with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ..representations import REPRESENTATIONS
from ..signals.modalities import ValueRange
from ..signals.windows import Windows
from .curves import LINE_WIDTH
from .parameters import ImageParameters
from .settings import ImageSettings, Panel, tile_starts
from .value_ranges import learn_power_range, learn_value_range


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
        If the number of channels does not match the parameters, windows are too short, or a range
        cannot be learnt.
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
    panels = tuple(_panels(parameters, names, settings))
    settings = replace(settings, panels=panels)
    check_lengths(settings, windows, parameters.label)  # before powers are computed from them
    limits = (
        tuple(_limits(parameters, panel, channel, present, settings) for channel in panel.channels)
        for panel in panels
    )
    panels = tuple(replace(panel, limits=each) for panel, each in zip(panels, limits, strict=True))
    return replace(settings, panels=panels)


def _panels(
    parameters: ImageParameters, names: list[str], settings: ImageSettings
) -> Iterator[Panel]:
    """Yield each channel's own images, then those that join all channels, without limits."""
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
        _check_bands(representation, len(channels), settings.image_size)
        yield Panel(f"{prefix}_{representation}", representation, channels, ())


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
    panel: Panel,
    channel: int,
    windows: Windows,
    settings: ImageSettings,
) -> ValueRange | None:
    """Value range of a channel's waveform, or its power range; None for each window's own."""
    entry = REPRESENTATIONS[panel.representation]
    if entry.has_powers:
        if parameters.power_range == "training":
            return learn_power_range(windows, channel, panel.representation, settings)
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
