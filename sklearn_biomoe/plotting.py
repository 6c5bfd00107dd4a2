"""Pictures for people: contact sheets with axes in seconds, hertz and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .images import BiosignalImages
from .settings import Panel, PictureSettings, tile_starts
from .signals import Modality, ValueRange

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PICTURES = 200
WIDTH, HEIGHT = 2.6, 2.8  # inches for a picture with its axes and title


def plot_images(images: BiosignalImages, *, titles: Sequence[str] | None = None) -> Figure:
    """Show every picture of a stack with its axes: a row for each window.

    Parameters
    ----------
    images : BiosignalImages
        What `BiosignalImageTransformer` makes, 200 pictures at most: ``images[:4]`` takes the
        first four windows.
    titles : sequence of str or None, default=None
        Names of the windows; None takes the row labels of the frame they came from, or counts.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Notebooks show it by themselves; elsewhere ``figure.savefig("pictures.png")``. Time runs in
        seconds (samples where no sampling rate was given) from each window's first sample,
        frequencies in Hz upwards, values in the modality's unit.

    Raises
    ------
    ValueError
        For anything but a stack of pictures, an empty or a large one, and another number of titles
        than windows.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> from sklearn_biomoe.plotting import plot_images
    >>> pulse = np.sin(2 * np.pi * 1.2 * np.arange(0, 20, 1 / 64)) * np.ones((2, 1))
    >>> drawer = BiosignalImageTransformer(
    ...     ["waveform", "scalogram"], sampling_rate=64, modality="bvp"
    ... )
    >>> figure = plot_images(drawer.fit_transform(pulse), titles=["rest", "stress"])
    >>> [axes.get_title() for axes in figure.axes]
    ['bvp_waveform', 'bvp_scalogram', '', '']
    >>> figure.axes[1].get_ylabel()
    'Hz'
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot_images needs matplotlib: pip install 'sklearn-biomoe[plot]'."
        ) from error

    titles = _check(images, titles)
    n_windows, n_images = images.shape[:2]
    figure = Figure(figsize=(WIDTH * n_images, HEIGHT * n_windows), layout="constrained")
    grid = figure.subplots(n_windows, n_images, squeeze=False)
    settings = images.settings
    places = [(panel, tile) for panel in settings.panels for tile in range(settings.n_tiles)]
    for row, window in enumerate(np.asarray(images)):
        for axes, picture, (panel, tile) in zip(grid[row], window, places, strict=True):
            signals = images.signals[row][list(panel.channels)]
            _show(axes, picture, panel_axes(panel, tile, signals, settings))
        grid[row, 0].set_ylabel(f"{titles[row]}\n{grid[row, 0].get_ylabel()}")
    for axes, name in zip(grid[0], images.image_names, strict=True):
        axes.set_title(name, fontsize="small")
    return figure


def _check(images: Any, titles: Sequence[str] | None) -> list[str]:
    """Refuse what cannot be shown, and return a title for each window."""
    if not isinstance(images, BiosignalImages):
        raise ValueError(
            f"plot_images shows what BiosignalImageTransformer makes; got {type(images).__name__}. "
            "A single picture is shown by plt.imshow."
        )
    n_pictures = len(images) * len(images.image_names)
    if not 0 < n_pictures <= MOST_PICTURES:
        raise ValueError(
            f"There are {n_pictures} pictures; 1 to {MOST_PICTURES} make a sheet. Take some of the "
            "windows: plot_images(images[:4])."
        )
    if titles is None:
        labels = range(len(images)) if images.index is None else images.index
        return [f"window {label}" for label in labels]
    if len(titles) != len(images):
        raise ValueError(f"There are {len(titles)} titles for {len(images)} windows.")
    return list(titles)


@dataclass(frozen=True)
class PanelAxes:
    """What a picture's borders stand for.

    Parameters
    ----------
    left, right, bottom, top : float
        In the axes' coordinates; decimal logarithms on a logarithmic vertical axis.
    x_label, y_label : str
    logarithmic : bool
    names : tuple of str
        Of stacked channels, from the top; they stand for ticks.
    """

    left: float
    right: float
    bottom: float
    top: float
    x_label: str
    y_label: str
    logarithmic: bool = False
    names: tuple[str, ...] = ()


def panel_axes(panel: Panel, tile: int, signals: Any, settings: PictureSettings) -> PanelAxes:
    """Compute the axes of a picture.

    Parameters
    ----------
    panel : Panel
    tile : int
        Which tile of the window it shows.
    signals : ndarray of shape (n_channels, n_times)
        The window, of the panel's channels.
    settings : PictureSettings

    Returns
    -------
    axes : PanelAxes
    """
    from .representations import REPRESENTATIONS

    rate = settings.sampling_rate or 1.0
    x_label = "samples" if settings.sampling_rate is None else "s"
    start = tile_starts(signals.shape[1], settings.tile_length, settings.tile_step)[tile]
    signals = signals[:, start : start + (settings.tile_length or signals.shape[1])]
    n_times, begin = signals.shape[1], start / rate
    modality = settings.modalities[panel.channels[0]]
    kind = REPRESENTATIONS[panel.representation].axes
    if kind == "value":
        width = max(n_times - 1, 1) / rate
        return _value_axes(panel, signals, settings, (begin, begin + width, x_label))
    if kind == "pairs":
        end = begin + n_times / rate
        return PanelAxes(begin, end, begin, end, x_label, x_label)
    if kind == "scale":
        left, right = begin - 0.5 / rate, begin + (n_times - 0.5) / rate
        return PanelAxes(left, right, *_scale_span(n_times, rate, modality), x_label, "Hz", True)
    left, right, bottom, top = _spectrogram_span(n_times, rate, modality)
    return PanelAxes(begin + left, begin + right, bottom, top, x_label, "Hz")


def _value_axes(
    panel: Panel, signals: Any, settings: PictureSettings, times: tuple[float, float, str]
) -> PanelAxes:
    left, right, x_label = times
    if len(panel.channels) > 1:
        stacked = panel.representation == "waveform_stacked"
        names = settings.channel_names if stacked else ()
        return PanelAxes(left, right, 0, 1, x_label, "", names=names)
    bottom, top, logarithmic = _value_span(signals[0], panel.limits[0], settings.image_size)
    unit = settings.modalities[panel.channels[0]].unit
    return PanelAxes(left, right, bottom, top, x_label, unit, logarithmic)


def _value_span(signal: Any, limits: ValueRange | None, size: int) -> tuple[float, float, bool]:
    """Values at a waveform's bottom and top border, half a stroke beyond its limits."""
    from .rendering.curves import LINE_WIDTH

    low, high = (signal.min(), signal.max()) if limits is None else limits[:2]
    logarithmic = limits is not None and len(limits) == 3
    if logarithmic:
        low, high = np.log10(low), np.log10(high)
    if low == high:  # drawn at half the height
        low, high = low - 0.5, high + 0.5
    margin = (high - low) * LINE_WIDTH / 2 / (size - LINE_WIDTH)
    return float(low - margin), float(high + margin), logarithmic


def _scale_span(n_times: int, rate: float, modality: Modality) -> tuple[float, float]:
    from .representations import scalogram_frequencies

    exponents = np.log10(scalogram_frequencies(n_times, rate, modality))
    half = (exponents[1] - exponents[0]) / 2  # a row reaches half-way to its neighbours
    return float(exponents[0] - half), float(exponents[-1] + half)


def _spectrogram_span(
    n_times: int, rate: float, modality: Modality
) -> tuple[float, float, float, float]:
    """Seconds and hertz at the borders, half-way from the outermost pieces and frequencies."""
    from .representations import spectrogram_bins, spectrogram_hop, spectrogram_piece

    piece = spectrogram_piece(n_times, rate, modality)
    hop = spectrogram_hop(piece)
    n_pieces = (n_times - piece) // hop + 1
    first = piece / 2 - hop / 2
    n_fft, shown = spectrogram_bins(piece, rate, modality)
    bin_width = rate / n_fft
    return (
        first / rate,
        (first + n_pieces * hop) / rate,
        (shown.start - 0.5) * bin_width,
        (shown.stop - 0.5) * bin_width,
    )


def _show(axes: Axes, picture: Any, shown: PanelAxes) -> None:
    extent = (shown.left, shown.right, shown.bottom, shown.top)
    axes.imshow(picture, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_box_aspect(1)  # as the backbone sees it
    axes.set_xlabel(shown.x_label)
    axes.set_ylabel(shown.y_label)
    axes.tick_params(labelsize="x-small")
    if shown.names:
        n_bands = len(shown.names)
        axes.set_yticks([1 - (i + 0.5) / n_bands for i in range(n_bands)], shown.names)
    elif shown.y_label == "" and (shown.bottom, shown.top) == (0, 1):
        axes.set_yticks([])
    elif shown.logarithmic:
        ticks = _logarithmic_ticks(shown.bottom, shown.top)
        axes.set_yticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])


def _logarithmic_ticks(bottom: float, top: float) -> list[float]:
    """Numbers 1, 2 and 5 times powers of ten between two exponents."""
    exponents = range(int(np.floor(bottom)), int(np.ceil(top)) + 1)
    ticks = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return [tick for tick in ticks if bottom <= np.log10(tick) <= top]
