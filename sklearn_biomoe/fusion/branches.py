"""What late fusion of classes and of values share: a branch for each modality, and inner folds."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import (
    check_array,
    check_is_fitted,
    validate_data,
)

from .._typing import Array
from .._validation.parameters import check_option
from .._validation.subjects import (
    check_subjects,
    column_names,
    column_position,
    column_values,
    groups_for,
)
from ..signals import missing_windows
from .combining import share_of_votes, weighted_mean

Splits = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


class LateFusion(_BaseComposition):
    """What classifier and regressor share: a branch for each modality, and inner folds."""

    estimators: Any
    fusion: str
    final_estimator: Any
    cv: Any
    subject_column: str | int | None

    _fusions: tuple[str, ...]
    _prior_name: str  # of what windows without any modality get
    _cannot_teach: str  # what training windows are, where `_can_learn` is false

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters, those of the modalities' estimators too.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of the estimators, such as ``eda__C``, are among them.

        Returns
        -------
        params : dict
        """
        return self._get_params("_named", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, or whole estimators by the name of their modality.

        Parameters
        ----------
        **params : dict
            Such as ``eda__C=0.1`` or ``eda=LogisticRegression()``.

        Returns
        -------
        self : estimator
        """
        self._set_params("_named", **params)
        return self

    @property
    def _named(self) -> Any:
        try:
            return [(name, estimator) for name, estimator, _ in self.estimators]
        except (TypeError, ValueError):
            return self.estimators

    @_named.setter
    def _named(self, named: Any) -> None:
        self.estimators = [
            (name, estimator, columns)
            for (name, estimator), (_, _, columns) in zip(named, self.estimators, strict=True)
        ]

    def predict_by_modality(self, X: Any) -> dict[str, Array]:
        """Return what each modality predicts by itself.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_windows, n_features)

        Returns
        -------
        predictions : dict of str to ndarray
            Of shape (n_windows, n_classes), probabilities in the order of ``classes_``; of a
            regressor (n_windows,). NaN where the modality is missing. Those that `fit` left out are
            not among them.
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
        try:
            from sklearn.utils._repr_html.estimator import _VisualBlock
        except ImportError:  # before scikit-learn 1.7
            from sklearn.utils._estimator_html_repr import _VisualBlock
        names, estimators, columns = zip(*self.estimators, strict=True)
        return _VisualBlock("parallel", estimators, names=names, name_details=columns)

    # Fitting

    def _fit(self, X: Any, y: Array, groups: Any) -> None:
        """Fit each modality's estimator, and what is learnt from inner folds before them."""
        groups = self._subjects(X, groups)
        parts = self._parts(X)
        there = {name: np.flatnonzero(~missing_windows(part)) for name, part in parts.items()}
        left_out = [name for name, rows in there.items() if not self._can_learn(y[rows])]
        there = self._without(left_out, there, f"its training windows {self._cannot_teach}")
        if self.fusion in ("weighted", "stacking"):
            there = self._learn_from_inner_folds(parts, there, y, groups)
        self.estimators_ = {
            name: self._fit_one(name, _safe_indexing(parts[name], rows), y, groups, rows)
            for name, rows in there.items()
        }

    def _without(
        self, left_out: list[str], there: dict[str, Array], reason: str, stacklevel: int = 4
    ) -> dict[str, Array]:
        """Leave modalities out that nothing can be learnt from, saying so, unless all are."""
        if not left_out:
            return there
        said = f"Modality {', '.join(map(repr, left_out))} is left out: {reason}."
        if len(left_out) == len(there):
            raise ValueError(f"{said} No modality is left; add windows that have them.")
        warnings.warn(said, UserWarning, stacklevel=stacklevel)
        return {name: rows for name, rows in there.items() if name not in left_out}

    def _fit_one(self, name: str, part: Any, y: Array, groups: Any, rows: Array) -> Any:
        estimator = self._prepared(dict(self._named)[name], y[rows], _take(groups, rows))
        passed = {} if groups is None else groups_for(estimator, groups[rows])
        return estimator.fit(part, y[rows], **passed)

    def _prepared(self, estimator: Any, y: Array, groups: Any) -> Any:
        return clone(estimator)

    def _learn_from_inner_folds(
        self, parts: dict[str, Any], there: dict[str, Array], y: Array, groups: Any
    ) -> dict[str, Array]:
        """Learn from predictions for windows, of other subjects, that were not trained on.

        Returns the modalities that could be tested so, and their rows.
        """
        unseen = np.full((len(there), len(y), self._n_outputs()), np.nan)
        splits = self._splits(y, groups)
        n_skipped = dict.fromkeys(there, 0)
        for train, test in splits:
            for position, (name, rows) in enumerate(there.items()):
                train_rows, test_rows = np.intersect1d(train, rows), np.intersect1d(test, rows)
                if not self._can_learn(y[train_rows]):
                    n_skipped[name] += 1
                    continue
                if not test_rows.size:
                    continue
                part = parts[name]
                fitted = self._fit_one(
                    name, _safe_indexing(part, train_rows), y, groups, train_rows
                )
                unseen[position, test_rows] = self._outputs(fitted, _safe_indexing(part, test_rows))
        untested = np.isnan(unseen).all(axis=(1, 2))
        left_out = [name for name, never in zip(there, untested, strict=True) if never]
        unseen = unseen[~untested]
        reason = f"it can be tested in none of {len(splits)} inner folds"
        there = self._without(left_out, there, reason, stacklevel=5)
        self._tell_skipped({name: n_skipped[name] for name in there}, len(splits))
        self.modality_scores_ = {
            name: self._score_of(y[known], predictions[known])
            for name, predictions in zip(there, unseen, strict=True)
            for known in [~np.isnan(predictions[:, 0])]
        }
        tested = ~np.isnan(unseen[..., 0]).all(axis=0)
        if self.fusion == "weighted":
            learnt = self._learn_weights(unseen[:, tested], y[tested])
            self.weights_ = dict(zip(there, learnt.tolist(), strict=True))
        else:
            self._means = np.nanmean(unseen, axis=1)  # (n_modalities, n_outputs)
            self.final_estimator_ = clone(self._final_estimator())
            self.final_estimator_.fit(self._side_by_side(unseen[:, tested]), y[tested])
        return there

    def _tell_skipped(self, n_skipped: dict[str, int], n_folds: int) -> None:
        for name, n in n_skipped.items():
            if n:
                warnings.warn(
                    f"Modality {name!r} is skipped in {n} of {n_folds} inner folds, where its "
                    f"training windows {self._cannot_teach}.",
                    UserWarning,
                    stacklevel=5,
                )

    def _splits(self, y: Array, groups: Any) -> Splits:
        from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv

        cv = self.cv
        if groups is not None and isinstance(cv, Integral):
            n_subjects = len(np.unique(groups))
            if n_subjects < 2:
                raise ValueError(
                    f"All training windows are of subject {groups.tolist()[0]!r}, but what "
                    f"{type(self).__name__} learns in inner folds is learnt from subjects left "
                    "out; train on two or more."
                )
            splitter = StratifiedGroupKFold if is_classifier(self) else GroupKFold
            cv = splitter(min(int(cv), n_subjects))
        splits = list(check_cv(cv, y, classifier=is_classifier(self)).split(y, y, groups))
        tested = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(y))
        if tested.max() > 1:
            raise ValueError(
                f"cv={self.cv!r} tests window {int(tested.argmax())} {tested.max()} times; give a "
                "splitter that tests each window once, such as GroupKFold."
            )
        return splits

    # Predicting

    def _predict_all(self, X: Any) -> Array:
        """Predict by each modality, (n_modalities, n_windows, n_outputs); NaN where missing."""
        check_is_fitted(self)
        X = read_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        predictions = np.full((len(self.estimators_), len(X), self._n_outputs()), np.nan)
        parts = self._parts(X)
        for position, name in enumerate(self.estimators_):
            part = parts[name]
            rows = np.flatnonzero(~missing_windows(part))
            if rows.size:
                predictions[position, rows] = self._outputs(
                    self.estimators_[name], _safe_indexing(part, rows)
                )
        return predictions

    def _fuse(self, X: Any) -> Array:
        """Combine what the modalities predict, (n_windows, n_outputs)."""
        predictions = self._predict_all(X)
        nothing = np.isnan(predictions[..., 0]).all(axis=0)
        if self.fusion == "vote":
            fused = share_of_votes(predictions)
        elif self.fusion == "stacking":
            fused = self._outputs(self.final_estimator_, self._side_by_side(predictions))
        else:
            weights = dict.fromkeys(self.estimators_, 1.0)
            weights = self.weights_ if self.fusion == "weighted" else weights
            fused = weighted_mean(predictions, np.array(list(weights.values())))
        if nothing.any():
            warnings.warn(
                f"{nothing.sum()} of {nothing.size} windows lack every modality, such as row "
                f"{int(nothing.argmax())}: they get {self._prior_name}.",
                UserWarning,
                stacklevel=3,
            )
            fused[nothing] = self.prior_
        return fused

    # Checks

    def _check_parameters(self) -> None:
        check_option("fusion", self.fusion, list(self._fusions))
        given = self.estimators
        if not isinstance(given, list) or not given:
            raise ValueError(
                f"estimators={given!r}; expected a list of one or more (name, estimator, columns)."
            )
        for each in given:
            if not isinstance(each, tuple) or len(each) != 3 or not isinstance(each[0], str):
                raise ValueError(
                    f"estimators holds {each!r:.100}; expected (name, estimator, columns), as in a "
                    "ColumnTransformer."
                )
        self._validate_names([name for name, _, _ in given])
        for name, estimator, _ in given:
            self._check_estimator(name, estimator)
        if self.final_estimator is not None:
            if self.fusion != "stacking":
                raise ValueError(
                    f"final_estimator is for fusion='stacking', but fusion={self.fusion!r}."
                )
            self._check_estimator("final_estimator", self.final_estimator)

    def _check_estimator(self, name: str, estimator: Any) -> None:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise TypeError(f"Estimator {name!r} is {estimator!r:.80}; expected an unfitted one.")
        if is_classifier(estimator) != is_classifier(self):
            kind = "classifier" if is_classifier(self) else "regressor"
            raise TypeError(
                f"Estimator {name!r} is {estimator!r:.80}, which is no {kind}, nor a Pipeline "
                "that ends in one."
            )

    def _subjects(self, X: Any, groups: Any) -> Array | None:
        groups = None if groups is None else check_subjects(groups, len(X))
        if self.subject_column is None:
            return groups
        at = column_position("subject_column", self.subject_column, column_names(X))
        held = check_subjects(column_values(X, at), len(X))
        if groups is not None and (differing := np.flatnonzero(held != groups)).size:
            raise ValueError(
                f"subject_column={self.subject_column!r} holds others than groups, from row "
                f"{differing[0]} on; pass one of them."
            )
        return held

    def _parts(self, X: Any) -> dict[str, Any]:
        return {name: _select(X, name, columns) for name, _, columns in self.estimators}

    # What classifier and regressor do in their own way

    def _can_learn(self, y: Array) -> bool:
        raise NotImplementedError

    def _n_outputs(self) -> int:
        raise NotImplementedError

    def _outputs(self, fitted: Any, part: Any) -> Array:
        raise NotImplementedError

    def _side_by_side(self, predictions: Array) -> Array:
        raise NotImplementedError

    def _learn_weights(self, predictions: Array, y: Array) -> Array:
        raise NotImplementedError

    def _score_of(self, y: Array, predictions: Array) -> float:
        raise NotImplementedError

    def _final_estimator(self) -> Any:
        raise NotImplementedError


def read_table(X: Any) -> Any:
    """Let frames be, whose columns may hold anything; make arrays of all else."""
    if hasattr(X, "columns"):
        return X
    return check_array(X, dtype=None, ensure_all_finite=False)


def _select(X: Any, name: str, columns: Any) -> Any:
    try:
        return _safe_indexing(X, columns, axis=1)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        known = column_names(X)
        shown = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
        raise ValueError(
            f"Columns {columns!r} of modality {name!r} are not all in X, which has {len(known)}: "
            f"{shown}."
        ) from error


def _take(groups: Array | None, rows: Array) -> Array | None:
    return None if groups is None else groups[rows]
