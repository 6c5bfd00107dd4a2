"""Images for people: what the backbone sees, over axes in seconds, hertz and units.

Needs matplotlib: ``pip install 'sklearn-biomoe[plot]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._validation.parameters import check_integer
from .images.axes import ImageAxes, image_axes
from .images.curves import CURVE_COLOURS, LINE_WIDTH
from .images.settings import ImageSettings, Panel, tile_starts
from .images.stack import BiosignalImages
from .representations import REPRESENTATIONS
from .signals import ValueRange

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IMAGES = 200  # that a figure can hold
DPI = 100
SIDE = 224  # dots of an image, or so many more that its pixels have whole numbers of them
LEFT, RIGHT, BELOW, ABOVE = 75, 10, 45, 25  # dots around each image, for labels
LEFT_OF_CURVES = 130  # where channels are named
ROW_LABEL = 25  # dots


def plot_images(
    images: BiosignalImages,
    *,
    titles: Sequence[str] | None = None,
    windows_per_row: int = 1,
) -> Figure:
    """Show images in a contact sheet, each over its axes.

    A row of panels shows a window, a column one of its images. Axes are in seconds (in samples
    where there is no sampling rate), in hertz and in the unit of the modality. Borders are where
    the drawing has them: a waveform reaches from its first sample to its last, and the pixels of a
    map are as wide as what they stand for, so that half of them lies before their first time and
    below their lowest frequency. At the figure's 100 dots per inch, a pixel of 224 x 224 is a dot.
    In place of windows that are missing stands the word.

    Parameters
    ----------
    images : BiosignalImages
        Up to 200 images: slice larger stacks.
    titles : sequence of str, default=None
        A label for each window. None takes the labels of the frame's rows, or numbers.
    windows_per_row : int, default=1
        Windows to show next to each other, each with all its images.

    Returns
    -------
    figure : matplotlib.figure.Figure
        It is not registered with pyplot, so that it needs no closing. ``figure.savefig(path)``
        writes it; in a notebook, after ``%matplotlib inline``, it shows as a cell's last value.

    Raises
    ------
    ValueError
        For what is no stack, an empty stack, more than 200 images, or another number of titles
        than of windows.
    ImportError
        Without matplotlib.

    See Also
    --------
    plot_image : Shows one image on axes of yours.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> seconds = np.arange(0, 60, 1 / 4)
    >>> windows = 3 + np.sin(2 * np.pi * np.array([[0.1], [0.2]]) * seconds)  # in µS
    >>> drawer = BiosignalImageTransformer(
    ...     ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    ... )
    >>> figure = plot_images(drawer.fit_transform(windows), titles=["0.1 Hz", "0.2 Hz"])
    >>> [axis.get_title() for axis in figure.axes]
    ['eda_waveform', 'eda_spectrogram_psd', 'eda_waveform', 'eda_spectrogram_psd']
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('time (s)', 'µS')
    """
    _check(images)
    check_integer("windows_per_row", windows_per_row)
    labels = _row_labels(images, titles)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot_images needs matplotlib: pip install 'sklearn-biomoe[plot]'."
        ) from error

    n_windows, n_images, size = images.shape[:3]
    side = size * -(-SIDE // size)
    joined = any(REPRESENTATIONS[p.representation].joins_channels for p in images.settings.panels)
    left = LEFT_OF_CURVES if joined else LEFT
    window_width = ROW_LABEL + n_images * (left + side + RIGHT)
    width = min(n_windows, windows_per_row) * window_width
    height = -(-n_windows // windows_per_row) * (ABOVE + side + BELOW)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    for window, label in enumerate(labels):
        row, column = divmod(window, windows_per_row)
        bottom = height - (row + 1) * (ABOVE + side + BELOW) + BELOW
        x = column * window_width + ROW_LABEL
        figure.text(
            (x - ROW_LABEL / 2) / width,
            (bottom + side / 2) / height,
            label,
            rotation="vertical",
            ha="center",
            va="center",
        )
        for number, image in enumerate(np.asarray(images[window])):
            x += left
            axis = figure.add_axes((x / width, bottom / height, side / width, side / height))
            _show(axis, image, images, window, number)
            x += side + RIGHT
    return figure


def plot_image(axis: Axes, images: BiosignalImages, window: int, number: int) -> None:
    """Show one image over its axes, under its name.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Where to show it.
    images : BiosignalImages
    window : int
        Position of the window in the stack.
    number : int
        Position of the image in ``images.image_names``.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> images = BiosignalImageTransformer(sampling_rate=10).fit_transform(np.eye(3))
    >>> axis = Figure().subplots()
    >>> plot_image(axis, images, window=1, number=0)
    >>> axis.get_title(), axis.get_xlabel()
    ('generic_waveform', 'time (s)')
    """
    window, number = range(len(images))[window], range(len(images.image_names))[number]
    _show(axis, np.asarray(images[window, number]), images, window, number)


def _check(images: Any) -> None:
    if not isinstance(images, BiosignalImages):
        shape = f" of shape {np.shape(images)}" if isinstance(images, np.ndarray) else ""
        raise ValueError(
            f"images is a {type(images).__name__}{shape}; expected a BiosignalImages, as "
            "BiosignalImageTransformer returns it: plot_images(images[:3]). "
            "(images[3] and images[3, 0] are arrays, which know no axes; images[3:4] is a stack.)"
        )
    if not len(images):
        raise ValueError("images holds 0 windows; expected one or more.")
    n_images = len(images) * len(images.image_names)
    if n_images > MOST_IMAGES:
        rows = max(1, min(10, MOST_IMAGES // len(images.image_names)))
        raise ValueError(
            f"images holds {n_images:,} images ({len(images)} windows x "
            f"{len(images.image_names)}), more than the {MOST_IMAGES} that fit a sheet; slice "
            f"it: plot_images(images[:{rows}])."
        )


def _row_labels(images: BiosignalImages, titles: Sequence[str] | None) -> list[str]:
    if titles is None:
        if images.index is None:
            return [f"window {window}" for window in range(len(images))]
        return [str(label) for label in images.index]
    if isinstance(titles, str) or len(titles) != len(images):
        n_titles = f"{len(titles)} labels" if not isinstance(titles, str) else "one label"
        raise ValueError(
            f"titles={titles!r} is {n_titles}; expected a list of {len(images)}, one for each "
            "window."
        )
    return [str(title) for title in titles]


@dataclass(frozen=True)
class _Shown:
    """What an image shows: samples of some channels, from one of the window's samples on."""

    panel: Panel
    settings: ImageSettings
    samples: NDArray[Any]  # (channels of the panel, n_times)
    first: int

    @property
    def n_times(self) -> int:
        return self.samples.shape[1]

    @property
    def axes(self) -> ImageAxes:
        """Times and frequencies at the image's borders."""
        modality = self.settings.modalities[self.panel.channels[0]]
        rate = self.settings.sampling_rate
        return image_axes(self.panel.representation, self.n_times, rate, modality, self.first)

    def limits(self, position: int) -> ValueRange:
        """Values at the bottom and the top of one of the panel's curves."""
        given, samples = self.panel.limits[position], self.samples[position]
        return given or (float(samples.min()), float(samples.max()))

    def unit(self, position: int) -> str:
        return self.settings.modalities[self.panel.channels[position]].unit


def _show(
    axis: Axes, image: NDArray[np.uint8], images: BiosignalImages, window: int, number: int
) -> None:
    settings = images.settings
    panel, tile = divmod(number, settings.n_tiles)
    signal = images.signals[window]
    axis.set_title(images.image_names[number], fontsize="small")
    if images.missing[window]:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "missing", transform=axis.transAxes, ha="center", va="center")
        return
    length = settings.tile_length or signal.shape[1]
    first = tile_starts(signal.shape[1], settings.tile_length, settings.tile_step)[tile]
    samples = signal[list(settings.panels[panel].channels), first : first + length]
    shown = _Shown(settings.panels[panel], settings, samples, first)
    # An image fills its panel, whatever scales the axes have: matplotlib bends no images.
    axis.imshow(
        image,
        extent=(0, 1, 0, 1),
        transform=axis.transAxes,
        interpolation="nearest",
        aspect="auto",
    )
    axis.tick_params(labelsize="small")
    time = "time (s)" if settings.sampling_rate else "time (samples)"
    axis.set_xlabel(time, fontsize="small")
    AXES[REPRESENTATIONS[shown.panel.representation].axes](axis, shown)


def _set_curve_axes(axis: Axes, shown: _Shown) -> None:
    """Draw axes of curves, which go from the first sample at the left border to the last."""
    axis.set_xlim(shown.axes.times)
    rendering = REPRESENTATIONS[shown.panel.representation].rendering
    {"single": _set_values, "stacked": _name_bands, "overlaid": _name_curves}[rendering](
        axis, shown
    )


def _set_values(axis: Axes, shown: _Shown) -> None:
    low, high, *logarithmic = shown.limits(0)
    if shown.unit(0):
        axis.set_ylabel(shown.unit(0), fontsize="small")
    # Values end half a stroke before the border.
    margin = LINE_WIDTH / 2 / (shown.settings.image_size - LINE_WIDTH)
    if low == high:  # drawn at half the height, on an axis without a scale
        half = abs(low) / 2 or 0.5
        axis.set_ylim(low - half, low + half)
        axis.set_yticks([low])
    elif logarithmic:
        ratio = (high / low) ** margin
        _set_logarithmic(axis, low / ratio, high * ratio)
    else:
        axis.set_ylim(low - margin * (high - low), high + margin * (high - low))


def _set_logarithmic(axis: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis.set_ylim(low, high)
    axis.set_yscale("log")
    steps = (1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)
    few = high / low < 10  # for powers of ten to tell much
    axis.yaxis.set_major_locator(MaxNLocator(5) if few else LogLocator(subs=steps))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _name_bands(axis: Axes, shown: _Shown) -> None:
    """Name the bands of stacked curves, the first at the top."""
    n_curves = len(shown.samples)
    axis.set_ylim(n_curves, 0)
    axis.set_yticks(np.arange(n_curves) + 0.5, _channel_labels(shown))


def _name_curves(axis: Axes, shown: _Shown) -> None:
    """Name overlaid curves in their colours."""
    n_curves = len(shown.samples)
    axis.set_ylim(n_curves, 0)
    axis.set_yticks(np.arange(n_curves) + 0.5, _channel_labels(shown))
    axis.tick_params(axis="y", length=0)
    for number, label in enumerate(axis.get_yticklabels()):
        label.set_color(np.divide(CURVE_COLOURS[number % len(CURVE_COLOURS)], 255).tolist())


def _channel_labels(shown: _Shown) -> list[str]:
    """Name each curve, with the values at its bottom and top."""
    labels = []
    for position, channel in enumerate(shown.panel.channels):
        low, high, *logarithmic = shown.limits(position)
        unit = f" {shown.unit(position)}" if shown.unit(position) else ""
        scale = "\nlogarithmic" if logarithmic else ""
        name = shown.settings.channel_names[channel]
        labels.append(f"{name}\n{low:.3g} to {high:.3g}{unit}{scale}")
    return labels


def _set_spectrogram_axes(axis: Axes, shown: _Shown) -> None:
    """Draw axes around the middles of pieces, and around the bins of their spectra."""
    axis.set_xlim(shown.axes.times)
    axis.set_ylim(shown.axes.frequencies)
    axis.set_ylabel("frequency (Hz)", fontsize="small")


def _set_scalogram_axes(axis: Axes, shown: _Shown) -> None:
    assert shown.axes.frequencies is not None
    axis.set_xlim(shown.axes.times)
    _set_logarithmic(axis, *shown.axes.frequencies)
    axis.set_ylabel("frequency (Hz)", fontsize="small")


def _set_pair_axes(axis: Axes, shown: _Shown) -> None:
    """Draw two axes of time around samples, or around the averages of some."""
    axis.set_xlim(shown.axes.times)
    axis.set_ylim(shown.axes.times)
    axis.set_ylabel(axis.get_xlabel(), fontsize="small")


def _name_parts(axis: Axes, shown: _Shown) -> None:
    """Name what the colours of a composite show; each has a vertical axis of its own."""
    parts = REPRESENTATIONS[shown.panel.representation].parts
    axis.set_xlim(shown.axes.times)
    axis.set_ylim(len(parts), 0)
    names = [part.replace("_", "\n") for part in parts]
    axis.set_yticks(np.arange(len(parts)) + 0.5, names, rotation=90, va="center")
    axis.tick_params(axis="y", length=0)
    for colour, label in zip(("red", "green", "blue"), axis.get_yticklabels(), strict=True):
        label.set_color(colour)


AXES: dict[str, Callable[[Axes, _Shown], None]] = {
    "value": _set_curve_axes,
    "frequency": _set_spectrogram_axes,
    "scale": _set_scalogram_axes,
    "pairs": _set_pair_axes,
    "several": _name_parts,
}
