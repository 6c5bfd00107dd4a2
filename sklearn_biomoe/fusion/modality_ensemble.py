"""Base of late fusion: an ensemble of one estimator per modality, and its inner folds."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._typing import Array, FloatArray, Rows
from .._validation.parameters import check_option
from .._validation.predictors import check_predictor
from .._validation.subjects import (
    check_subjects,
    column_names,
    column_position,
    column_values,
    groups_for,
    name_some,
)
from ..signals import missing_windows
from ..transformers.diagrams import make_block
from .combination_rules import share_of_votes, stacking_features, weighted_mean


class ModalityEnsemble(_BaseComposition):
    """Base of the late fusion estimators: one estimator per modality, combined by a rule."""

    prior_: Any

    _fusions: tuple[str, ...]
    _default_final_estimator: type
    _prior_name: str  # what windows that lack every modality are predicted as
    _reason_to_drop: str  # what training windows are if `_can_fit` is false

    def __init__(
        self,
        estimators: list[tuple[str, Any, Any]],
        *,
        fusion: str = "mean",
        final_estimator: Any = None,
        cv: Any = 5,
        subject_column: str | int | None = None,
    ) -> None:
        self.estimators = estimators
        self.fusion = fusion
        self.final_estimator = final_estimator
        self.cv = cv
        self.subject_column = subject_column

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator and, if ``deep``, of the modalities' estimators.

        The latter have names such as ``eda__C``.
        """
        return self._get_params("_named_estimators", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, such as ``eda__C=0.1``, or replace estimators: ``eda=Ridge()``."""
        self._set_params("_named_estimators", **params)
        return self

    @property
    def _named_estimators(self) -> Any:
        try:
            return [(name, estimator) for name, estimator, _ in self.estimators]
        except (TypeError, ValueError):
            return self.estimators

    @_named_estimators.setter
    def _named_estimators(self, named: Any) -> None:
        self.estimators = [
            (name, estimator, columns)
            for (name, estimator), (_, _, columns) in zip(named, self.estimators, strict=True)
        ]

    def fit(self, X: Any, y: ArrayLike, *, groups: ArrayLike | None = None) -> Self:
        """Fit the estimator of each modality, and what combines their predictions.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)
        y : array-like of shape (n_windows,)
            Classes, or the values of a regressor.
        groups : array-like of shape (n_windows,), default=None
            Subjects, if X has no column of them. Passed on to estimators that take them, such as a
            GridSearchCV that splits by subject.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If ``fusion`` or ``calibration`` is unknown; there are no estimators, their names are
            not unique, or their columns are not in X; y or groups has another length than X, or
            gaps; y has a single class; no modality has enough windows; there is a single subject,
            but inner folds are needed.
        TypeError
            If an estimator is not a classifier (a regressor), or a classifier has no
            ``predict_proba`` and ``calibration`` is None.

        Warns
        -----
        UserWarning
            If a modality is dropped, because its training windows are missing or of one class, or
            no inner fold can test it; and if an inner fold skips a modality, so that its weight is
            estimated from the other folds.
        """
        self._check_parameters()
        for name in ("estimators_", "weights_", "final_estimator_", "modality_scores_", "_means"):
            self.__dict__.pop(name, None)  # of an earlier fit, perhaps with another fusion
        X = _read_table(X)
        validate_data(self, X, reset=True, skip_check_array=True)
        y = self._read_targets(y, X)
        subjects = self._read_subjects(X, groups)
        parts = self._select_columns(X)
        present = {name: np.flatnonzero(~missing_windows(part)) for name, part in parts.items()}
        dropped = [name for name, rows in present.items() if not self._can_fit(y[rows])]
        present = _drop(dropped, present, f"its training windows {self._reason_to_drop}")
        if self.fusion in ("weighted", "stacking"):
            present = self._fit_combination(parts, present, y, subjects)
        self.estimators_ = {
            name: self._fit_one(name, parts[name], rows, y, subjects)
            for name, rows in present.items()
        }
        return self

    def predict_by_modality(self, X: Any) -> dict[str, Array]:
        """Return the predictions of each modality's estimator.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        predictions : dict of str to ndarray
            Probabilities of shape (n_windows, n_classes), in the order of ``classes_``, or values
            of shape (n_windows,). NaN where the modality is missing. Modalities that `fit` dropped
            are not included.
        """
        predictions = self._predict_all(X)
        if not is_classifier(self):
            predictions = predictions[..., 0]
        return dict(zip(self.estimators_, predictions, strict=True))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _sk_visual_block_(self) -> Any:
        names, estimators, columns = zip(*self.estimators, strict=True)
        fitted = getattr(self, "estimators_", {})
        shown = [fitted.get(name, each) for name, each in zip(names, estimators, strict=True)]
        return make_block("parallel", shown, names=names, name_details=columns)

    # What subclasses define

    @abstractmethod
    def _read_targets(self, y: Any, X: Any) -> Array:
        """Check y, and set ``prior_``, the prediction for windows that lack every modality."""

    @abstractmethod
    def _can_fit(self, y: Array) -> bool:
        """Return whether an estimator can be fitted to these targets."""

    @abstractmethod
    def _predict_with(self, fitted: Any, X: Any) -> FloatArray:
        """Return the predictions of one estimator, (n_windows, n_outputs)."""

    @abstractmethod
    def _fit_weights(self, predictions: FloatArray, y: Array) -> FloatArray:
        """Return the weight of each modality, given predictions for held-out windows."""

    @abstractmethod
    def _score_predictions(self, y: Array, predictions: FloatArray) -> float:
        """Return the score of predictions, (n_windows, n_outputs)."""

    def _prepare(self, estimator: Any, y: Array, subjects: Any) -> Any:
        """Return an unfitted copy of a modality's estimator."""
        return clone(estimator)

    # Fitting

    def _fit_one(self, name: str, part: Any, rows: Rows, y: Array, subjects: Any) -> Any:
        groups = None if subjects is None else subjects[rows]
        estimator = dict(self._named_estimators)[name]
        passed = {} if groups is None else groups_for(estimator, groups)
        prepared = self._prepare(estimator, y[rows], groups)  # passes them on, if calibrated
        return prepared.fit(_safe_indexing(part, rows), y[rows], **passed)

    def _fit_combination(
        self, parts: dict[str, Any], present: dict[str, Rows], y: Array, subjects: Any
    ) -> dict[str, Rows]:
        """Fit the weights or the final estimator; return the modalities that folds can test."""
        if subjects is None and isinstance(self.cv, Integral):
            warnings.warn(
                f"{type(self).__name__}(fusion={self.fusion!r}) has no subjects: its inner folds "
                "split the windows of a subject, which favours modalities that recognise people. "
                "Pass fit(..., groups=subjects), or subject_column=. A search such as GridSearchCV "
                "uses groups for its own folds only, and passes them on with metadata routing and "
                "set_fit_request(groups=True): in a search, subject_column= is simpler.",
                UserWarning,
                stacklevel=3,
            )
        splits = self._split(y, subjects)
        predictions, n_skipped = self._predict_held_out(splits, parts, present, y, subjects)
        known = ~np.isnan(predictions[..., 0])  # (n_modalities, n_windows)
        untested = [name for name, rows in zip(present, known, strict=True) if not rows.any()]
        present = _drop(
            untested, present, f"none of {len(splits)} inner folds can test it", stacklevel=4
        )
        self._warn_of_skipped({name: n_skipped[name] for name in present}, len(splits))
        tested = known.any(axis=1)
        predictions, known = predictions[tested], known[tested]
        self.modality_scores_ = {
            name: self._score_predictions(y[rows], predictions[position, rows])
            for position, (name, rows) in enumerate(zip(present, known, strict=True))
        }
        rows = known.any(axis=0)
        if self.fusion == "weighted":
            weights = self._fit_weights(predictions[:, rows], y[rows])
            self.weights_ = dict(zip(present, weights.tolist(), strict=True))
        else:
            self._means = np.nanmean(predictions, axis=1)  # (n_modalities, n_outputs)
            final = self.final_estimator
            final = self._default_final_estimator() if final is None else clone(final)
            features = stacking_features(predictions[:, rows], self._means)
            self.final_estimator_ = final.fit(features, y[rows])
        return present

    def _predict_held_out(
        self,
        splits: list[tuple[Rows, Rows]],
        parts: dict[str, Any],
        present: dict[str, Rows],
        y: Array,
        subjects: Any,
    ) -> tuple[FloatArray, dict[str, int]]:
        """Predict each window by estimators fitted without it, and count the skipped folds."""
        predictions = np.full((len(present), len(y), np.size(self.prior_)), np.nan)
        n_skipped = dict.fromkeys(present, 0)
        for train, test in splits:
            for position, (name, rows) in enumerate(present.items()):
                train_rows, test_rows = np.intersect1d(train, rows), np.intersect1d(test, rows)
                if not self._can_fit(y[train_rows]):
                    n_skipped[name] += 1
                elif test_rows.size:
                    fitted = self._fit_one(name, parts[name], train_rows, y, subjects)
                    held_out = _safe_indexing(parts[name], test_rows)
                    predictions[position, test_rows] = self._predict_with(fitted, held_out)
        return predictions, n_skipped

    def _warn_of_skipped(self, n_skipped: dict[str, int], n_folds: int) -> None:
        for name, n in n_skipped.items():
            if n:
                warnings.warn(
                    f"Modality {name!r} is skipped in {n} of {n_folds} inner folds, in which its "
                    f"training windows {self._reason_to_drop}.",
                    UserWarning,
                    stacklevel=4,
                )

    def _split(self, y: Array, subjects: Any) -> list[tuple[Rows, Rows]]:
        """Return the inner folds, which hold out whole subjects if these are known."""
        cv = self.cv
        if subjects is not None and isinstance(cv, Integral):
            n_subjects = len(np.unique(subjects))
            if n_subjects < 2:
                raise ValueError(
                    f"All training windows are of subject {subjects.tolist()[0]!r}, but the inner "
                    f"folds of {type(self).__name__} hold out whole subjects; train on two or more."
                )
            splitter = StratifiedGroupKFold if is_classifier(self) else GroupKFold
            cv = splitter(min(int(cv), n_subjects))
        splits = list(check_cv(cv, y, classifier=is_classifier(self)).split(y, y, subjects))
        n_tests = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(y))
        if n_tests.max() > 1:
            raise ValueError(
                f"cv={self.cv!r} tests window {int(n_tests.argmax())} {n_tests.max()} times; pass "
                "a splitter that tests each window once, such as GroupKFold."
            )
        return splits

    # Predicting

    def _predict_all(self, X: Any) -> FloatArray:
        """Predict by each modality, (n_modalities, n_windows, n_outputs); NaN where missing."""
        check_is_fitted(self)
        X = _read_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        predictions = np.full((len(self.estimators_), len(X), np.size(self.prior_)), np.nan)
        parts = self._select_columns(X)
        for position, (name, fitted) in enumerate(self.estimators_.items()):
            rows = np.flatnonzero(~missing_windows(parts[name]))
            if rows.size:
                part = _safe_indexing(parts[name], rows)
                predictions[position, rows] = self._predict_with(fitted, part)
        return predictions

    def _fuse(self, X: Any) -> FloatArray:
        """Combine the predictions of all modalities, (n_windows, n_outputs)."""
        predictions = self._predict_all(X)
        if self.fusion == "vote":
            fused = share_of_votes(predictions)
        elif self.fusion == "stacking":
            features = stacking_features(predictions, self._means)
            fused = self._predict_with(self.final_estimator_, features)
        else:
            weights = np.ones(len(predictions))
            if self.fusion == "weighted":
                weights = np.array(list(self.weights_.values()))
            fused = weighted_mean(predictions, weights)
        missing = np.isnan(predictions[..., 0]).all(axis=0)
        if missing.any():
            warnings.warn(
                f"{missing.sum()} of {missing.size} windows lack every modality, such as row "
                f"{int(missing.argmax())}: their prediction is {self._prior_name}.",
                UserWarning,
                stacklevel=3,
            )
            fused[missing] = self.prior_
        return fused

    # Input

    def _check_parameters(self) -> None:
        check_option("fusion", self.fusion, self._fusions)
        if not isinstance(self.estimators, list) or not self.estimators:
            raise ValueError(
                f"estimators={self.estimators!r}; expected a list of one or more "
                "(name, estimator, columns)."
            )
        for each in self.estimators:
            if not isinstance(each, tuple) or len(each) != 3 or not isinstance(each[0], str):
                raise ValueError(
                    f"estimators contains {each!r:.100}; expected (name, estimator, columns), as "
                    "in a ColumnTransformer."
                )
        self._validate_names([name for name, _, _ in self.estimators])
        for name, estimator, _ in self.estimators:
            self._check_estimator(f"Estimator {name!r}", estimator)
        if self.final_estimator is not None:
            if self.fusion != "stacking":
                raise ValueError(
                    "final_estimator is only used by fusion='stacking', but "
                    f"fusion={self.fusion!r}."
                )
            self._check_estimator("final_estimator", self.final_estimator)

    def _check_estimator(self, name: str, estimator: Any) -> None:
        check_predictor(name, estimator, "classifier" if is_classifier(self) else "regressor")

    def _read_subjects(self, X: Any, groups: Any) -> Array | None:
        groups = None if groups is None else check_subjects(groups, len(X))
        if self.subject_column is None:
            return groups
        position = column_position("subject_column", self.subject_column, column_names(X))
        subjects = check_subjects(column_values(X, position), len(X))
        if groups is not None and (differing := np.flatnonzero(subjects != groups)).size:
            raise ValueError(
                f"subject_column={self.subject_column!r} and groups differ, first in row "
                f"{differing[0]}; pass one of them."
            )
        return subjects

    def _select_columns(self, X: Any) -> dict[str, Any]:
        return {name: _select(X, name, columns) for name, _, columns in self.estimators}


def _read_table(X: Any) -> Any:
    """Return X as it is if it is a frame, whose columns may be of any kind, else as an array."""
    return X if hasattr(X, "columns") else check_array(X, dtype=None, ensure_all_finite=False)


def _select(X: Any, name: str, columns: Any) -> Any:
    try:
        return _safe_indexing(X, columns, axis=1)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        known = column_names(X)
        raise ValueError(
            f"Columns {columns!r} of modality {name!r} are not all in X, which has {len(known)}: "
            f"{name_some(known, at_most=10)}."
        ) from error


def _drop(
    names: list[str], present: dict[str, Rows], reason: str, stacklevel: int = 3
) -> dict[str, Rows]:
    """Return the modalities without ``names``; warn, or raise ValueError if none is left."""
    if not names:
        return present
    message = f"Modality {', '.join(map(repr, names))} is dropped: {reason}."
    if len(names) == len(present):
        raise ValueError(f"{message} No modality is left; add windows that have them.")
    warnings.warn(message, UserWarning, stacklevel=stacklevel)
    return {name: rows for name, rows in present.items() if name not in names}
