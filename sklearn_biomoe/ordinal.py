"""Ordinal classification: classes with an order, such as no, moderate and severe pain."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_feature_names, check_is_fitted, has_fit_parameter

from ._typing import Array, FloatArray
from ._validation.predictors import check_predict_proba, check_predictor
from ._validation.subjects import name_some
from ._validation.targets import read_classes

__all__ = ["OrdinalClassifier"]


class OrdinalClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classify ordered levels by a binary classifier for each threshold between two of them.

    For each level but the highest, a copy of ``estimator`` is fitted to whether a window is above
    it. The probability of a level is the difference of two neighbouring probabilities of being
    above; where it is negative, since the copies are fitted separately, it is set to 0. Any
    classifier with ``predict_proba`` can so use the order of levels.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``.
    class_weight : "balanced", dict of level to float, or None, default=None
        With "balanced", all levels have the same total weight in each copy. This needs an estimator
        whose `fit` takes ``sample_weight``. Do not set the ``class_weight`` of
        ``estimator``: it weights the two sides of each threshold, so that the probabilities of the
        copies do not match, and levels between the lowest and the highest are rarely predicted.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The levels in their order, which is that of their values.
    estimators_ : list of classifier
        Fitted copies, one for each level but the highest.
    n_features_in_ : int
        Number of features, if the fitted ``estimator`` has this attribute.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if all are strings.

    See Also
    --------
    sklearn_biomoe.evaluation.run_study : With ``task="ordinal"``, fits methods to the positions of
        levels.

    Notes
    -----
    Levels are ordered by their values; encode names of levels as numbers, such as by
    ``pd.Categorical(y, ["low", "medium", "high"], ordered=True).codes``. Put scalers and embedders
    before this classifier in a Pipeline, so that they are fitted once.

    References
    ----------
    Frank and Hall, "A simple approach to ordinal classification", 2001,
    doi:10.1007/3-540-44795-4_13.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_biomoe.ordinal import OrdinalClassifier
    >>> levels = np.repeat([0, 1, 2], 20)
    >>> X = levels[:, None] + np.random.default_rng(0).normal(0, 0.5, size=(60, 1))
    >>> model = OrdinalClassifier(LogisticRegression()).fit(X, levels)
    >>> model.predict([[-0.5], [1], [2.5]])
    array([0, 1, 2])
    >>> model.predict_proba([[1]]).round(2)
    array([[0.17, 0.65, 0.18]])
    """

    def __init__(self, estimator: Any, *, class_weight: Any = None) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit a copy of the estimator for each level but the highest.

        Parameters
        ----------
        X : array-like of shape (n_windows, ...)
            As ``estimator`` accepts it.
        y : array-like of shape (n_windows,)
            Levels; their order is that of their values.

        Returns
        -------
        self : OrdinalClassifier

        Raises
        ------
        ValueError
            If y has a single level, another length than X, or missing values.
        TypeError
            If ``estimator`` is not a classifier with ``predict_proba``, or takes no sample weights
            although ``class_weight`` is set.

        Warns
        -----
        UserWarning
            If levels are texts, which are ordered by the alphabet.
        """
        self._check_parameters()
        self.classes_, positions = read_classes(y, X, type(self).__name__)
        self._check_order()
        _check_feature_names(self, X, reset=True)
        weights = {}
        if self.class_weight is not None:
            levels = self.classes_[positions]
            weights = {"sample_weight": compute_sample_weight(self.class_weight, levels)}
        self.estimators_ = [
            clone(self.estimator).fit(X, (positions > level).astype(int), **weights)
            for level in range(len(self.classes_) - 1)
        ]
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probability of each level.

        Parameters
        ----------
        X : array-like of shape (n_windows, ...)

        Returns
        -------
        probabilities : ndarray of shape (n_windows, n_classes), float64
            In the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If names of columns differ from those in `fit`, or ``estimator`` does not accept X.
        """
        check_is_fitted(self)
        _check_feature_names(self, X, reset=False)
        above = [each.predict_proba(X)[:, 1] for each in self.estimators_]
        above = [np.ones_like(above[0]), *above, np.zeros_like(above[0])]
        probabilities = np.maximum(-np.diff(above, axis=0).T, 0).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """Return the most likely level of each window.

        Parameters
        ----------
        X : array-like of shape (n_windows, ...)

        Returns
        -------
        levels : ndarray of shape (n_windows,)

        Raises
        ------
        NotFittedError, ValueError
            As `predict_proba`.
        """
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]

    @property
    def n_features_in_(self) -> int:
        """Number of features of the fitted estimators."""
        return self.estimators_[0].n_features_in_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _check_parameters(self) -> None:
        check_predictor("estimator", self.estimator, "classifier")
        check_predict_proba(
            "estimator", self.estimator, "wrap it in sklearn.calibration.CalibratedClassifierCV"
        )
        if self.class_weight is None:
            return
        if not has_fit_parameter(self.estimator, "sample_weight"):
            raise TypeError(
                f"estimator is {self.estimator!r:.80}, whose fit takes no sample_weight, which "
                "class_weight needs; put other steps of a Pipeline before "
                "OrdinalClassifier, or pass class_weight=None."
            )

    def _check_order(self) -> None:
        if self.classes_.dtype.kind not in "biuf" and len(self.classes_) > 2:
            warnings.warn(
                f"Levels are ordered by the alphabet: {name_some(self.classes_)}. Encode them as "
                "numbers, as pd.Categorical(...).codes does.",
                stacklevel=3,
            )
