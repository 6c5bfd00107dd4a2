"""One row, or one decision, for each bag of windows: by mean or maximum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._validation.parameters import check_option
from .._validation.targets import read_targets, read_values
from .bags import Array, aggregate, validate_bags
from .collection import AGGREGATIONS


class TrialAggregator(TransformerMixin, BaseEstimator):
    """Replace the windows of each bag by their mean or maximum, one row for each trial.

    A bag holds the windows of one trial and is one row of X, as y and groups have one entry for
    each trial. Bags come as

    - a list, an object array, a Series or a frame of one column, whose cells are arrays of shape
      (n_windows, n_features) and may differ in their number of windows, as `gather_trials` makes
      them;
    - an array of shape (n_bags, n_windows, n_features);
    - numbers of shape (n_bags, n_columns), in which windows stand side by side.

    A row of NaN inside a bag is a missing window, and is left out.

    Parameters
    ----------
    how : {"mean", "max"}, default="mean"
        Mean or largest of each feature over the windows of a bag.
    window_size : int, default=None
        Columns of each window where windows stand side by side: 192 for what `TinyBioMoEEmbedder`
        makes of tiles, or of several images. None takes a row as one window. Of no matter to
        bags in other forms.

    Attributes
    ----------
    n_window_features_ : int
        Features of each window.
    n_features_in_ : int
        Columns seen in `fit`; of bags in arrays of their own, features of each window.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame of numbers whose column names are all strings.

    See Also
    --------
    gather_trials : Makes bags of rows of windows.
    WindowVotingClassifier : Averages decisions instead of features.
    AttentionMILClassifier : Learns which windows count.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.trials import TrialAggregator
    >>> bags = [np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[5.0, 5.0]])]
    >>> TrialAggregator().fit_transform(bags)
    array([[2., 4.],
           [5., 5.]])
    """

    def __init__(self, how: str = "mean", *, window_size: int | None = None) -> None:
        self.how = how
        self.window_size = window_size

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the bags; nothing is learnt.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that the class describes.
        y : None
            Ignored.

        Returns
        -------
        self : TrialAggregator

        Raises
        ------
        ValueError
            For an unknown ``how``; bags of another shape or without windows; windows that differ
            in their features, or hold infinity or NaN among numbers; columns that are no whole
            number of windows.
        """
        check_option("how", self.how, AGGREGATIONS)
        validate_bags(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Any:
        """Reduce each bag to one row.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that the class describes.

        Returns
        -------
        rows : ndarray of shape (n_bags, ``n_window_features_``)
            float32 or float64, as given.

        Raises
        ------
        ValueError
            As `fit` does, and for windows of another number of features than in `fit`.
        """
        check_is_fitted(self, "n_window_features_")
        bags = validate_bags(self, X, reset=False).without_missing()
        return aggregate(bags.windows, bags.lengths, self.how)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name each value of a row.

        Parameters
        ----------
        input_features : None
            Ignored: bags have no names for features.

        Returns
        -------
        names : ndarray of shape (``n_window_features_``,), object
            "mean_000", "mean_001", ..., or "max_000", ...
        """
        check_is_fitted(self, "n_window_features_")
        names = [f"{self.how}_{i:03d}" for i in range(self.n_window_features_)]
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _WindowVoting(MetaEstimatorMixin, BaseEstimator):
    """What trains on single windows, and combines what it predicts of a bag's windows."""

    def __init__(
        self, estimator: Any, *, how: str = "mean", window_size: int | None = None
    ) -> None:
        self.estimator = estimator
        self.how = how
        self.window_size = window_size

    def _fit_windows(self, X: Any, y: ArrayLike) -> None:
        check_option("how", self.how, AGGREGATIONS)
        self._check_estimator()
        bags = validate_bags(self, X, reset=True)
        if is_classifier(self):
            targets = read_targets(y, bags, type(self).__name__)
            check_classification_targets(targets)
        else:
            targets = read_values(y, bags, type(self).__name__)
        there = bags.without_missing()
        self.estimator_ = clone(self.estimator).fit(there.windows, targets[there.bag_of_window])

    def _check_estimator(self) -> None:
        kind, is_of_kind = "regressor", is_regressor
        if is_classifier(self):
            kind, is_of_kind = "classifier", is_classifier
        if isinstance(self.estimator, type) or not is_of_kind(self.estimator):
            raise TypeError(
                f"estimator={self.estimator!r:.80} is no {kind}; give an unfitted one, or a "
                "Pipeline that ends in one."
            )

    def _combine(self, X: Any, method: str) -> Array:
        """Combine predictions of the windows of each bag: (n_bags, n_classes), or (n_bags, 1)."""
        check_is_fitted(self, "estimator_")
        bags = validate_bags(self, X, reset=False).without_missing()
        of_windows = np.asarray(getattr(self.estimator_, method)(bags.windows), dtype=np.float64)
        return aggregate(of_windows.reshape(len(of_windows), -1), bags.lengths, self.how)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class WindowVotingClassifier(ClassifierMixin, _WindowVoting):
    """Train a classifier on single windows, and let each bag's windows vote on its class.

    Each window is trained on with the label of its bag, which is called single-instance learning.
    That suits labels that hold all through a trial; where few windows show what the label is about,
    `AttentionMILClassifier` can find them. Long bags weigh more, as they have more windows.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``, of windows of shape (n_windows, n_features); or a Pipeline that ends
        in one.
    how : {"mean", "max"}, default="mean"
        Mean, or largest, of each class's probability over the windows of a bag, scaled to a sum
        of 1.
    window_size : int, default=None
        Columns of each window where windows stand side by side, see `TrialAggregator`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimator_ : classifier
        Fitted on all windows that are there.
    n_window_features_ : int
        Features of each window.
    n_features_in_ : int
        Columns seen in `fit`; of bags in arrays of their own, features of each window.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame of numbers whose column names are all strings.

    See Also
    --------
    TrialAggregator : Averages features instead; describes the forms that bags come in.
    aggregate_windows : Does so with predictions of windows that are there already.

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

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit the classifier on all windows.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.
        y : array-like of shape (n_bags,)
            Classes.

        Returns
        -------
        self : WindowVotingClassifier

        Raises
        ------
        ValueError
            For an unknown ``how``, bags that `TrialAggregator` refuses, y of another length than X
            or with gaps, and what the classifier refuses.
        TypeError
            For what is no classifier, or has no ``predict_proba``.
        """
        self._fit_windows(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X: Any) -> Array:
        """Combine the probabilities of each bag's windows.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        probabilities : ndarray of shape (n_bags, n_classes), float64
            In the order of ``classes_``.
        """
        votes = self._combine(X, "predict_proba")
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each bag.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        classes : ndarray of shape (n_bags,)
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def _check_estimator(self) -> None:
        super()._check_estimator()
        if not hasattr(self.estimator, "predict_proba"):
            raise TypeError(
                f"estimator={self.estimator!r:.80} has no predict_proba; give another, or wrap it "
                "in sklearn.calibration.CalibratedClassifierCV."
            )


class WindowVotingRegressor(RegressorMixin, _WindowVoting):
    """Train a regressor on single windows, and combine what it predicts of each bag's windows.

    As `WindowVotingClassifier` does with classes: each window is trained on with the value of its
    bag, such as a rating given once for a whole trial.

    Parameters
    ----------
    estimator : regressor
        Of windows of shape (n_windows, n_features); or a Pipeline that ends in one.
    how : {"mean", "max"}, default="mean"
        Mean, or largest, of the predictions of a bag's windows.
    window_size : int, default=None
        Columns of each window where windows stand side by side, see `TrialAggregator`.

    Attributes
    ----------
    estimator_ : regressor
        Fitted on all windows that are there.
    n_window_features_ : int
        Features of each window.
    n_features_in_ : int
        Columns seen in `fit`; of bags in arrays of their own, features of each window.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame of numbers whose column names are all strings.

    See Also
    --------
    TrialAggregator : Averages features instead; describes the forms that bags come in.
    AttentionMILRegressor : Learns which windows count.

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

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit the regressor on all windows.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that `TrialAggregator` describes.
        y : array-like of shape (n_bags,)
            Values.

        Returns
        -------
        self : WindowVotingRegressor

        Raises
        ------
        ValueError
            For an unknown ``how``, bags that `TrialAggregator` refuses, y of another length than X
            or with gaps, and what the regressor refuses.
        TypeError
            For what is no regressor.
        """
        self._fit_windows(X, y)
        return self

    def predict(self, X: Any) -> Array:
        """Combine the predictions of each bag's windows.

        Parameters
        ----------
        X : array-like of n_bags

        Returns
        -------
        values : ndarray of shape (n_bags,), float64
        """
        return self._combine(X, "predict")[:, 0]
