"""What moved a decision: maps of importance over seconds and hertz."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._typing import FloatArray
from .._validation.parameters import check_option
from .pipeline_trace import (
    AskedWindow,
    Decision,
    SeenImage,
    check_alone,
    check_has_images,
    take_rows,
)

if TYPE_CHECKING:
    from .grids import ShownImage


@dataclass(frozen=True, eq=False)
class ImageExplanation:
    """What one image of a window had to do with the decision.

    Parameters
    ----------
    name : str
        Such as "bvp_spectrogram_psd".
    map : ndarray of shape (n_frequencies, n_times), float64
        Importance of cells of the image, in units of the decision: what hiding the patches around
        a cell takes away from it. Lowest frequency first; one row where the image's vertical
        axis shows no frequencies. Positive is for the explained class (or for a higher value),
        negative against it.
    time_edges : ndarray of shape (n_times + 1,)
        Where cells begin and end, in seconds; in samples where there is no sampling rate.
    frequency_edges : ndarray of shape (n_frequencies + 1,) or None
        In Hz.
    image : ndarray of shape (H, W, 3), uint8
        What the backbone saw.
    signal : ndarray of shape (n_channels, n_samples)
        The samples that the image shows.
    signal_times : ndarray of shape (n_samples,)
    unit : str
        Of the signal, "" where it is arbitrary.
    time_unit : {"s", "samples"}
    """

    name: str
    map: FloatArray
    time_edges: FloatArray
    frequency_edges: FloatArray | None
    image: NDArray[np.uint8]
    signal: FloatArray
    signal_times: FloatArray
    unit: str
    time_unit: str

    @property
    def times(self) -> FloatArray:
        """Middles of cells."""
        return (self.time_edges[:-1] + self.time_edges[1:]) / 2

    @property
    def frequencies(self) -> FloatArray | None:
        """Middles of cells in Hz."""
        edges = self.frequency_edges
        return None if edges is None else (edges[:-1] + edges[1:]) / 2

    @property
    def over_time(self) -> FloatArray:
        """Importance of stretches of time: the mean over frequencies, (n_times,)."""
        return self.map.mean(axis=0)

    @property
    def over_frequencies(self) -> FloatArray | None:
        """Importance of frequencies: the mean over time, (n_frequencies,)."""
        return None if self.frequency_edges is None else self.map.mean(axis=1)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What moved the decision about one window.

    Parameters
    ----------
    decision : float
        The number explained: decision_function for the class, else the logarithm of its odds, or a
        regressor's value.
    target : object
        The class explained; None of a regressor.
    method : {"occlusion", "gradient"}
    images : tuple of ImageExplanation
        Of all images that are there.
    """

    decision: float
    target: Any
    method: str
    images: tuple[ImageExplanation, ...]


def explain(
    pipeline: Any,
    windows: Any,
    *,
    method: str = "occlusion",
    target: Any = None,
    stretch: float | None = None,
) -> list[Explanation]:
    """Tell which seconds and which hertz moved a fitted pipeline's decision about each window.

    Parameters
    ----------
    pipeline : estimator
        Fitted; with `BiosignalImageTransformer` and `TinyBioMoEEmbedder` one after the other
        somewhere inside, as in a Pipeline, in the branches of a ColumnTransformer or in
        `LateFusionClassifier`, and a classifier or regressor at its end; or with
        `TinyBioMoEClassifier` or `TinyBioMoERegressor` in place of the two.
    windows : array-like or frame
        Few windows, in the form that ``pipeline.predict`` takes. Each is explained by its own.
    method : {"occlusion", "gradient"}, default="occlusion"
        - "occlusion": hide patches of each image, and see how the decision falls. Of a curve, a
          stretch of the signal is replaced by a straight line; of a spectrogram or scalogram, a
          patch of seconds and hertz is replaced by the blurred image; of a map of pairs, the rows
          and columns of a stretch of time are.
        - "gradient": integrate the gradient of the decision by the image's pixels on the way from
          the blurred image (of curves, blurred along time) to the one seen. Needs a decision that
          follows small changes, which trees and neighbours do not make; a warning tells. The
          backbone runs in float32, on the embedder's device.
    target : object, default=None
        The class to be explained; None takes the one predicted for each window.
    stretch : float, default=None
        Seconds of a patch (samples, where there is no sampling rate); None takes a sixth of each
        image. Shorter ones see finer, and take longer.

    Returns
    -------
    explanations : list of Explanation
        One for each window.

    Raises
    ------
    ValueError
        For a pipeline without images, or whose images come as arrays; without a decision; whose
        decision depends on the other windows; for an unknown method or class, a stretch that is
        longer than an image, and a window without any image.
    sklearn.exceptions.NotFittedError
        For a pipeline that is not fitted.

    Notes
    -----
    An explanation tells what this pipeline looked at, not what caused the state of the person.

    References
    ----------
    Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks". Sundararajan,
    Taly and Yan (2017), "Axiomatic attribution for deep networks".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
    >>> from sklearn_biomoe.explanation import explain
    >>> random = np.random.default_rng(0)
    >>> windows = 2 + 0.02 * random.standard_normal((12, 240))  # in µS
    >>> windows[6:, 100:120] += 1
    >>> pipeline = make_pipeline(
    ...     BiosignalImageTransformer(sampling_rate=4, modality="eda"),
    ...     TinyBioMoEEmbedder(),
    ...     LogisticRegression(),
    ... ).fit(windows, np.repeat(["rest", "response"], 6))
    >>> (explanation,) = explain(pipeline, windows[6:7])
    >>> (image,) = explanation.images
    >>> bool(25 - 5 < image.times[image.over_time.argmax()] < 30 + 5)  # seconds
    True
    """
    check_option("method", method, ["gradient", "occlusion"])
    if stretch is not None and not (isinstance(stretch, Real) and 0 < stretch < np.inf):
        raise ValueError(f"stretch={stretch!r}; expected a positive number of seconds, or None.")
    check_has_images(pipeline)
    check_is_fitted(pipeline)
    with parallel_config(backend="sequential"):  # see AskedWindow
        return _explain(pipeline, windows, method, target, stretch)


def _explain(
    pipeline: Any, windows: Any, method: str, target: Any, stretch: float | None
) -> list[Explanation]:
    decision = Decision(pipeline)
    targets = decision.target_of(pipeline, windows, target)
    asked = [
        AskedWindow(pipeline, decision, take_rows(windows, [row]), own)
        for row, own in enumerate(targets)
    ]
    of_all = {own: decision.ask(pipeline, windows, own) for own in set(targets)}
    together = [of_all[own][row] for row, own in enumerate(targets)]
    check_alone(pipeline, np.array(together), asked)
    return [
        _explain_window(window, method, own, stretch, row)
        for row, (window, own) in enumerate(zip(asked, targets, strict=True))
    ]


def _explain_window(
    window: AskedWindow, method: str, target: Any, stretch: float | None, row: int
) -> Explanation:
    if not window.images:
        raise ValueError(
            f"Window {row} lacks every signal that is drawn: there is nothing to explain its "
            "decision by. Leave it out."
        )
    images = tuple(_explain_image(window, each, method, stretch) for each in window.images)
    return Explanation(window.value, target, method, images)


def _explain_image(
    window: AskedWindow, image: SeenImage, method: str, stretch: float | None
) -> ImageExplanation:
    from .grids import lay_grid, single_out
    from .integrated_gradients import integrate_gradients
    from .occlusion import occlude

    shown = single_out(image.images, image.number)
    _check_stretch(stretch, shown)
    grid = lay_grid(shown, stretch)
    if method == "occlusion":
        values = occlude(window, image, shown, grid)
    else:
        values = integrate_gradients(window, image, shown, grid)
    times = shown.axes.time_at(grid.columns / grid.columns[-1])
    hertz = None
    if shown.axes.frequencies is not None:
        hertz = shown.axes.frequency_at(grid.rows / grid.rows[-1])
    settings = image.images.settings
    (panel,) = shown.images.settings.panels
    return ImageExplanation(
        name=shown.name,
        map=grid.spread(values),
        time_edges=times,
        frequency_edges=hertz,
        image=np.asarray(shown.images)[0, 0],
        signal=shown.signal,
        signal_times=shown.start + np.arange(shown.signal.shape[1]) / shown.sampling_rate,
        unit=settings.modalities[panel.channels[0]].unit,
        time_unit="s" if settings.sampling_rate else "samples",
    )


def _check_stretch(stretch: float | None, shown: ShownImage) -> None:
    left, right = shown.axes.times
    if stretch is not None and stretch > right - left:
        raise ValueError(
            f"stretch={stretch:g} is longer than image {shown.name!r}, which shows "
            f"{right - left:g}; pass less, or None for a sixth of each image."
        )
