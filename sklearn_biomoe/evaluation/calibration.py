"""Calibration: the first windows of each test subject, which methods may use."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._typing import Array, FloatArray, Mask
from .._validation.parameters import check_integer, check_number
from .._validation.subjects import check_subjects, column_names, column_values, name_some
from ..pipelines import find_parts
from ..signals import SubjectScaler
from .folds import Fold
from .inputs import check_intervals

CALIBRATION, SCORED, NEITHER = 0, 1, 2
TOLERANCE = 1e-6  # seconds


@dataclass(frozen=True)
class Calibration:
    """The first windows or minutes of each test subject, which methods may use for calibration.

    Windows used for calibration are never scored, nor are windows that overlap with them in time.

    Parameters
    ----------
    n_windows : int, default=None
        The first windows of a subject by their start.
    minutes : float, default=None
        Instead: windows that end in the first minutes, counted from the start of the first window.
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
            If intervals are not as long as groups, if a subject has no window in the first minutes,
            or if no window is left to score.
        """
        times = check_intervals(intervals, np.size(groups))
        return assign_windows(self, check_subjects(groups, np.size(groups)), times) == CALIBRATION


def assign_windows(calibration: Calibration, groups: Array, intervals: FloatArray | None) -> Array:
    """Return what each window is used for if its subject is tested: one of three constants.

    Raise ValueError if a subject has no windows for one of the two uses.
    """
    if intervals is None:
        raise ValueError(
            f"calibration={calibration}; it requires intervals=, the start and stop of each window."
        )
    uses = np.full(len(groups), SCORED)
    for subject in np.unique(groups):
        own = groups == subject
        uses[own] = _assign_windows_of_subject(calibration, intervals[own])
    for use, message in {
        CALIBRATION: "have no window that ends in these minutes; pass more minutes",
        SCORED: "have no windows left to score; use fewer for calibration",
    }.items():
        without = np.setdiff1d(groups, groups[uses == use])
        if len(without):
            raise ValueError(
                f"{calibration}: subjects {name_some(without)} {message}, or drop these subjects."
            )
    return uses


def _assign_windows_of_subject(calibration: Calibration, intervals: FloatArray) -> Array:
    starts, stops = intervals.T
    if calibration.minutes is not None:
        limit = starts.min() + 60 * calibration.minutes
        used = stops <= limit + TOLERANCE
    else:
        used = np.zeros(len(starts), dtype=bool)
        used[np.argsort(starts, kind="stable")[: calibration.n_windows]] = True
        limit = stops[used].max()
    return np.where(used, CALIBRATION, np.where(starts >= limit - TOLERANCE, SCORED, NEITHER))


def move_windows(calibration: Calibration, folds: list[Fold], uses: Array) -> list[Fold]:
    """Return folds whose test windows are the scored ones, with the calibration windows apart.

    Raise ValueError for a fold without windows to score, which tests only a part of a subject.
    """
    for fold in folds:
        if not (uses[fold.test] == SCORED).any():
            raise ValueError(
                f"Fold {fold.number} tests only rows {name_some(fold.test)}, none of which is "
                f"scored with calibration={calibration}; pass a cv that tests all windows of a "
                "subject together, such as 'leave_one_subject_out'."
            )
    return [
        replace(
            fold,
            test=fold.test[uses[fold.test] == SCORED],
            calibration=fold.test[uses[fold.test] == CALIBRATION],
            calibration_labels=calibration.labels,
        )
        for fold in folds
    ]


def tabulate_use(
    calibration: Calibration, groups: Array, intervals: Any, uses: Array
) -> pd.DataFrame:
    """Return what is used of each subject, as described in ``Study.calibration``."""
    rows = {}
    for subject in np.unique(groups):
        own = groups == subject
        counts = [int((uses[own] == use).sum()) for use in (CALIBRATION, SCORED, NEITHER)]
        seconds = _covered_seconds(intervals[own & (uses == CALIBRATION)])
        rows[subject] = [counts[0], seconds, calibration.labels, *counts[1:]]
    columns = ["n_windows", "seconds", "labels", "n_scored", "n_neither"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("subject")


def _covered_seconds(intervals: FloatArray) -> float:
    """Return the length of the union of intervals."""
    starts, stops = intervals[np.argsort(intervals[:, 0])].T
    covered_until = np.maximum.accumulate(np.r_[starts[0], stops[:-1]])
    return float(np.maximum(stops - np.maximum(starts, covered_until), 0).sum())


def describe_calibration(calibration: Calibration, table: pd.DataFrame) -> str:
    """Return a sentence about what is used of test subjects."""
    what = "signals and targets" if calibration.labels else "signals, not targets"
    text = (
        f"Calibration: the first {_count(table['n_windows'])} windows "
        f"({_count(table['seconds'])} s) of each test subject are used ({what}) and not scored"
    )
    if not table["n_neither"].any():
        return f"{text}."
    return f"{text}; left out because they overlap with these: {_count(table['n_neither'])}."


def _count(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def check_marks(methods: Mapping[str, Any], X: Any, uses: Array) -> None:
    """Raise ValueError if a column of X that marks calibration windows marks others."""
    for name, method in methods.items():
        for scaler in calibrated_scalers(method):
            column = scaler.calibration_column
            if column is None or column not in column_names(X):
                continue
            found = column_values(X, column_names(X).index(column))
            wrong = np.flatnonzero(found != (uses == CALIBRATION))
            if len(wrong):
                raise ValueError(
                    f"Method {name!r} takes calibration windows from column {column!r}, which "
                    f"differs from calibration= in rows {name_some(wrong)}; fill it by "
                    "calibration.mark(groups, intervals)."
                )


def find_calibrated(calibration: Calibration, methods: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of methods that use calibration windows."""
    return tuple(
        name for name, method in methods.items() if calibration.labels or calibrated_scalers(method)
    )


def calibrated_scalers(method: Any) -> list[SubjectScaler]:
    """Return the parts of a method that scale subjects by calibration windows."""
    return [part for part in find_parts(method, SubjectScaler) if part.unseen == "calibration"]
