"""Decisions of a fitted pipeline, and what they are with other embeddings of one image."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import _safe_indexing

from .._typing import Array, FloatArray
from ..images.shown_image import ShownImage, select_image
from ..images.stack import BiosignalImages
from ..pipelines import find_embedders

ROWS_AT_ONCE = 256  # windows that a pipeline is given at once
MIN_PROBABILITY = 1e-12  # probabilities are clipped to it before their logarithm
TOLERANCE = 1e-3  # relative difference of decisions that rounding explains


def decision_method(pipeline: Any) -> str:
    """Return the name of the method whose value is explained."""
    names = ["decision_function", "predict_proba"] if is_classifier(pipeline) else []
    names = ["predict"] if is_regressor(pipeline) else names
    for name in names:
        if hasattr(pipeline, name):
            return name
    raise ValueError(
        f"{type(pipeline).__name__} has no decision to explain; expected a fitted Pipeline whose "
        "last step is a classifier with decision_function or predict_proba, or a regressor."
    )


def choose_targets(pipeline: Any, X: Any, target: Any) -> list[Any]:
    """Return the class that is explained for each window: ``target``, or the one predicted."""
    method = decision_method(pipeline)
    predicted = np.asarray(pipeline.predict(X))
    if predicted.ndim != 1:
        raise ValueError(
            f"{type(pipeline).__name__} predicts {predicted.shape[1]} values for each window, but "
            "only one can be explained. Fit a pipeline for each."
        )
    if method == "predict" and target is not None:
        raise ValueError(
            f"target={target!r} is given, but {type(pipeline).__name__} is a regressor, whose "
            "predicted value is explained; leave target out."
        )
    if method == "predict":
        return [None] * len(predicted)
    shapes = [value for name, value in pipeline.get_params(deep=True).items()
              if name.endswith("decision_function_shape")]  # fmt: skip
    if method == "decision_function" and "ovo" in shapes and len(pipeline.classes_) > 2:
        raise ValueError(
            "decision_function_shape='ovo' has a decision for each pair of classes, and none for a "
            "class; pass decision_function_shape='ovr'."
        )
    if target is None:
        return predicted.tolist()
    classes = pipeline.classes_.tolist()
    if target not in classes:
        raise ValueError(f"target={target!r} is not a class; expected one of {classes}.")
    return [target] * len(predicted)


def decide(pipeline: Any, X: Any, targets: Sequence[Any]) -> FloatArray:
    """Return the decision for each window's class, or the predicted value: (n_windows,)."""
    method = decision_method(pipeline)
    values = np.asarray(getattr(pipeline, method)(X), dtype=np.float64)
    if method == "predict":
        return values
    columns = [pipeline.classes_.tolist().index(target) for target in targets]
    if values.ndim == 1:  # two classes: the decision for the second
        return np.where(columns, values, -values)
    values = values[np.arange(len(values)), columns]
    if method == "predict_proba":
        values = values.clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return np.log(values / (1 - values))
    return values


@dataclass(eq=False)
class EmbedderCall:
    """The call of an embedder in the evaluation of a window."""

    embedder: Any
    embed: Callable[..., NDArray[np.float32]]  # images to embeddings, without a cache
    images: Any  # of the window
    embeddings: NDArray[np.float32]  # (1, n_images, 192), of the images
    replacement: Array  # (n_rows, n_images, 192), the embeddings that later calls return

    @cached_property
    def backbone(self) -> Any:
        """The network as published: the fast form has no gradients."""
        return self.embedder._load_backbone().requires_grad_(False).eval()


@dataclass(frozen=True, eq=False)
class RecordedImage:
    """An image of a window, and the embedder call that it is in."""

    call: EmbedderCall
    number: int  # position in the call's images
    shown: ShownImage


class RecordedWindow:
    """A pipeline's decision about one window, and the images that it depends on.

    Uses a copy of the pipeline, in which the embedders return recorded or other embeddings. The
    copy has to run in this process; all its other steps are unchanged.

    Parameters
    ----------
    pipeline : estimator
        Fitted.
    X : object
        The window, in the form that the pipeline takes, one row.
    target : object
        The class whose decision is explained; None for a regressor.

    Attributes
    ----------
    images : list of RecordedImage
        Without those of missing signals.
    value : float
        The decision.
    """

    def __init__(self, pipeline: Any, X: Any, target: Any) -> None:
        self._pipeline = copy.deepcopy(pipeline)
        self._X, self._target = X, target
        self._calls: list[EmbedderCall] = []
        for embedder in find_embedders(self._pipeline):
            self._record(embedder)
        self.value = float(decide(self._pipeline, X, [target])[0])
        for call in self._calls:
            _check_drawn(call)
        self.images = [
            RecordedImage(call, number, select_image(call.images, 0, number))
            for call in self._calls
            for number in np.flatnonzero(np.isfinite(call.embeddings[0]).all(axis=1)).tolist()
        ]

    def _record(self, embedder: Any) -> None:
        """Record the embedder's first call; later calls return its replacement."""
        embed = embedder._embed_images

        def embed_and_record(images: Any) -> NDArray[np.float32]:
            embeddings = embed(images)
            embedder.cache = None  # which masked images would fill
            call = EmbedderCall(embedder, embed, images, embeddings.copy(), embeddings)
            self._calls.append(call)
            embedder._embed_images = lambda _: call.replacement
            return embeddings

        embedder._embed_images = embed_and_record

    def decide_with(self, image: RecordedImage, embeddings: Array) -> FloatArray:
        """Return the decisions with each of n other embeddings (n, 192) of an image: (n,)."""
        decisions = []
        for start in range(0, len(embeddings), ROWS_AT_ONCE):
            batch = embeddings[start : start + ROWS_AT_ONCE]
            for call in self._calls:
                call.replacement = np.repeat(call.embeddings, len(batch), axis=0)
            image.call.replacement[:, image.number] = batch
            X = take_rows(self._X, [0] * len(batch))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the window itself has raised them already
                decisions.append(decide(self._pipeline, X, [self._target] * len(batch)))
        return np.concatenate(decisions)


def check_independent(pipeline: Any, together: FloatArray, alone: FloatArray) -> None:
    """Raise ValueError if decisions about windows alone differ from those about all together."""
    differing = np.abs(alone - together) > TOLERANCE * (1 + np.abs(together))
    if differing.any():
        row = int(differing.argmax())
        raise ValueError(
            f"The decision of {type(pipeline).__name__} about window {row} is {together[row]:.4g} "
            f"among the {len(together)} windows given, but {alone[row]:.4g} alone: a step uses "
            "the other windows, as SubjectScaler('own') does for subjects that it was not fitted "
            "with, so the decision cannot be attributed to one window. Explain a pipeline without "
            "that step."
        )


def take_rows(X: Any, rows: Sequence[int]) -> Any:
    """Take rows of windows in any form; rows of a pandas frame are renumbered."""
    taken = _safe_indexing(X, list(rows))
    return taken.reset_index(drop=True) if hasattr(taken, "reset_index") else taken


def check_has_images(pipeline: Any) -> None:
    """Raise ValueError if no step of a pipeline embeds images."""
    if find_embedders(pipeline):
        return
    raise ValueError(
        f"{type(pipeline).__name__} has no image step: no step of it embeds images. Fit a Pipeline "
        "on windows, such as make_pipeline(BiosignalImageTransformer(...), TinyBioMoEEmbedder(), "
        "classifier). If the embeddings were computed before, join both fitted parts without "
        "another fit: make_pipeline(embed, classifier)."
    )


def _check_drawn(call: EmbedderCall) -> None:
    if not isinstance(call.images, BiosignalImages):
        raise ValueError(
            f"{type(call.embedder).__name__} is given the images {call.embedder.image_names_} as "
            "an array, which has no axes in seconds and hertz; explain a pipeline with a "
            "BiosignalImageTransformer right before the embedder."
        )
