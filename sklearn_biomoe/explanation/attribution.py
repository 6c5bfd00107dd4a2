"""Attribution: importance of seconds and hertz for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._progress import progress_bar, shows_progress
from .._typing import FloatArray
from .._validation.parameters import check_number, check_option
from .decisions import (
    RecordedImage,
    RecordedWindow,
    check_has_images,
    check_independent,
    choose_targets,
    decide,
    take_rows,
)
from .grids import make_grid
from .integrated_gradients import integrate_gradients
from .occlusion import occlude

METHODS = {"occlusion": occlude, "gradient": integrate_gradients}


@dataclass(frozen=True, eq=False)
class ImageExplanation:
    """Importance of one image of a window for the decision.

    Parameters
    ----------
    name : str
        Such as "bvp_spectrogram_psd".
    map : ndarray of shape (n_frequencies, n_times), float64
        Importance of each cell of the image, in units of the decision: by how much the decision
        falls if the patches around the cell are hidden. Lowest frequency first; one row if the
        vertical axis does not show frequency. Positive values are for the explained class (or for a
        higher value), negative values against it.
    time_edges : ndarray of shape (n_times + 1,)
        Edges of the cells in seconds; in samples if there is no sampling rate.
    frequency_edges : ndarray of shape (n_frequencies + 1,) or None
        In Hz.
    image : ndarray of shape (H, W, 3), uint8
        The input of the backbone.
    signal : ndarray of shape (n_channels, n_samples)
        The samples that the image shows.
    signal_times : ndarray of shape (n_samples,)
    unit : str
        Of the signal, "" if it is arbitrary.
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
        """Middles of the cells, (n_times,)."""
        return (self.time_edges[:-1] + self.time_edges[1:]) / 2

    @property
    def frequencies(self) -> FloatArray | None:
        """Middles of the cells in Hz, (n_frequencies,)."""
        edges = self.frequency_edges
        return None if edges is None else (edges[:-1] + edges[1:]) / 2

    @property
    def over_time(self) -> FloatArray:
        """Importance over time: the mean over frequencies, (n_times,)."""
        return self.map.mean(axis=0)

    @property
    def over_frequencies(self) -> FloatArray | None:
        """Importance over frequencies: the mean over time, (n_frequencies,)."""
        return None if self.frequency_edges is None else self.map.mean(axis=1)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Importance of the images of one window for the decision.

    Parameters
    ----------
    decision : float
        The number explained: decision_function for the class, else the logarithm of its odds, or
        the predicted value of a regressor.
    target : object
        The class explained; None for a regressor.
    method : {"occlusion", "gradient"}
    images : tuple of ImageExplanation
        Without those of missing signals.
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
    progress: bool | str = "auto",
) -> list[Explanation]:
    """Compute which seconds and frequencies a fitted pipeline's decision about a window depends on.

    Parameters
    ----------
    pipeline : estimator
        A fitted classifier or regressor that contains `BiosignalImageTransformer` followed by
        `TinyBioMoEEmbedder`, as in a Pipeline, in the branches of a ColumnTransformer or in
        `LateFusionClassifier`; or by `TinyBioMoEClassifier` or `TinyBioMoERegressor`.
    windows : array-like or frame
        A few windows, in the form that ``pipeline.predict`` takes. Each is explained separately.
    method : {"occlusion", "gradient"}, default="occlusion"
        - "occlusion": hide patches of each image and measure how far the decision falls. In a
          curve, a stretch of the signal is replaced by a straight line; in a spectrogram or
          scalogram, a patch of seconds and hertz is replaced by the blurred image; in a map of
          pairs, the rows and columns of a stretch of time are.
        - "gradient": integrate the gradient of the decision with respect to the image's pixels from
          the blurred image (curves are blurred along time) to the original. Needs a decision that
          changes smoothly, unlike that of trees or nearest neighbours; else a UserWarning is
          issued. The backbone runs in float32, on the embedder's device.
    target : object, default=None
        The class explained; None for the class predicted for each window.
    stretch : float, default=None
        Length of a patch in seconds (in samples if there is no sampling rate); None for a sixth of
        each image. Shorter patches give a finer map and take longer.
    progress : "auto" or bool, default="auto"
        Show a progress bar. "auto" shows it in terminals and notebooks if tqdm is installed.

    Returns
    -------
    explanations : list of Explanation
        One for each window.

    Raises
    ------
    ValueError
        If the pipeline has no image step, is given images as arrays, has no decision, or decides
        about a window by the other windows; if the method or the class is unknown; if ``stretch``
        is longer than an image; if all signals of a window are missing.
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.

    Notes
    -----
    An explanation shows what this pipeline uses, not what caused the state of the person.

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
    >>> windows = 2 + 0.02 * random.standard_normal((4, 240))  # in µS
    >>> windows[2:, 100:120] += 1
    >>> pipeline = make_pipeline(
    ...     BiosignalImageTransformer(sampling_rate=4, modality="eda"),
    ...     TinyBioMoEEmbedder(),
    ...     LogisticRegression(),
    ... ).fit(windows, ["rest", "rest", "response", "response"])
    >>> (explanation,) = explain(pipeline, windows[2:3], stretch=15)
    >>> (image,) = explanation.images
    >>> bool(25 - 5 < image.times[image.over_time.argmax()] < 30 + 5)  # seconds
    True
    """
    check_option("method", method, list(METHODS))
    if stretch is not None:
        check_number("stretch", stretch, above=0, unit="seconds", alternative="None")
    shows_progress(progress)  # raises an error if it is wrong
    check_has_images(pipeline)
    check_is_fitted(pipeline)
    explanations = []
    with parallel_config(backend="sequential"):  # see RecordedWindow
        targets = choose_targets(pipeline, windows, target)
        recorded = [
            RecordedWindow(pipeline, take_rows(windows, [row]), own)
            for row, own in enumerate(targets)
        ]
        together = decide(pipeline, windows, targets)
        check_independent(pipeline, together, np.array([window.value for window in recorded]))
        _check_images(recorded, stretch)
        n_images = sum(len(window.images) for window in recorded)
        with progress_bar(n_images, "explaining", "image", progress) as bar:
            for window, own in zip(recorded, targets, strict=True):
                images = []
                for image in window.images:
                    images.append(_explain_image(window, image, method, stretch))
                    if bar is not None:
                        bar.update()
                explanations.append(Explanation(window.value, own, method, tuple(images)))
    return explanations


def _explain_image(
    window: RecordedWindow, image: RecordedImage, method: str, stretch: float | None
) -> ImageExplanation:
    shown, axes = image.shown, image.shown.axes
    grid = make_grid(shown, stretch)
    values = METHODS[method](window, image, grid)
    frequency_edges = None
    if axes.vertical == "frequency":
        frequency_edges = axes.frequency_at(grid.rows / grid.rows[-1])
    return ImageExplanation(
        name=shown.name,
        map=grid.average(values),
        time_edges=axes.time_at(grid.columns / grid.columns[-1]),
        frequency_edges=frequency_edges,
        image=shown.image,
        signal=shown.signal,
        signal_times=shown.sample_times,
        unit=shown.unit(0),
        time_unit=shown.time_unit,
    )


def _check_images(recorded: list[RecordedWindow], stretch: float | None) -> None:
    """Raise ValueError for a window without images, or a stretch longer than an image."""
    for row, window in enumerate(recorded):
        if not window.images:
            raise ValueError(
                f"All signals of window {row} are missing, so there are no images to explain. "
                "Leave it out."
            )
        for image in window.images:
            left, right = image.shown.axes.times
            if stretch is not None and stretch > right - left:
                raise ValueError(
                    f"stretch={stretch:g} is longer than image {image.shown.name!r}, which shows "
                    f"{right - left:g} {image.shown.time_unit}; pass a shorter one, or None for a "
                    "sixth of each image."
                )
