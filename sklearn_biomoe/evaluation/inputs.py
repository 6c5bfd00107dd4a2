"""Checks of the arguments of `run_study`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor

from .._typing import Array, FloatArray
from .._validation.subjects import check_subjects, name_some
from ..signals.checks.study_design import time_only_methods
from .baselines import BASELINE_NAMES
from .folds import Fold
from .tasks import CLASSIFICATION, Target

KINDS = {
    "classification": ["classifier"],
    "ordinal": ["classifier", "regressor"],
    "regression": ["regressor"],
}


def check_methods(methods: Any, target: Target) -> None:
    """Raise ValueError or TypeError for methods that do not fit the task, and for their names."""
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(f"methods={methods!r}; expected a dict of names to estimators.")
    for name, method in methods.items():
        if not isinstance(name, str):
            raise TypeError(f"methods has the name {name!r}; expected a string.")
        fits = {"classifier": is_classifier, "regressor": is_regressor}
        kinds = KINDS[target.task.name]
        if isinstance(method, type) or not any(fits[kind](method) for kind in kinds):
            expected = " or a ".join(kinds)
            raise TypeError(
                f"Method {name!r} is {method!r:.80}, which is not a {expected}; pass a {expected}, "
                f"or a Pipeline that ends in one, or another task. {target.decision}"
            )
    clashing = [name for name in (*BASELINE_NAMES, *time_only_methods()) if name in methods]
    if clashing:
        raise ValueError(f"Methods {name_some(clashing)} have the names of controls; rename them.")


def check_groups(target: Target, groups: ArrayLike) -> Array:
    """Return the subject of each window; raise ValueError for one subject, class or rating."""
    subjects = check_subjects(groups, len(target.values))
    for kind, values in {target.task.target: target.labels, "subject": subjects}.items():
        if len(np.unique(values)) < 2:
            raise ValueError(
                f"All windows are of {kind} {name_some(values[:1])}; a study needs two or more."
            )
    return subjects


def check_intervals(intervals: ArrayLike | None, n_windows: int) -> FloatArray | None:
    """Return start and stop of each window; raise ValueError for another shape, and gaps."""
    if intervals is None:
        return None
    times = np.asarray(intervals, dtype=np.float64)
    if times.shape != (n_windows, 2):
        raise ValueError(
            f"intervals has shape {times.shape}, but X has {n_windows} rows; expected start and "
            "stop of each."
        )
    wrong = ~(times[:, 0] < times[:, 1])  # including NaN
    if wrong.any():
        row = int(wrong.argmax())
        start, stop = times[row]
        raise ValueError(
            f"intervals of row {row} are {start} s to {stop} s; expected a start before its stop."
        )
    return times


def check_scored(target: Target, groups: Array, folds: list[Fold]) -> None:
    """Raise ValueError if the scored windows of a subject have a single class."""
    if target.task is not CLASSIFICATION:
        return
    scored = np.unique(np.concatenate([fold.test for fold in folds]))
    n_classes = pd.Series(target.values[scored]).groupby(groups[scored]).nunique()
    single = n_classes.index[n_classes == 1]
    if len(single):
        raise ValueError(
            f"Subjects {name_some(single)} have windows of a single class, which balanced accuracy "
            "cannot score. Drop these subjects, or add their windows of other classes."
        )
