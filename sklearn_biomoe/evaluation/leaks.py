"""What makes a score look better than the method is: subjects, windows and time that leak."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from ..signals import SubjectScaler, missing_windows
from ..signals.containers import cell_columns
from .folds import Fold, name_some


class LeakWarning(UserWarning):
    """Scores may be better than the methods are; the study's ``alarms`` say why."""


@dataclass(frozen=True)
class Alarm:
    """A reason to distrust a score.

    Parameters
    ----------
    kind : str
    method : str or None
        None where it is about all methods.
    message : str
    """

    kind: str
    method: str | None
    message: str

    def __str__(self) -> str:
        """One line."""
        method = "" if self.method is None else f"{self.method!r} "
        return f"{self.kind}: {method}{self.message}"


def time_only_methods() -> dict[str, Pipeline]:
    """Return the methods that see nothing but when a window starts."""
    classifier = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
    spline = SplineTransformer(n_knots=20)
    return {
        "elapsed time only, linear": make_pipeline(StandardScaler(), classifier),
        "elapsed time only, spline": make_pipeline(spline, StandardScaler(), classifier),
    }


def data_alarms(
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any],
    folds: list[Fold],
    intervals: NDArray[np.float64] | None,
) -> Iterator[Alarm]:
    """Look for leaks in the data and the folds."""
    yield from _shared_subjects(groups, folds)
    if intervals is None:
        yield from _equal_windows(X, folds)
    else:
        yield from _overlapping_windows(groups, folds, intervals)
    yield from _scaled_before(X, groups)
    yield from _unseen_classes(y, folds)


def method_alarms(methods: dict[str, Any]) -> Iterator[Alarm]:
    """Look for steps that have seen, or will see, the test subject."""
    for name, method in methods.items():
        parts = [method, *method.get_params(deep=True).values()]
        if any(isinstance(part, SubjectScaler) and part.unseen == "own" for part in parts):
            yield Alarm(
                "scaling over test subjects",
                name,
                "scales the test subject by all of that subject's own windows: its scores tell "
                "about use after a recording has ended.",
            )
        if any(isinstance(part, FrozenEstimator) for part in parts):
            yield Alarm(
                "fitted before",
                name,
                "holds a FrozenEstimator, which was fitted before the study: nobody knows "
                "whether it has seen the test subjects.",
            )


def time_alarms(summary: pd.DataFrame, time_only: list[str]) -> Iterator[Alarm]:
    """Look for time alone scoring above chance, or as well as a method."""
    for name in time_only:
        mean, chance_high = (float(summary[column][name]) for column in ("mean", "chance_high"))
        others = summary.drop(index=time_only)
        beaten = others.index[others["mean"] <= mean]
        if mean > chance_high:
            yield Alarm(
                "time alone scores",
                name,
                f"scores {mean:.3f} where chance reaches {chance_high:.3f}: when a window was "
                "recorded tells its class, so any signal that drifts would score.",
            )
        if mean > chance_high and len(beaten):
            yield Alarm(
                "time alone scores",
                name,
                f"scores {mean:.3f}, no less than {name_some(beaten)}.",
            )


def _shared_subjects(groups: NDArray[Any], folds: list[Fold]) -> Iterator[Alarm]:
    shared: set[Any] = set()
    n_folds = 0
    for fold in folds:
        both = np.intersect1d(groups[fold.train], groups[fold.test])
        n_folds += bool(len(both))
        shared |= set(both.tolist())
    if shared:
        yield Alarm(
            "subject in both parts",
            None,
            f"In {n_folds} of {len(folds)} folds subjects are trained and tested on: "
            f"{name_some(sorted(shared))}. The scores do not tell about people who are new.",
        )


def _overlapping_windows(
    groups: NDArray[Any], folds: list[Fold], intervals: NDArray[np.float64]
) -> Iterator[Alarm]:
    found: set[int] = set()
    for fold in folds:
        for subject in np.intersect1d(groups[fold.train], groups[fold.test]):
            train = fold.train[groups[fold.train] == subject]
            test = fold.test[groups[fold.test] == subject]
            (starts, stops), (others, ends) = intervals[test].T, intervals[train].T
            overlap = (starts[:, None] < ends) & (others < stops[:, None])
            found |= set(test[overlap.any(axis=1)].tolist())
    if found:
        yield Alarm(
            "overlapping windows",
            None,
            f"{len(found)} windows overlap in time with windows of the same subject that were "
            f"trained on when they were tested: rows {name_some(sorted(found))}.",
        )


def _equal_windows(X: Any, folds: list[Fold]) -> Iterator[Alarm]:
    hashes = np.array(hash_rows(X))
    if len(np.unique(hashes)) == len(hashes):
        return
    columns = cell_columns(X) or [X]
    there = ~np.logical_and.reduce([missing_windows(column) for column in columns])
    found: set[int] = set()
    for fold in folds:
        equal = np.isin(hashes[fold.test], hashes[fold.train]) & there[fold.test]
        found |= set(fold.test[equal].tolist())
    if found:
        yield Alarm(
            "equal windows",
            None,
            f"{len(found)} windows are equal to windows that were trained on when they were "
            f"tested: rows {name_some(sorted(found))}.",
        )


def _scaled_before(X: Any, groups: NDArray[Any]) -> Iterator[Alarm]:
    numbers = numeric_columns(X)
    if numbers.shape[1] == 0 or len(numbers) < 3:
        return
    subjects = [numbers[groups == subject] for subject in np.unique(groups)]
    if all(len(own) > 2 and _is_standardised(own) for own in subjects):
        yield Alarm(
            "scaling over test subjects",
            None,
            "Features have mean 0 and standard deviation 1 within each subject: the test "
            "subject's whole recording was used to scale them. Scores tell about use after a "
            "recording has ended.",
        )
    elif _is_standardised(numbers):
        yield Alarm(
            "scaling over test subjects",
            None,
            "Features have mean 0 and standard deviation 1 over all windows, those of the test "
            "subjects among them. Scale within the folds: put StandardScaler into the method.",
        )


def _is_standardised(numbers: NDArray[np.float64]) -> bool:
    varying = numbers[:, numbers.std(axis=0) > 0]
    return (
        varying.shape[1] > 0
        and bool(np.all(np.abs(varying.mean(axis=0)) < 1e-5))
        and bool(np.all(np.abs(varying.std(axis=0) - 1) < 1e-5))
    )


def _unseen_classes(y: NDArray[Any], folds: list[Fold]) -> Iterator[Alarm]:
    for fold in folds:
        unseen = np.setdiff1d(y, y[fold.train])
        if len(unseen):
            yield Alarm(
                "class not trained on",
                None,
                f"The training part of fold {fold.number} has no window of class "
                f"{name_some(unseen)}: no method can predict it there, and it counts as missed.",
            )


def numeric_columns(X: Any) -> NDArray[np.float64]:
    """Return the features that are plain finite numbers, shape (n_windows, n_features)."""
    if hasattr(X, "select_dtypes"):
        X = X.select_dtypes("number").to_numpy()
    numbers = np.asarray(X)
    if numbers.dtype.kind not in "fiu" or numbers.ndim != 2:
        return np.empty((len(numbers), 0))
    return numbers[:, np.isfinite(numbers).all(axis=0)].astype(np.float64)


def hash_rows(X: Any) -> list[str]:
    """Hash each row by its content, arrays in cells included."""
    if hasattr(X, "to_pandas"):  # polars, Arrow
        X = X.to_pandas()
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, position].tolist() for position in range(X.shape[1])]
        rows: Any = zip(*columns, strict=True)
    else:
        rows = ((row,) for row in X)
    return [hashlib.sha256(b"".join(map(_content, row))).hexdigest() for row in rows]


def _content(cell: Any) -> bytes:
    if isinstance(cell, np.ndarray):
        kind = f"{cell.dtype.str}{cell.shape}".encode()
        if cell.dtype.kind == "O":  # whose bytes are addresses
            return kind + b"".join(map(_content, cell.ravel()))
        return kind + np.ascontiguousarray(cell).tobytes()
    return re.sub(r" at 0x[0-9a-f]+", "", repr(cell)).encode() + b"\0"
