"""Plots of explanations: importance over the signal, the image and the frequencies.

Needs matplotlib: ``pip install 'sklearn-biomoe[plot]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray
from ..plotting import import_figure, set_logarithmic
from .attribution import Explanation, ImageExplanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR, AGAINST = "#c0392b", "#2166ac"  # which colour-blind people can distinguish
COLORMAP = "RdBu_r"
HEIGHT, WIDTH = 3.9, 12.5  # inches of an image's row
GREY = np.array([0.299, 0.587, 0.114])  # luminance of red, green and blue (ITU-R BT.601)


def plot_explanation(explanation: Explanation, *, figure: Figure | None = None) -> Figure:
    """Plot the importance of each image of a window for the decision.

    Each row shows one image: on the left, the signal over its importance in colour, above bars of
    the same importance; then the image in grey below the importance of its cells; on the right,
    bars over frequencies, if the image has them. Red is for the explained class (or for a higher
    value), blue against it.

    Parameters
    ----------
    explanation : Explanation
        For one window, from `explain`.
    figure : matplotlib.figure.Figure, default=None
        An empty figure to draw into, such as
        ``plt.figure(figsize=(12, 5), layout="constrained")``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        If none is given, a new one that is not registered with pyplot, so there is no need to close
        it.

    Raises
    ------
    TypeError
        If ``explanation`` is anything else, such as the list that `explain` returns.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.explanation import Explanation, ImageExplanation, plot_explanation
    >>> image = ImageExplanation(
    ...     name="eda_waveform",
    ...     map=np.array([[0.1, 0.7, -0.2]]),
    ...     time_edges=np.array([0.0, 20.0, 40.0, 60.0]),
    ...     frequency_edges=None,
    ...     image=np.full((224, 224, 3), 255, dtype=np.uint8),
    ...     signal=np.random.default_rng(0).uniform(2, 3, size=(1, 240)),
    ...     signal_times=np.arange(240) / 4,
    ...     unit="µS",
    ...     time_unit="s",
    ... )  # as in the result of explain
    >>> figure = plot_explanation(Explanation(1.3, "stress", "occlusion", (image,)))
    >>> figure.axes[0].get_ylabel()
    'µS'
    """
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"explanation is a {type(explanation).__name__}; expected one Explanation, of one "
            "window: plot_explanation(explain(pipeline, windows)[0])."
        )
    figure_class = import_figure("plot_explanation")
    n_images = len(explanation.images)
    if figure is None:
        size = (WIDTH, HEIGHT * n_images + 0.6)
        figure = figure_class(figsize=size, dpi=100, layout="constrained")
    figure.suptitle(_title(explanation), fontsize=13)
    rows = figure.add_gridspec(n_images, 1)
    for number, image in enumerate(explanation.images):
        columns = rows[number].subgridspec(1, 3, width_ratios=[1.5, 1, 0.5])
        left = columns[0].subgridspec(2, 1, height_ratios=[2, 1], hspace=0.05)
        signal = figure.add_subplot(left[0])
        _plot_signal(signal, image)
        _plot_bars_over_time(figure.add_subplot(left[1], sharex=signal), image)
        _plot_image(figure.add_subplot(columns[1]), image)
        if image.frequency_edges is not None:
            _plot_bars_over_frequencies(figure.add_subplot(columns[2]), image)
    return figure


def _title(explanation: Explanation) -> str:
    if explanation.target is None:
        explained, sides = f"value {explanation.decision:.2f}", "for more, blue for less"
    else:
        explained = f"class {explanation.target!r}, decision {explanation.decision:+.2f}"
        sides = "for the class, blue against it"
    return f"{explanation.method} of {explained}: red is {sides}"


def _plot_signal(axis: Axes, image: ImageExplanation) -> None:
    lowest, highest = float(image.signal.min()), float(image.signal.max())
    margin = 0.06 * (highest - lowest) or 0.5
    limits = [lowest - margin, highest + margin]
    top = 1.6 * _largest(image.over_time)  # pale enough for the curve to be visible
    axis.pcolormesh(
        image.time_edges, limits, image.over_time[None], cmap=COLORMAP, vmin=-top, vmax=top
    )
    for channel in image.signal:
        axis.plot(image.signal_times, channel, color="black", linewidth=1)
    axis.set_ylim(*limits)
    axis.set_ylabel(image.unit)
    axis.set_title(image.name, loc="left")
    axis.tick_params(labelbottom=False)


def _plot_bars_over_time(axis: Axes, image: ImageExplanation) -> None:
    edges, importance = image.time_edges, image.over_time
    axis.bar(edges[:-1], importance, np.diff(edges), align="edge", color=_colours(importance))
    axis.axhline(0, color="0.3", linewidth=0.8)
    times = [*edges[[0, -1]], *image.signal_times[[0, -1]]]
    axis.set_xlim(min(times), max(times))
    axis.set_xlabel(f"time ({image.time_unit})")
    axis.set_ylabel("importance")


def _plot_image(axis: Axes, image: ImageExplanation) -> None:
    from matplotlib.cm import ScalarMappable

    axis.imshow(
        image.image @ GREY,
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(0, 1, 0, 1),
        transform=axis.transAxes,
        aspect="auto",
    )
    largest = _largest(image.map)
    edges = image.frequency_edges
    mesh = axis.pcolormesh(
        image.time_edges,
        np.array([0.0, 1.0]) if edges is None else edges,
        image.map,
        cmap=COLORMAP,
        vmin=-largest,
        vmax=largest,
        alpha=0.15 + 0.6 * np.abs(image.map) / largest,  # type: ignore[arg-type]
    )
    axis.set_xlim(*image.time_edges[[0, -1]])
    axis.set_xlabel(f"time ({image.time_unit})")
    if edges is None:
        axis.set_yticks([])
    else:
        _set_frequency_axis(axis, edges)
    bar = axis.figure.colorbar(ScalarMappable(mesh.norm, COLORMAP), ax=axis)  # without the alpha
    bar.ax.set_title("importance", fontsize="small")


def _plot_bars_over_frequencies(axis: Axes, image: ImageExplanation) -> None:
    edges, importance = image.frequency_edges, image.over_frequencies
    assert edges is not None
    assert importance is not None
    axis.barh(edges[:-1], importance, np.diff(edges), align="edge", color=_colours(importance))
    axis.axvline(0, color="0.3", linewidth=0.8)
    _set_frequency_axis(axis, edges)
    axis.set_xlabel("importance")
    axis.locator_params(axis="x", nbins=3)


def _set_frequency_axis(axis: Axes, edges: FloatArray) -> None:
    axis.set_ylabel("frequency (Hz)")
    if np.isclose(edges[1] - edges[0], edges[-1] - edges[-2]):
        axis.set_ylim(edges[0], edges[-1])
    else:  # cells of equal height on a logarithmic axis
        set_logarithmic(axis, edges[0], edges[-1])


def _colours(values: FloatArray) -> list[str]:
    return [FOR if value > 0 else AGAINST for value in values]


def _largest(values: FloatArray) -> float:
    return float(np.abs(values).max()) or 1.0
