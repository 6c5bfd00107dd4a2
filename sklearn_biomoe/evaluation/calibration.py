"""Calibration: the first windows of each test subject, which methods may use."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._typing import Array, FloatArray, Mask
from .._validation.parameters import check_integer, check_number
from .._validation.subjects import check_subjects, name_some
from .folds import Fold

CALIBRATION, SCORED, NEITHER = 0, 1, 2


@dataclass(frozen=True)
class Calibration:
    """The first windows or minutes of each test subject, which methods may use for calibration.

    Windows used for calibration are never scored, nor are windows that overlap with them in time.

    Parameters
    ----------
    n_windows : int, default=None
        The first windows of a subject by their start.
    minutes : float, default=None
        Instead: windows that end in the first minutes after the start of the subject's first window.
    labels : bool, default=False
        - False: their signals are used. They are passed to `predict` together with the scored
          windows, so that ``SubjectScaler(unseen="calibration")`` scales a subject by them.
        - True: their signals and targets are used. They join the training windows, as for
          fine-tuning to a person.

    See Also
    --------
    sklearn_biomoe.SubjectScaler : Standardise features per subject.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.repeat(["a", "b"], 4)
    >>> starts = np.tile([0, 60, 120, 180], 2)
    >>> intervals = np.column_stack([starts, starts + 60])
    >>> Calibration(minutes=2).mark(groups, intervals)
    array([ True,  True, False, False,  True,  True, False, False])
    """

    n_windows: int | None = None
    minutes: float | None = None
    labels: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for wrong parameters."""
        if (self.n_windows is None) == (self.minutes is None):
            raise ValueError(
                f"n_windows={self.n_windows!r} and minutes={self.minutes!r}; pass one of them."
            )
        if self.n_windows is not None:
            check_integer("n_windows", self.n_windows)
        if self.minutes is not None:
            check_number("minutes", self.minutes, above=0)

    def mark(self, groups: ArrayLike, intervals: ArrayLike) -> Mask:
        """Mark the calibration windows of every subject, for ``calibration_column``.

        Parameters
        ----------
        groups : array-like of shape (n_windows,)
            Subjects.
        intervals : array-like of shape (n_windows, 2)
            Start and stop of each window in seconds of its subject's session.

        Returns
        -------
        marks : ndarray of shape (n_windows,), bool

        Raises
        ------
        ValueError
            If a subject has no window in the first minutes, or no window is left to score.
        """
        times = np.asarray(intervals, dtype=np.float64)
        return self._uses(check_subjects(groups, len(times)), times) == CALIBRATION

    def split(
        self, folds: list[Fold], groups: Array, intervals: FloatArray
    ) -> tuple[list[Fold], pd.DataFrame]:
        """Move calibration windows out of the test windows of folds.

        Returns
        -------
        folds : list of Fold
        table : DataFrame
            Indexed by test subject, with the columns described in ``Study.calibration``.
        """
        uses = self._uses(groups, intervals)
        tested = np.unique(np.concatenate([fold.test for fold in folds]))
        calibrated = [
            replace(
                fold,
                test=fold.test[uses[fold.test] == SCORED],
                calibration=fold.test[uses[fold.test] == CALIBRATION],
                calibration_labels=self.labels,
            )
            for fold in folds
        ]
        rows = {
            subject: self._describe(uses[own], intervals[own])
            for subject in np.unique(groups[tested])
            for own in [tested[groups[tested] == subject]]
        }
        return calibrated, pd.DataFrame.from_dict(rows, orient="index").rename_axis("subject")

    def _uses(self, groups: Array, intervals: FloatArray) -> Array:
        """Return what each window is used for, shape (n_windows,)."""
        uses = np.full(len(groups), SCORED)
        for subject in np.unique(groups):
            own = np.flatnonzero(groups == subject)
            uses[own] = self._uses_of_subject(intervals[own])
        without = {
            use: [each for each in np.unique(groups) if not (uses[groups == each] == use).any()]
            for use in (CALIBRATION, SCORED)
        }
        if without[CALIBRATION]:
            raise ValueError(
                f"{self}: subjects {name_some(without[CALIBRATION])} have no window that ends in "
                "the first minutes; pass more minutes, or drop these subjects."
            )
        if without[SCORED]:
            raise ValueError(
                f"{self}: no windows of subjects {name_some(without[SCORED])} are left to score; "
                "use fewer for calibration, or drop these subjects."
            )
        return uses

    def _uses_of_subject(self, intervals: FloatArray) -> Array:
        starts, stops = intervals.T
        if self.minutes is not None:
            limit = starts.min() + 60 * self.minutes
            used = stops <= limit
        else:
            used = np.zeros(len(starts), dtype=bool)
            used[np.argsort(starts, kind="stable")[: self.n_windows]] = True
            limit = stops[used].max()
        return np.where(used, CALIBRATION, np.where(starts >= limit, SCORED, NEITHER))

    def _describe(self, uses: Array, intervals: FloatArray) -> dict[str, Any]:
        return {
            "n_windows": int((uses == CALIBRATION).sum()),
            "seconds": _covered_seconds(intervals[uses == CALIBRATION]),
            "labels": self.labels,
            "n_scored": int((uses == SCORED).sum()),
            "n_neither": int((uses == NEITHER).sum()),
        }


def _covered_seconds(intervals: FloatArray) -> float:
    """Return the length of the union of intervals."""
    starts, stops = intervals[np.argsort(intervals[:, 0])].T
    covered_until = np.maximum.accumulate(np.r_[starts[0], stops[:-1]])
    return float(np.maximum(stops - np.maximum(starts, covered_until), 0).sum())
