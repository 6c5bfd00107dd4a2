"""Plots of images: what the backbone is given, with axes in seconds, hertz and units.

Needs matplotlib: ``pip install 'sklearn-biomoe[plot]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._validation.parameters import check_integer
from .images.curves import CURVE_COLOURS, LINE_WIDTH
from .images.shown_image import ShownImage, select_image
from .images.stack import BiosignalImages
from .representations import REPRESENTATIONS, stacked_bands

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_IMAGES = 200  # of a figure
DPI = 100
SIDE = 224  # dots of an image, rounded up to a multiple of its pixels
LEFT, RIGHT, BELOW, ABOVE = 75, 10, 45, 25  # dots around each image, for labels
SIGNAL, GAP = 56, 8  # dots of the signal above an image, and between them
SIGNAL_LABEL = "signal"  # of its axes
LEFT_OF_CURVES = 130  # dots, for names of channels
ROW_LABEL = 25  # dots


def plot_images(
    images: BiosignalImages,
    *,
    titles: Sequence[str] | None = None,
    windows_per_row: int = 1,
) -> Figure:
    """Plot images on a sheet, each with its axes.

    A row shows a window, a column one of its images, below the signal on its own scale and the same
    time axis: on an axis for all levels of skin conductance, a response of 0.2 µS has a few pixels.
    Axes are in seconds (in samples if there is no sampling rate), in hertz and in the unit of the
    modality. A waveform extends from its first sample to its last. A pixel of a map covers the
    interval that it represents, so the borders are half a pixel before the first time and below the
    lowest frequency. At the figure's 100 dots per inch, a pixel of a 224 x 224 image is one dot. A
    missing window is labelled "missing".

    Parameters
    ----------
    images : BiosignalImages
        Up to 200 images: slice larger stacks.
    titles : sequence of str, default=None
        A label for each window. None uses the row labels of the frame, or numbers.
    windows_per_row : int, default=1
        Windows to show next to each other, each with all its images.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Not registered with pyplot, so there is no need to close it. ``figure.savefig(path)`` writes
        it; in a notebook, after ``%matplotlib inline``, it is shown as the last value of a cell.
        Axes of signals have the label "signal".

    Raises
    ------
    ValueError
        If ``images`` is not a stack, is empty or has more than 200 images, or if the number of
        titles is not the number of windows.
    ImportError
        If matplotlib is not installed.

    See Also
    --------
    plot_image : Plots one image on given axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> seconds = np.arange(0, 60, 1 / 4)
    >>> windows = 3 + np.sin(2 * np.pi * np.array([[0.1], [0.2]]) * seconds)  # in µS
    >>> to_images = BiosignalImageTransformer(
    ...     ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    ... )
    >>> figure = plot_images(to_images.fit_transform(windows), titles=["0.1 Hz", "0.2 Hz"])
    >>> drawn = [axis for axis in figure.axes if axis.get_label() != "signal"]
    >>> [axis.get_title() for axis in drawn]
    ['eda_waveform', 'eda_spectrogram_psd', 'eda_waveform', 'eda_spectrogram_psd']
    >>> drawn[0].get_xlabel(), drawn[0].get_ylabel()
    ('time (s)', 'µS')
    """
    _check_stack(images)
    check_integer("windows_per_row", windows_per_row)
    labels = _row_labels(images, titles)
    figure_class = import_figure("plot_images")

    n_windows, n_images, size = images.shape[:3]
    side = size * -(-SIDE // size)
    joined = any(REPRESENTATIONS[p.representation].joins_channels for p in images.settings.panels)
    left = LEFT_OF_CURVES if joined else LEFT
    window_width = ROW_LABEL + n_images * (left + side + RIGHT)
    row_height = ABOVE + SIGNAL + GAP + side + BELOW
    width = min(n_windows, windows_per_row) * window_width
    height = -(-n_windows // windows_per_row) * row_height
    figure = figure_class(figsize=(width / DPI, height / DPI), dpi=DPI)
    for window, label in enumerate(labels):
        row, column = divmod(window, windows_per_row)
        bottom = height - (row + 1) * row_height + BELOW
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
            _plot(axis, image, images, window, number)
            if not images.missing[window]:
                low = (bottom + side + GAP) / height
                above = figure.add_axes(
                    (x / width, low, side / width, SIGNAL / height), sharex=axis
                )
                _plot_above(above, axis, select_image(images, window, number))
                axis.set_title(
                    axis.get_title(), fontsize="small", pad=6 + (SIGNAL + GAP) * 72 / DPI
                )
            x += side + RIGHT
    return figure


def plot_image(
    axis: Axes, images: BiosignalImages, window: int, number: int, *, above: Axes | None = None
) -> None:
    """Plot one image with its axes and its name.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        The axes to plot on.
    images : BiosignalImages
    window : int
        Position of the window in the stack.
    number : int
        Position of the image in ``images.image_names``.
    above : matplotlib.axes.Axes, default=None
        Axes above, of the same width, for the signal on its own scale; the name is then above it.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> images = BiosignalImageTransformer(sampling_rate=10).fit_transform(np.eye(3))
    >>> above, axis = Figure(layout="constrained").subplots(2, height_ratios=(1, 4))
    >>> plot_image(axis, images, window=1, number=0, above=above)
    >>> above.get_title(), axis.get_xlabel()
    ('generic_waveform', 'time (s)')
    """
    window, number = range(len(images))[window], range(len(images.image_names))[number]
    _plot(axis, np.asarray(images[window, number]), images, window, number)
    if above is None:
        return
    if images.missing[window]:
        above.set_axis_off()
    else:
        _plot_above(above, axis, select_image(images, window, number))
        above.sharex(axis)
    above.set_title(axis.get_title(), fontsize="small")
    axis.set_title("")


def import_figure(function: str) -> type[Figure]:
    """Return matplotlib's Figure; the ImportError of a missing matplotlib names the extra."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"{function} needs matplotlib: pip install 'sklearn-biomoe[plot]'."
        ) from error
    return Figure


def set_logarithmic(axis: Axes, low: float, high: float) -> None:
    """Make the vertical axis logarithmic, with plain numbers as ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis.set_ylim(low, high)
    axis.set_yscale("log")
    steps = (1.0, 2.0, 5.0) if high / low < 1000 else (1.0,)
    narrow = high / low < 10  # with too few ticks at such steps
    axis.yaxis.set_major_locator(MaxNLocator(5) if narrow else LogLocator(subs=steps))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _check_stack(images: Any) -> None:
    if not isinstance(images, BiosignalImages):
        shape = f" of shape {np.shape(images)}" if isinstance(images, np.ndarray) else ""
        raise ValueError(
            f"images is a {type(images).__name__}{shape}; expected a BiosignalImages, as "
            "BiosignalImageTransformer returns it: plot_images(images[:3]). "
            "(images[3] and images[3, 0] are arrays without axes; images[3:4] is a stack.)"
        )
    if not len(images):
        raise ValueError("images has 0 windows; expected one or more.")
    n_images = len(images) * len(images.image_names)
    if n_images > MAX_IMAGES:
        rows = max(1, min(10, MAX_IMAGES // len(images.image_names)))
        raise ValueError(
            f"images has {n_images:,} images ({len(images)} windows x "
            f"{len(images.image_names)}), more than the {MAX_IMAGES} that fit into a figure; slice "
            f"it: plot_images(images[:{rows}])."
        )


def _row_labels(images: BiosignalImages, titles: Sequence[str] | None) -> list[str]:
    if titles is None:
        if images.index is None:
            return [f"window {window}" for window in range(len(images))]
        return [str(label) for label in images.index]
    if isinstance(titles, str) or len(titles) != len(images):
        given = "a str" if isinstance(titles, str) else f"{len(titles)} labels"
        raise ValueError(
            f"titles={titles!r} is {given}; expected a list of {len(images)}, one for each window."
        )
    return [str(title) for title in titles]


def _plot(
    axis: Axes, image: NDArray[np.uint8], images: BiosignalImages, window: int, number: int
) -> None:
    axis.set_title(images.image_names[number], fontsize="small")
    if images.missing[window]:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "missing", transform=axis.transAxes, ha="center", va="center")
        return
    # In units of the panel, not of the axes: imshow does not warp images to logarithmic axes.
    axis.imshow(
        image, extent=(0, 1, 0, 1), transform=axis.transAxes, interpolation="nearest", aspect="auto"
    )
    shown = select_image(images, window, number)
    axis.tick_params(labelsize="small")
    axis.set_xlim(shown.axes.times)
    axis.set_xlabel("time (s)" if shown.time_unit == "s" else "time (samples)", fontsize="small")
    if shown.representation.parts:
        _label_parts(axis, shown)
    elif shown.is_curve and shown.representation.joins_channels:
        _label_channels(axis, shown)
    else:
        VERTICAL_AXES[shown.axes.vertical](axis, shown)


def _plot_above(axis: Axes, image: Axes, shown: ShownImage) -> None:
    """Plot the signal on its own scale, on the time axis of its image."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    axis.set_label(SIGNAL_LABEL)
    n_channels = len(shown.signal)
    for position, samples in enumerate(shown.signal):
        colour = CURVE_COLOURS[position % len(CURVE_COLOURS)]
        if n_channels > 1:  # one above the other, the first at the top
            spread = np.ptp(samples) or 1.0
            samples = n_channels - 1 - position + (samples - samples.min()) / spread
        marker = "." if len(samples) == 1 else ""
        line = np.divide(colour, 255).tolist()
        axis.plot(shown.sample_times, samples, color=line, linewidth=0.8, marker=marker)
    axis.set_xlim(image.get_xlim())
    axis.tick_params(labelsize="small", labelbottom=False)
    axis.spines[["top", "right"]].set_visible(False)
    if n_channels > 1:
        axis.set_yticks([])
        return
    axis.yaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    axis.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axis.set_ylabel(shown.unit(0), fontsize="small")


def _set_value_axis(axis: Axes, shown: ShownImage) -> None:
    low, high, *logarithmic = shown.value_range(0)
    if shown.unit(0):
        axis.set_ylabel(shown.unit(0), fontsize="small")
    # Values end half a stroke before the border.
    margin = LINE_WIDTH / 2 / (shown.settings.image_size - LINE_WIDTH)
    if low == high:  # drawn at half the height
        half = abs(low) / 2 or 0.5
        axis.set_ylim(low - half, low + half)
        axis.set_yticks([low])
    elif logarithmic:
        ratio = (high / low) ** margin
        set_logarithmic(axis, low / ratio, high * ratio)
    else:
        axis.set_ylim(low - margin * (high - low), high + margin * (high - low))


def _set_frequency_axis(axis: Axes, shown: ShownImage) -> None:
    assert shown.axes.frequencies is not None
    if shown.axes.logarithmic:
        set_logarithmic(axis, *shown.axes.frequencies)
    else:
        axis.set_ylim(shown.axes.frequencies)
    axis.set_ylabel("frequency (Hz)", fontsize="small")


def _set_time_axis(axis: Axes, shown: ShownImage) -> None:
    axis.set_ylim(shown.axes.times)
    axis.set_ylabel(axis.get_xlabel(), fontsize="small")


VERTICAL_AXES: dict[str, Callable[[Axes, ShownImage], None]] = {
    "value": _set_value_axis,
    "frequency": _set_frequency_axis,
    "time": _set_time_axis,
}


def _label_channels(axis: Axes, shown: ShownImage) -> None:
    """Label each curve by its channel and the values at its bottom and top, the first at the top.

    Labels of stacked curves are next to their bands; those of overlaid curves have their colours.
    """
    labels = []
    for position, channel in enumerate(shown.panel.channels):
        low, high, *logarithmic = shown.value_range(position)
        unit = f" {shown.unit(position)}" if shown.unit(position) else ""
        scale = "\nlogarithmic" if logarithmic else ""
        name = shown.settings.channel_names[channel]
        labels.append(f"{name}\n{low:.3g} to {high:.3g}{unit}{scale}")
    _set_labels(axis, labels)
    if shown.representation.bands is not stacked_bands:
        axis.tick_params(axis="y", length=0)
        for number, label in enumerate(axis.get_yticklabels()):
            label.set_color(np.divide(CURVE_COLOURS[number % len(CURVE_COLOURS)], 255).tolist())


def _label_parts(axis: Axes, shown: ShownImage) -> None:
    """Label the parts of a composite, in their colours; their vertical axes differ."""
    names = [part.replace("_", "\n") for part in shown.representation.parts]
    _set_labels(axis, names, rotation=90, va="center")
    axis.tick_params(axis="y", length=0)
    for colour, label in zip(("red", "green", "blue"), axis.get_yticklabels(), strict=True):
        label.set_color(colour)


def _set_labels(axis: Axes, labels: list[str], **options: Any) -> None:
    """Label the vertical axis at equal distances, from the top."""
    axis.set_ylim(len(labels), 0)
    axis.set_yticks(np.arange(len(labels)) + 0.5, labels, **options)
