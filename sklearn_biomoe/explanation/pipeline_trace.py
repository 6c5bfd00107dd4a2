"""A fitted pipeline asked anew: what it decides where its images' embeddings were others."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import _safe_indexing

from .._typing import FloatArray
from ..images.stack import BiosignalImages
from ..pipelines import find_embedders

ROWS_AT_ONCE = 256  # windows that a pipeline is given at once
SMALLEST_SHARE = 1e-12  # probability that is told apart from 0, for its logarithm
SAME = 1e-3  # difference of decisions, of their size, that rounding explains


@dataclass(frozen=True)
class SeenImage:
    """An image that an embedder of the pipeline met in a window.

    Parameters
    ----------
    embedder : int
        Position of its embedder in `AskedWindow.embedders`.
    number : int
        Position among the embedder's images of the window.
    images : BiosignalImages
        The window's images.
    embedding : ndarray of shape (192,), float32
    """

    embedder: int
    number: int
    images: BiosignalImages
    embedding: NDArray[np.float32]


class Decision:
    """The number that is explained, of one class or of a regressor.

    Parameters
    ----------
    pipeline : estimator
        Fitted.
    """

    def __init__(self, pipeline: Any) -> None:
        names = ["decision_function", "predict_proba"] if is_classifier(pipeline) else []
        names = ["predict"] if is_regressor(pipeline) else names
        able = [name for name in names if hasattr(pipeline, name)]
        if not able:
            raise ValueError(
                f"{_short(pipeline)} has no decision to explain; expected a fitted Pipeline whose "
                "last step is a classifier with decision_function or predict_proba, or a regressor."
            )
        self.kind = able[0]
        self.classes = pipeline.classes_.tolist() if is_classifier(pipeline) else None

    def target_of(self, pipeline: Any, X: Any, target: Any) -> list[Any]:
        """Return the class that is explained of each window: the one asked for, or predicted."""
        if self.classes is None:
            if target is not None:
                raise ValueError(
                    f"target={target!r} names a class, but {_short(pipeline)} is a regressor: its "
                    "predicted value is explained; leave target out."
                )
            return [None] * len(pipeline.predict(X))
        if target is None:
            return np.asarray(pipeline.predict(X)).tolist()
        if target not in self.classes:
            raise ValueError(f"target={target!r} is none of the classes {self.classes}.")
        return [target] * len(pipeline.predict(X))

    def ask(self, pipeline: Any, X: Any, target: Any) -> FloatArray:
        """Return the decision for a class about each window: (n_windows,), float64."""
        values = np.asarray(getattr(pipeline, self.kind)(X), dtype=np.float64)
        if self.kind == "predict":
            if values.ndim != 1:
                raise ValueError(
                    f"{_short(pipeline)} predicts {values.shape[1]} values of each window; one "
                    "can be explained. Fit a regressor for each."
                )
            return values
        assert self.classes is not None
        position = self.classes.index(target)
        if self.kind == "predict_proba":
            share = values[:, position].clip(SMALLEST_SHARE, 1 - SMALLEST_SHARE)
            return np.log(share / (1 - share))
        if values.ndim == 1:  # of two classes: for the second
            return values if position == 1 else -values
        return values[:, position]


class AskedWindow:
    """One window of a pipeline, whose embedders say what they are told.

    Works on a copy of the pipeline. Whatever stands before, beside and after the embedders takes
    part as it is, in this process: others would not know what embedders are told.

    Parameters
    ----------
    pipeline : estimator
        Fitted.
    decision : Decision
    X : object
        The window, in the form that the pipeline takes, one row.
    target : object
        The class whose decision is asked for.

    Attributes
    ----------
    embedders : list of estimator
        Those that were asked about the window.
    images : list of SeenImage
        Those that are there: sensors that dropped out have none.
    value : float
        The decision.
    """

    def __init__(self, pipeline: Any, decision: Decision, X: Any, target: Any) -> None:
        self._pipeline = copy.deepcopy(pipeline)
        self._decision, self._X, self._target = decision, X, target
        self.embedders: list[Any] = []
        self._seen: list[Any] = []
        for embedder in find_embedders(self._pipeline):
            self._watch(embedder)
        self.value = float(self._ask(1)[0])
        self.images = [
            SeenImage(at, number, images, embeddings[0, number])
            for at, (images, embeddings) in enumerate(self._seen)
            for number in range(images.shape[1])
            if np.isfinite(embeddings[0, number]).all()
        ]
        self._backbones: dict[int, Any] = {}
        for embedder, (images, _) in zip(self.embedders, self._seen, strict=True):
            _check_drawn(embedder, images)

    def backbone(self, embedder: int) -> Any:
        """Return an embedder's readable network: the engines' fast form has no gradients."""
        if embedder not in self._backbones:
            loaded = self.embedders[embedder]._load_backbone()
            self._backbones[embedder] = loaded.requires_grad_(False).eval()
        return self._backbones[embedder]

    def _watch(self, embedder: Any) -> None:
        """Note the images and the embeddings of the first time, and repeat what is told then."""
        embed = embedder._embed_images

        def note(images: Any, *on_batch: Any) -> NDArray[np.float32]:
            embeddings = embed(images, *on_batch)
            position = len(self.embedders)
            self.embedders.append(embedder)
            self._seen.append((images, embeddings))
            embedder._embed_images = lambda *_: self._told[position]
            return embeddings

        embedder._embed_images = note

    def ask(self, image: SeenImage, embeddings: NDArray[Any]) -> FloatArray:
        """Return the decisions where an image had other embeddings.

        Parameters
        ----------
        image : SeenImage
        embeddings : ndarray of shape (n, 192)

        Returns
        -------
        decisions : ndarray of shape (n,), float64
        """
        decisions = []
        for start in range(0, len(embeddings), ROWS_AT_ONCE):
            others = embeddings[start : start + ROWS_AT_ONCE]
            self._told = [np.repeat(known, len(others), axis=0) for _, known in self._seen]
            self._told[image.embedder][:, image.number] = others
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they came up when the window itself was asked
                decisions.append(self._ask(len(others)))
        return np.concatenate(decisions)

    def _ask(self, n_times: int) -> FloatArray:
        X = take_rows(self._X, [0] * n_times)
        return self._decision.ask(self._pipeline, X, self._target)


def check_alone(pipeline: Any, together: FloatArray, windows: Sequence[AskedWindow]) -> None:
    """Raise ValueError where decisions depend on which other windows are asked about."""
    alone = np.array([window.value for window in windows])
    differing = np.abs(alone - together) > SAME * (1 + np.abs(together))
    if differing.any():
        row = int(differing.argmax())
        raise ValueError(
            f"{_short(pipeline)} decides {together[row]:.4g} about window {row} among the "
            f"{len(together)} windows given, but {alone[row]:.4g} about it alone: a step looks at "
            "the other windows, as SubjectScaler('own') does for subjects that it was not fitted "
            "with, and what moved the decision cannot be told from this window. Explain a "
            "pipeline without that step."
        )


def take_rows(X: Any, rows: Sequence[int]) -> Any:
    """Take rows of windows in any form; rows of a pandas frame are numbered anew."""
    taken = _safe_indexing(X, list(rows))
    return taken.reset_index(drop=True) if hasattr(taken, "reset_index") else taken


def check_has_images(pipeline: Any) -> None:
    """Raise ValueError where a pipeline has no step that embeds images."""
    if find_embedders(pipeline):
        return
    raise ValueError(
        f"{_short(pipeline)} holds no image step: nothing in it embeds images, so that "
        "none leads from the signal to its decision. Fit a Pipeline that starts from "
        "windows, such as make_pipeline(BiosignalImageTransformer(...), TinyBioMoEEmbedder(), "
        "classifier); or put what embedded and the classifier fitted on its embeddings together: "
        "make_pipeline(embed, classifier), both fitted, needs no further fit."
    )


def _check_drawn(embedder: Any, images: Any) -> None:
    if not isinstance(images, BiosignalImages):
        raise ValueError(
            f"The images {embedder.image_names_} come to {_short(embedder)} as an array, which "
            "knows no seconds and hertz; explain a pipeline that draws them itself, by a "
            "BiosignalImageTransformer right before the embedder."
        )


def _short(pipeline: Any) -> str:
    return type(pipeline).__name__
