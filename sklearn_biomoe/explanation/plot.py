"""Drawing explanations: importance over the signal, over the image and over hertz.

Needs matplotlib: ``pip install 'sklearn-biomoe[plot]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import FloatArray
from .attribution import Explanation, ImageExplanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOWARD, AWAY = "#c0392b", "#2166ac"  # which the colour-blind can tell apart too
COLORMAP = "RdBu_r"
HEIGHT, WIDTH = 3.9, 12.5  # inches of an image's row


def plot_explanation(explanation: Explanation, *, figure: Figure | None = None) -> Figure:
    """Draw what moved a decision over the signal.

    A row shows one image: the signal over its importance in colour, with bars of the same
    importance below; the image in grey under the importance of its cells; and bars over hertz,
    where there are any. Red speaks for the explained class (or a higher value), blue against it.

    Parameters
    ----------
    explanation : Explanation
        As `explain` returns it, for one window.
    figure : matplotlib.figure.Figure, default=None
        An empty one to draw into, such as ``plt.figure(figsize=(12, 5), layout="constrained")``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Where none was given, a new one that is not registered with pyplot and needs no closing.

    Raises
    ------
    TypeError
        For anything else, such as the list of all explanations.
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
    >>> from sklearn_biomoe.explanation import explain, plot_explanation
    >>> windows = np.random.default_rng(0).uniform(2, 3, size=(6, 240))  # in µS
    >>> pipeline = make_pipeline(
    ...     BiosignalImageTransformer(sampling_rate=4, modality="eda"),
    ...     TinyBioMoEEmbedder(),
    ...     LogisticRegression(),
    ... ).fit(windows, [0, 1, 0, 1, 0, 1])
    >>> figure = plot_explanation(explain(pipeline, windows[:1])[0])
    >>> figure.axes[0].get_ylabel()
    'µS'
    """
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"explanation is a {type(explanation).__name__}; expected one Explanation, of one "
            "window: plot_explanation(explain(pipeline, windows)[0])."
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot_explanation needs matplotlib: pip install 'sklearn-biomoe[plot]'."
        ) from error
    n_images = len(explanation.images)
    if figure is None:
        size = (WIDTH, HEIGHT * n_images + 0.6)
        figure = Figure(figsize=size, dpi=100, layout="constrained")
    figure.suptitle(_title(explanation), fontsize=13)
    grid = figure.add_gridspec(n_images, 3, width_ratios=[1.5, 1, 0.5])
    for row, image in enumerate(explanation.images):
        _draw_row(figure, grid[row, :], image)
    return figure


def _title(explanation: Explanation) -> str:
    if explanation.target is None:
        subject, sides = f"value {explanation.decision:.2f}", "for more, blue for less"
    else:
        subject = f"class {explanation.target!r}, decision {explanation.decision:+.2f}"
        sides = "for the class, blue against it"
    return f"{explanation.method} of {subject}: red speaks {sides}"


def _draw_row(figure: Figure, place: Any, image: ImageExplanation) -> None:
    columns = place.subgridspec(1, 3, width_ratios=[1.5, 1, 0.5])
    left = columns[0].subgridspec(2, 1, height_ratios=[2, 1], hspace=0.05)
    signal = figure.add_subplot(left[0])
    bars = figure.add_subplot(left[1], sharex=signal)
    _draw_signal(signal, image)
    _draw_bars_over_time(bars, image)
    shown = figure.add_subplot(columns[1])
    _draw_image(figure, shown, image)
    if image.frequency_edges is not None:
        _draw_bars_over_frequencies(figure.add_subplot(columns[2]), image)


def _draw_signal(axis: Axes, image: ImageExplanation) -> None:
    low, high = _padded(image.signal)
    largest = _largest(image.over_time)
    axis.pcolormesh(
        image.time_edges,
        [low, high],
        image.over_time[None],
        cmap=COLORMAP,
        vmin=-1.6 * largest,  # pale enough for the curve to be seen
        vmax=1.6 * largest,
    )
    for channel in image.signal:
        axis.plot(image.signal_times, channel, color="black", linewidth=1)
    axis.set_ylim(low, high)
    axis.set_ylabel(image.unit)
    axis.set_title(image.name, loc="left")
    axis.tick_params(labelbottom=False)


def _draw_bars_over_time(axis: Axes, image: ImageExplanation) -> None:
    axis.bar(
        image.time_edges[:-1],
        image.over_time,
        np.diff(image.time_edges),
        align="edge",
        color=_colours(image.over_time),
    )
    axis.axhline(0, color="0.3", linewidth=0.8)
    times = [*image.time_edges[[0, -1]], *image.signal_times[[0, -1]]]
    axis.set_xlim(min(times), max(times))
    axis.set_xlabel(f"time ({image.time_unit})")
    axis.set_ylabel("importance")


def _draw_image(figure: Figure, axis: Axes, image: ImageExplanation) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    grey = image.image @ np.array([0.299, 0.587, 0.114])
    axis.imshow(
        grey, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 0, 1), transform=axis.transAxes,
        aspect="auto",
    )  # fmt: skip
    hertz = image.frequency_edges
    edges = np.array([0.0, 1.0]) if hertz is None else hertz
    largest = _largest(image.map)
    norm = Normalize(-largest, largest)
    axis.pcolormesh(
        image.time_edges,
        edges,
        image.map,
        cmap=COLORMAP,
        norm=norm,
        alpha=0.15 + 0.6 * np.abs(image.map) / largest,  # type: ignore[arg-type]
    )
    axis.set_xlim(*image.time_edges[[0, -1]])
    axis.set_xlabel(f"time ({image.time_unit})")
    _scale_frequencies(axis, image)
    if hertz is None:
        axis.set_yticks([])
    else:
        axis.set_ylabel("frequency (Hz)")
    bar = figure.colorbar(ScalarMappable(norm, COLORMAP), ax=axis)
    bar.ax.set_title("importance", fontsize="small")


def _draw_bars_over_frequencies(axis: Axes, image: ImageExplanation) -> None:
    edges, importance = image.frequency_edges, image.over_frequencies
    assert edges is not None
    assert importance is not None
    axis.barh(edges[:-1], importance, np.diff(edges), align="edge", color=_colours(importance))
    axis.axvline(0, color="0.3", linewidth=0.8)
    _scale_frequencies(axis, image)
    axis.set_ylabel("frequency (Hz)")
    axis.set_xlabel("importance")
    axis.locator_params(axis="x", nbins=3)


def _scale_frequencies(axis: Axes, image: ImageExplanation) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    edges = image.frequency_edges
    if edges is None:
        return
    axis.set_ylim(edges[0], edges[-1])
    if not np.isclose(edges[1] - edges[0], edges[-1] - edges[-2]):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())


def _colours(values: FloatArray) -> list[str]:
    return [TOWARD if value > 0 else AWAY for value in values]


def _largest(values: FloatArray) -> float:
    return float(np.abs(values).max()) or 1.0


def _padded(values: FloatArray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin
