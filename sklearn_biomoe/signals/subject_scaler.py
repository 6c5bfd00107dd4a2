"""Features standardised subject by subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._typing import Array
from .._validation.parameters import check_option
from .._validation.subjects import (
    check_length,
    check_subjects,
    column_names,
    column_position,
    column_values,
)


class SubjectScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardise features by each subject's own mean and standard deviation.

    Subjects differ more from each other than pain or stress changes any of them; taken relative to
    the subject, rows of different subjects become comparable. Labels are never looked at. NaN, such
    as embeddings of missing windows, is left out of statistics and stays NaN.

    Whose row is whose is told by a column of X (``subject_column``), which works everywhere, or
    with scikit-learn's metadata routing by ``groups``.

    Subjects seen in `fit` are scaled by their rows in `fit`. What an unseen one is scaled by
    decides what a score means: see ``unseen``.

    Parameters
    ----------
    unseen : {"training", "own", "calibration"}, default="training"
        What subjects that were not in `fit` are scaled by.
        "training": the rows of `fit`, all together: their mean, and the standard deviation within
        subjects. Nothing of the new subject is used but the row itself.
        "own": all their rows in the same call of `transform`. No labels are used, but the test
        subject's whole recording is: scores tell about use after a recording has ended, and a row's
        output depends on the rows it comes with.
        "calibration": those of their rows in the same call that are marked as calibration, such as
        the first minutes. Subjects in `fit` are then scaled by their marked rows too. Marked rows
        stay in the output: leave them out of scores.
    subject_column : str or int, default=None
        Name, or position, of the column of X that holds the subject. It is not in the output. None
        where ``groups`` is routed.
    calibration_column : str or int, default=None
        Name, or position, of a column of X that holds True (or 1) in calibration rows. It is not in
        the output, and used with ``unseen="calibration"`` only.

    Attributes
    ----------
    subjects_ : ndarray of shape (n_subjects,)
        Those seen in `fit`, sorted.
    means_, scales_ : ndarray of shape (n_subjects, n_features_out), float64
        What is subtracted and divided by, for each. A scale is 1 where a feature is constant over
        the subject's rows, as it is where there is one row alone: such rows come out as 0. Both
        are NaN for features that a subject has no value of: new values are then scaled as those of
        an unseen subject.
    training_mean_, training_scale_ : ndarray of shape (n_features_out,), float64
        The mean of all rows (with ``unseen="calibration"``, marked rows) in `fit`, and the root of
        their mean squared deviation from their own subject's mean; 1 where that is 0.
    n_features_in_ : int
        Columns seen in `fit`, that of the subject among them.
    feature_names_in_ : ndarray of str
        Where `fit` saw a frame whose column names are all strings.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : The same for all subjects together.

    Notes
    -----
    With routing, ask for ``groups`` in both methods::

        scaler = SubjectScaler("own")
        scaler.set_fit_request(groups=True).set_transform_request(groups=True)
        model = make_pipeline(scaler, classifier).fit(X, y, groups=groups)
        model.predict(X_new, groups=groups_new)

    scikit-learn (as of 1.9) routes metadata to `fit` and `score`, but its scorers pass none on to
    `predict`: in `cross_validate` and `GridSearchCV` routing works with ``scoring=None`` alone, and
    not in `cross_val_predict`. ``subject_column`` works in all of them.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_biomoe import SubjectScaler
    >>> train = pd.DataFrame({"subject": ["a", "a", "b", "b"], "level": [1.0, 3.0, 20.0, 40.0]})
    >>> scaler = SubjectScaler("own", subject_column="subject").fit(train)
    >>> scaler.transform(train).ravel()
    array([-1.,  1., -1.,  1.])
    >>> test = pd.DataFrame({"subject": ["c", "c"], "level": [500.0, 700.0]})
    >>> scaler.transform(test).ravel()
    array([-1.,  1.])
    """

    def __init__(
        self,
        unseen: str = "training",
        *,
        subject_column: str | int | None = None,
        calibration_column: str | int | None = None,
    ) -> None:
        self.unseen = unseen
        self.subject_column = subject_column
        self.calibration_column = calibration_column

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        groups: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
    ) -> Self:
        """Learn each subject's mean and standard deviation.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            Numbers, and the columns that hold subject and calibration, where they are named.
        y : None
            Ignored.
        groups : array-like of shape (n_rows,), default=None
            The subjects, where no column holds them.
        calibration : array-like of shape (n_rows,), bool, default=None
            The calibration rows, where no column marks them.

        Returns
        -------
        self : SubjectScaler

        Raises
        ------
        ValueError
            Where subjects or calibration rows are told by nothing, twice, with another number of
            rows than X or with gaps; for a column that is not there; for a subject without
            calibration row; and for features that are infinite or no numbers.
        """
        features, subjects, used = self._read(X, groups, calibration, reset=True)
        self.subjects_, self.means_, self.scales_ = _statistics(features, subjects, used)
        deviations = features - self.means_[np.searchsorted(self.subjects_, subjects)]
        self.training_mean_ = _over_rows(np.nanmean, features[used])
        within = np.sqrt(_over_rows(np.nanmean, deviations[used] ** 2))
        self.training_scale_ = np.where(within == 0, 1.0, within)
        return self

    def fit_transform(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        groups: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
    ) -> Any:
        """Learn each subject's statistics, and standardise the same rows.

        Parameters
        ----------
        X, y, groups, calibration
            As in `fit`.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            As from `transform`.
        """
        told = {"groups": groups, "calibration": calibration}
        return self.fit(X, y, **told).transform(X, **told)

    def transform(
        self,
        X: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
    ) -> Any:
        """Standardise rows by their subject.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_features)
            As in `fit`.
        groups, calibration : array-like of shape (n_rows,), default=None
            As in `fit`.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            float32 or float64, as given, without the columns of subject and calibration. A pandas
            or polars frame where `set_output` asks for it.

        Raises
        ------
        ValueError
            As in `fit`, and for other columns than there.
        """
        check_is_fitted(self, "subjects_")
        features, subjects, used = self._read(X, groups, calibration, reset=False)
        self._check_kind(subjects)
        known = np.isin(subjects, self.subjects_)
        means = np.broadcast_to(self.training_mean_, features.shape).copy()
        scales = np.broadcast_to(self.training_scale_, features.shape).copy()
        own = (self.subjects_, self.means_, self.scales_)
        _take_statistics(means, scales, subjects, known, own)
        if self.unseen != "training" and not known.all():
            own = _statistics(features[~known], subjects[~known], used[~known])
            _take_statistics(means, scales, subjects, ~known, own)
        return ((features - means) / scales).astype(features.dtype, copy=False)

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Name the output's columns: those of the input but for subject and calibration.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input's columns; where `fit` saw names, they have to be those.

        Returns
        -------
        names : ndarray of shape (n_features_out,), object
        """
        check_is_fitted(self, "subjects_")
        return np.delete(super().get_feature_names_out(input_features), self._dropped)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.subject_column is None  # which has no gaps
        return tags

    def _read(
        self, X: Any, groups: Any, calibration: Any, *, reset: bool
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Split X into features, each row's subject, and whether the row counts in statistics."""
        check_option("unseen", self.unseen, ["own", "calibration", "training"])
        if not hasattr(X, "columns"):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
        validate_data(self, X, reset=reset, skip_check_array=True)
        names = column_names(X)
        columns = {
            name: column_position(name, getattr(self, name), names)
            for name in ("subject_column", "calibration_column")
            if getattr(self, name) is not None
        }
        told = {name: column_values(X, at) for name, at in columns.items()}
        self._refuse_told_twice(groups, calibration)
        subjects = told.get("subject_column", groups)
        if subjects is None:
            raise ValueError(
                "SubjectScaler was not told whose row is whose; pass subject_column=<a column of "
                "X>, or groups with metadata routing: set_fit_request(groups=True) and "
                "set_transform_request(groups=True). scikit-learn's scorers pass no metadata on to "
                "predict: in cross-validation with scoring=..., only subject_column works."
            )
        subjects = check_subjects(subjects, len(X))
        used = np.ones(len(X), dtype=bool)
        if self.unseen == "calibration":
            used = _check_calibration(told.get("calibration_column", calibration), len(X))
        dropped = sorted(set(columns.values()))
        if len(dropped) == len(names):
            raise ValueError(
                f"X has {len(names)} feature(s), none of them left to scale beside those that hold "
                "subject and calibration."
            )
        if reset:
            self._dropped = dropped
        features = check_array(
            _without(X, dropped),
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )
        return features, subjects, used

    def _refuse_told_twice(self, groups: Any, calibration: Any) -> None:
        for column, name, value in [
            ("subject_column", "groups", groups),
            ("calibration_column", "calibration", calibration),
        ]:
            if getattr(self, column) is not None and value is not None:
                raise ValueError(
                    f"Both {column}={getattr(self, column)!r} and {name} were given; pass one of "
                    f"them (with metadata routing, set_fit_request({name}=False) and "
                    f"set_transform_request({name}=False) keep {name} away)."
                )

    def _check_kind(self, subjects: Array) -> None:
        if (subjects.dtype.kind == "U") != (self.subjects_.dtype.kind == "U"):
            now, before = subjects[0].item(), self.subjects_[0].item()
            raise ValueError(
                f"Subjects are {subjects.dtype} such as {now!r}, but in fit they were "
                f"{self.subjects_.dtype} such as {before!r}; name them alike."
            )


def _statistics(
    features: Array, subjects: Array, used: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Return the subjects, sorted, with the means and scales of each one's used rows."""
    names = np.unique(subjects)
    means = np.empty((len(names), features.shape[1]))
    scales = np.empty_like(means)
    for row, name in enumerate(names):
        own = features[used & (subjects == name)]
        if not len(own):
            raise ValueError(
                f"Subject {name.item()!r} has no calibration row among its "
                f"{(subjects == name).sum()}; mark some, or pass unseen='own' or 'training'."
            )
        # The mean and deviation of a constant are rounded, and would not come out as 0.
        highest = _over_rows(np.nanmax, own)
        constant = highest == _over_rows(np.nanmin, own)
        means[row] = np.where(constant, highest, _over_rows(np.nanmean, own))
        deviation = _over_rows(np.nanstd, own)
        # 0 as well where differences are so small (1e-162) that their squares are.
        scales[row] = np.where(constant | (deviation == 0), 1.0, deviation)
    return names, means, scales


def _over_rows(function: Callable[..., Array], rows: Array) -> Array:
    """Apply one of numpy's functions that leave NaN out; NaN where there is nothing else."""
    empty = np.isnan(rows).all(axis=0)
    values = function(np.where(empty, 0, rows).astype(np.float64), axis=0)
    return np.where(empty, np.nan, values)


def _take_statistics(
    means: Array,
    scales: Array,
    subjects: Array,
    rows: NDArray[np.bool_],
    statistics: tuple[Array, Array, Array],
) -> None:
    """Put the subjects' own means and scales in, where they have some."""
    names, own_means, own_scales = statistics
    at = np.searchsorted(names, subjects[rows])
    there = ~np.isnan(own_means[at])
    means[rows] = np.where(there, own_means[at], means[rows])
    scales[rows] = np.where(there, own_scales[at], scales[rows])


def _check_calibration(calibration: Any, n_rows: int) -> NDArray[np.bool_]:
    if calibration is None:
        raise ValueError(
            "unseen='calibration' needs to know the calibration rows; pass calibration_column=<a "
            "column of X>, or calibration with metadata routing."
        )
    calibration = check_length("calibration", calibration, n_rows)
    odd = ~np.isin(calibration, [False, True])
    if odd.any():
        raise ValueError(
            f"Row {int(odd.argmax())} of calibration is {calibration[odd].tolist()[0]!r}; expected "
            "True or False."
        )
    return calibration.astype(bool)


def _without(X: Any, dropped: list[int]) -> Any:
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, [at for at in range(X.shape[1]) if at not in dropped]]
    if hasattr(X, "columns"):
        return X.drop([column_names(X)[at] for at in dropped])
    return np.delete(X, dropped, axis=1)
