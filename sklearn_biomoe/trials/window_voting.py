"""Single-instance learning: estimators of windows, whose predictions are averaged over each bag."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array, FloatArray
from .._validation.parameters import check_option
from .._validation.predictors import check_predict_proba, check_predictor
from .._validation.targets import read_classes, read_values
from .bags import AGGREGATIONS, Bags, validate_bags


class _WindowVoting(MetaEstimatorMixin, BaseEstimator, ABC):
    """Base of the voting estimators: fits a copy of ``estimator`` on single windows."""

    def __init__(
        self, estimator: Any, *, how: str = "mean", window_size: int | None = None
    ) -> None:
        self.estimator = estimator
        self.how = how
        self.window_size = window_size

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit the estimator on all windows that are not missing.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.
        y : array-like of shape (n_bags,)
            Classes, or the values of a regressor.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If ``how`` is unknown, `TrialAggregator` would refuse the bags, or y has another length
            than X, gaps or a single class.
        TypeError
            If ``estimator`` is not a classifier (a regressor), or a classifier has no
            ``predict_proba``.
        """
        check_option("how", self.how, AGGREGATIONS)
        self._check_estimator()
        bags = validate_bags(self, X, reset=True)
        targets = self._read_targets(y, bags)
        bags = bags.without_missing()
        self.estimator_ = clone(self.estimator).fit(bags.windows, targets[bags.bag_of_window])
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @abstractmethod
    def _check_estimator(self) -> None:
        """Raise TypeError for an unsuitable ``estimator``."""

    @abstractmethod
    def _read_targets(self, y: ArrayLike, bags: Bags) -> Array:
        """Return one target for each bag."""

    def _combine(self, X: Any, method: str) -> FloatArray:
        """Aggregate the predictions for windows, (n_bags, n_classes) or (n_bags, 1)."""
        check_is_fitted(self, "estimator_")
        bags = validate_bags(self, X, reset=False).without_missing()
        predictions = np.asarray(getattr(self.estimator_, method)(bags.windows), dtype=np.float64)
        return Bags(predictions.reshape(len(predictions), -1), bags.lengths).aggregate(self.how)


class WindowVotingClassifier(ClassifierMixin, _WindowVoting):
    """Fit a classifier on single windows, and combine its predictions for the windows of each bag.

    Each window is given the label of its bag, which is called single-instance learning. This suits
    labels that hold for all windows of a trial. If only a few windows show the labelled state,
    `AttentionMILClassifier` can learn which. Bags of more windows have more weight in training.

    Parameters
    ----------
    estimator : classifier
        Of windows of shape (n_windows, n_features), with ``predict_proba``; or a Pipeline that ends
        in one.
    how : {"mean", "max"}, default="mean"
        Mean or maximum of each class's probability over the windows of a bag, scaled to a sum of 1.
    window_size : int, default=None
        Columns of each window if bags are rows of concatenated windows, see `TrialAggregator`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimator_ : classifier
        Fitted on all windows that are not missing.
    n_window_features_ : int
        Number of features of each window.
    n_features_in_ : int
        Number of columns seen in `fit`, or of features of each window if bags are arrays.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if X is a frame of numbers and all are strings.

    See Also
    --------
    TrialAggregator : Averages features instead; describes the forms of bags.
    aggregate_windows : Combines existing predictions for windows.

    References
    ----------
    Mean and maximum as rules for combining probabilities: Kittler et al. 1998, IEEE Trans. Pattern
    Anal. Mach. Intell. 20(3):226, doi:10.1109/34.667881.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_biomoe.trials import WindowVotingClassifier
    >>> random = np.random.default_rng(0)
    >>> y = np.tile(["none", "pain"], 10)
    >>> bags = [random.normal(label == "pain", size=(5, 2)) for label in y]
    >>> WindowVotingClassifier(LogisticRegression()).fit(bags, y).score(bags, y)
    0.9
    """

    @property
    def classes_(self) -> Array:
        """Classes of the fitted classifier."""
        return self.estimator_.classes_

    def predict_proba(self, X: Any) -> FloatArray:
        """Combine the probabilities of the windows of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        probabilities : ndarray of shape (n_bags, n_classes), float64
            In the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `TrialAggregator` would refuse the bags, or windows have another number of features
            than in `fit`.
        """
        votes = self._combine(X, "predict_proba")
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        classes : ndarray of shape (n_bags,)

        Raises
        ------
        NotFittedError, ValueError
            As `predict_proba`.
        """
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]

    def _check_estimator(self) -> None:
        check_predictor("estimator", self.estimator, "classifier")
        wrapper = "wrap it in sklearn.calibration.CalibratedClassifierCV"
        check_predict_proba("estimator", self.estimator, wrapper)

    def _read_targets(self, y: ArrayLike, bags: Bags) -> Array:
        classes, codes = read_classes(y, bags, type(self).__name__, "bags")
        return classes[codes]


class WindowVotingRegressor(RegressorMixin, _WindowVoting):
    """Fit a regressor on single windows, and combine its predictions for the windows of each bag.

    Each window is given the value of its bag, such as a rating of a whole trial.

    Parameters
    ----------
    estimator : regressor
        Of windows of shape (n_windows, n_features); or a Pipeline that ends in one.
    how : {"mean", "max"}, default="mean"
        Mean or maximum of the predictions for the windows of a bag.
    window_size : int, default=None
        Columns of each window if bags are rows of concatenated windows, see `TrialAggregator`.

    Attributes
    ----------
    estimator_ : regressor
        Fitted on all windows that are not missing.
    n_window_features_ : int
        Number of features of each window.
    n_features_in_ : int
        Number of columns seen in `fit`, or of features of each window if bags are arrays.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if X is a frame of numbers and all are strings.

    See Also
    --------
    TrialAggregator : Averages features instead; describes the forms of bags.
    AttentionMILRegressor : Learns a weight for each window.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_biomoe.trials import WindowVotingRegressor
    >>> random = np.random.default_rng(0)
    >>> y = np.arange(20.0)  # such as ratings of pain
    >>> bags = [random.normal(rating, size=(5, 2)) for rating in y]
    >>> model = WindowVotingRegressor(Ridge()).fit(bags, y)
    >>> bool(abs(model.predict(bags) - y).mean() < 0.5)
    True
    """

    def predict(self, X: Any) -> FloatArray:
        """Combine the predictions for the windows of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        values : ndarray of shape (n_bags,), float64

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `TrialAggregator` would refuse the bags, or windows have another number of features
            than in `fit`.
        """
        return self._combine(X, "predict")[:, 0]

    def _check_estimator(self) -> None:
        check_predictor("estimator", self.estimator, "regressor")

    def _read_targets(self, y: ArrayLike, bags: Bags) -> FloatArray:
        return read_values(y, bags, type(self).__name__)
