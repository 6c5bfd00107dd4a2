"""Bags to rows: the mean or maximum of the windows of each bag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._typing import Array
from .._validation.parameters import check_option
from .bags import AGGREGATIONS, validate_bags


class TrialAggregator(TransformerMixin, BaseEstimator):
    """Replace the windows of each bag by their mean or maximum.

    A bag contains the windows of one trial and is one row of X, as y and groups have one entry per
    trial. Bags are given as

    - a list, an object array, a Series or a frame of one column, whose cells are arrays of shape
      (n_windows, n_features), as `gather_trials` returns them. n_windows may differ;
    - an array of shape (n_bags, n_windows, n_features);
    - an array or a frame of shape (n_bags, n_windows x n_features), with the windows of a bag
      concatenated, and ``window_size`` = n_features.

    A row of NaN in a bag is a missing window, and is ignored.

    Parameters
    ----------
    how : {"mean", "max"}, default="mean"
        Mean or maximum of each feature over the windows of a bag.
    window_size : int, default=None
        Columns of each window if bags are rows of concatenated windows: 192 for the output of
        `TinyBioMoEEmbedder` for tiles or several images. None takes a row as one window. Ignored
        for bags in other forms.

    Attributes
    ----------
    n_window_features_ : int
        Number of features of each window.
    n_features_in_ : int
        Number of columns seen in `fit`, or of features of each window if bags are arrays.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if X is a frame of numbers and all are strings.

    See Also
    --------
    gather_trials : Groups rows of windows into bags.
    WindowVotingClassifier : Averages predictions instead of features.
    AttentionMILClassifier : Learns a weight for each window.

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
        """Check the bags; nothing is learned.

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
            If ``how`` is unknown, a bag has another shape or no windows, windows differ in their
            number of features, a window contains infinity or some NaN, or the number of columns is
            not a multiple of ``window_size``.
        """
        check_option("how", self.how, AGGREGATIONS)
        validate_bags(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Reduce each bag to one row.

        Parameters
        ----------
        X : array-like of n_bags
            Bags in any form that the class describes.

        Returns
        -------
        rows : ndarray of shape (n_bags, ``n_window_features_``)
            float32 or float64, as X.

        Raises
        ------
        ValueError
            As `fit`, and if windows have another number of features than in `fit`.
        """
        check_is_fitted(self, "n_window_features_")
        return validate_bags(self, X, reset=False).without_missing().aggregate(self.how)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : None
            Ignored.

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
