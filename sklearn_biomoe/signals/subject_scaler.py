"""A transformer that standardises features per subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._typing import Array, Mask
from .._validation.parameters import check_option
from .._validation.subjects import (
    check_length,
    check_subjects,
    column_names,
    column_position,
    column_values,
)


class SubjectScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardise features by the mean and standard deviation of each subject.

    Subjects usually differ more from each other than pain or stress changes any of them.
    Standardising each subject separately makes their rows comparable. Labels are not used. NaN,
    such as the embedding of a missing window, is ignored in fit and maintained in transform.

    The subjects are given by a column of X (``subject_column``), or by ``groups`` with metadata
    routing. Subjects seen in `fit` are scaled by the statistics of their rows in `fit`. The scaling
    of other subjects is set by ``unseen``, which determines how a cross-validated score is to be
    interpreted.

    Parameters
    ----------
    unseen : {"training", "own", "calibration"}, default="training"
        How to scale subjects that were not seen in `fit`.

        - "training": by the mean of all rows in `fit` and the standard deviation within subjects.
          The output for a row depends on this row only.
        - "own": by all rows of the subject in the same call of `transform`. Scores apply to offline
          use, when the whole recording is available: no labels are used, but the output for a row
          depends on the other rows of the subject.
        - "calibration": by the rows of the subject in the same call that are marked as calibration
          rows, such as the first minutes. Subjects in `fit` are scaled by their marked rows as
          well. Marked rows are part of the output; exclude them from scores.
    subject_column : str or int, default=None
        Name or position of the column of X with the subjects. It is removed from the output. None
        if ``groups`` is routed.
    calibration_column : str or int, default=None
        Name or position of the column of X with True (or 1) in calibration rows. It is removed from
        the output, and used only with ``unseen="calibration"``.

    Attributes
    ----------
    subjects_ : ndarray of shape (n_subjects,)
        The sorted subjects seen in `fit`.
    means_, scales_ : ndarray of shape (n_subjects, n_features_out), float64
        Mean and standard deviation of each subject. The scale is 1 if a feature is constant, as for
        a single row, so that the output is 0. Both are NaN for features without a value in `fit`;
        later values are scaled like those of an unseen subject.
    training_mean_, training_scale_ : ndarray of shape (n_features_out,), float64
        Mean of all rows in `fit` (of the marked rows with ``unseen="calibration"``), and root mean
        squared deviation from the mean of the same subject, or 1 if that is 0.
    n_features_in_ : int
        Number of columns seen in `fit`, including those of subject and calibration.
    feature_names_in_ : ndarray of str
        Column names seen in `fit`, if they are all strings.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Standardise all subjects together.

    Notes
    -----
    With metadata routing, request ``groups`` in both methods::

        scaler = SubjectScaler("own")
        scaler.set_fit_request(groups=True).set_transform_request(groups=True)
        model = make_pipeline(scaler, classifier).fit(X, y, groups=groups)
        model.predict(X_new, groups=groups_new)

    scikit-learn (as of 1.9) routes metadata to `fit` and `score`, but its scorers do not pass it to
    `predict`. In `cross_validate` and `GridSearchCV`, routing therefore requires ``scoring=None``,
    and it does not work in `cross_val_predict`. ``subject_column`` works in all of them.

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
        """Compute the mean and standard deviation of each subject.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Numeric features, and the columns of subject and calibration if they are set.
        y : None
            Ignored.
        groups : array-like of shape (n_rows,), default=None
            Subject of each row, if ``subject_column`` is None.
        calibration : array-like of shape (n_rows,), bool, default=None
            Calibration rows, if ``calibration_column`` is None.

        Returns
        -------
        self : SubjectScaler

        Raises
        ------
        ValueError
            If subjects or calibration rows are not given, are given twice, have missing values or
            a length other than n_rows; if a column is not in X; if a subject has no calibration
            row; or if a feature is infinite or not numeric.
        """
        features, subjects, used = self._split(X, groups, calibration, reset=True)
        self.subjects_, row_subjects = np.unique(subjects, return_inverse=True)
        statistics = [
            _subject_statistics(subject, features[subjects == subject], used[subjects == subject])
            for subject in self.subjects_
        ]
        self.means_, self.scales_ = (np.stack(values) for values in zip(*statistics, strict=True))
        self.training_mean_ = _ignore_nan(np.nanmean, features[used])
        deviations = features - self.means_[row_subjects]
        scale = np.sqrt(_ignore_nan(np.nanmean, deviations[used] ** 2))
        self.training_scale_ = np.where(scale == 0, 1.0, scale)
        return self

    def fit_transform(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        groups: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
    ) -> Any:
        """Fit to X and standardise it.

        Parameters
        ----------
        X, y, groups, calibration
            As in `fit`.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            As returned by `transform`.
        """
        metadata = {"groups": groups, "calibration": calibration}
        return self.fit(X, y, **metadata).transform(X, **metadata)

    def transform(
        self,
        X: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        calibration: ArrayLike | None = None,
    ) -> Any:
        """Standardise each row by the statistics of its subject.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            As in `fit`.
        groups, calibration : array-like of shape (n_rows,), default=None
            As in `fit`.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            float32 or float64, like the input, without the columns of subject and calibration. A
            pandas or polars DataFrame if set by `set_output`.

        Raises
        ------
        ValueError
            As in `fit`, or if the columns differ from those seen in `fit`.
        """
        check_is_fitted(self, "subjects_")
        features, subjects, used = self._split(X, groups, calibration, reset=False)
        self._check_subject_type(subjects)
        scaled = np.empty_like(features)
        for subject in np.unique(subjects):
            rows = subjects == subject
            mean, scale = self._statistics(subject, features[rows], used[rows])
            scaled[rows] = (features[rows] - mean) / scale
        return scaled

    def get_feature_names_out(
        self, input_features: Sequence[str] | None = None
    ) -> NDArray[np.object_]:
        """Return the names of the output columns: the input without subject and calibration.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns. They must match ``feature_names_in_`` if it is defined.

        Returns
        -------
        names : ndarray of shape (n_features_out,), object
        """
        check_is_fitted(self, "subjects_")
        return np.delete(super().get_feature_names_out(input_features), self._removed)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.subject_column is None  # subjects must not be missing
        return tags

    def _split(
        self, X: Any, groups: Any, calibration: Any, *, reset: bool
    ) -> tuple[Array, Array, Mask]:
        """Return the features, the subjects, and a mask of the rows used for statistics."""
        check_option("unseen", self.unseen, ["own", "calibration", "training"])
        if not hasattr(X, "columns"):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
        validate_data(self, X, reset=reset, skip_check_array=True)
        subjects, subject_position = self._values(X, "subject_column", "groups", groups)
        calibration, calibration_position = self._values(
            X, "calibration_column", "calibration", calibration
        )
        if subjects is None:
            raise ValueError(
                "SubjectScaler requires the subject of each row; pass subject_column=<a column of "
                "X>, or groups with metadata routing: set_fit_request(groups=True) and "
                "set_transform_request(groups=True). scikit-learn's scorers do not pass metadata "
                "to predict: in cross-validation with scoring=..., only subject_column works."
            )
        subjects = check_subjects(subjects, len(X))
        used = np.ones(len(X), dtype=bool)
        if self.unseen == "calibration":
            used = _check_calibration(calibration, len(X))
        positions = {subject_position, calibration_position}
        removed = [position for position in positions if position is not None]
        if len(removed) == len(column_names(X)):
            raise ValueError(
                f"X has {len(removed)} feature(s), all of them columns of subject and calibration."
            )
        if reset:
            self._removed = removed
        features = check_array(
            _remove_columns(X, removed),
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            estimator=self,
            input_name="X",
        )
        return features, subjects, used

    def _values(
        self, X: Any, column_parameter: str, name: str, values: Any
    ) -> tuple[Any, int | None]:
        """Return metadata from a column of X and its position, or else ``values`` and None."""
        column = getattr(self, column_parameter)
        if column is None:
            return values, None
        if values is not None:
            raise ValueError(
                f"Both {column_parameter}={column!r} and {name} were given; pass only one of them "
                f"(with metadata routing, set_fit_request({name}=False) and "
                f"set_transform_request({name}=False))."
            )
        position = column_position(column_parameter, column, column_names(X))
        return column_values(X, position), position

    def _check_subject_type(self, subjects: Array) -> None:
        if (subjects.dtype.kind == "U") != (self.subjects_.dtype.kind == "U"):
            now, before = subjects[0].item(), self.subjects_[0].item()
            raise ValueError(
                f"Subjects are {subjects.dtype} such as {now!r}, but {self.subjects_.dtype} such "
                f"as {before!r} in fit; use one type."
            )

    def _statistics(self, subject: Any, features: Array, used: Mask) -> tuple[Array, Array]:
        """Return the mean and scale that `transform` applies to the rows of a subject."""
        position = np.searchsorted(self.subjects_, subject)
        if position < len(self.subjects_) and self.subjects_[position] == subject:
            mean, scale = self.means_[position], self.scales_[position]
        elif self.unseen == "training":
            return self.training_mean_, self.training_scale_
        else:
            mean, scale = _subject_statistics(subject, features, used)
        without_value = np.isnan(mean)
        return (
            np.where(without_value, self.training_mean_, mean),
            np.where(without_value, self.training_scale_, scale),
        )


def _subject_statistics(subject: Any, features: Array, used: Mask) -> tuple[Array, Array]:
    """Return the mean and scale of the used rows of a subject; NaN for features without values."""
    if not used.any():
        raise ValueError(
            f"Subject {subject.item()!r} has no calibration row among its {len(used)} rows; mark "
            "some, or pass unseen='own' or 'training'."
        )
    rows = features[used]
    mean, deviation = _ignore_nan(np.nanmean, rows), _ignore_nan(np.nanstd, rows)
    # The mean of a constant feature may be rounded, and the output would not be exactly 0.
    highest = _ignore_nan(np.nanmax, rows)
    constant = highest == _ignore_nan(np.nanmin, rows)
    scale = np.where(constant | (deviation == 0), 1.0, deviation)  # 0 by underflow
    return np.where(constant, highest, mean), scale


def _ignore_nan(function: Callable[..., Array], rows: Array) -> Array:
    """Apply `np.nanmean` or alike in float64; NaN, without a warning, if a column is all NaN."""
    empty = np.isnan(rows).all(axis=0)
    values = function(np.where(empty, 0, rows).astype(np.float64), axis=0)
    return np.where(empty, np.nan, values)


def _check_calibration(calibration: Any, n_rows: int) -> Mask:
    if calibration is None:
        raise ValueError(
            "unseen='calibration' requires the calibration rows; pass calibration_column=<a column "
            "of X>, or calibration with metadata routing."
        )
    calibration = check_length("calibration", calibration, n_rows)
    invalid = ~pd.Series(calibration, dtype=object).isin([False, True]).to_numpy()  # also of pd.NA
    if invalid.any():
        row = int(invalid.argmax())
        raise ValueError(
            f"Row {row} of calibration is {calibration.tolist()[row]!r}; expected True or False."
        )
    return calibration.astype(bool)


def _remove_columns(X: Any, removed: list[int]) -> Any:
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, np.delete(np.arange(X.shape[1]), removed)]
    if hasattr(X, "columns"):
        return X.drop([column_names(X)[position] for position in removed])
    return np.delete(X, removed, axis=1)
