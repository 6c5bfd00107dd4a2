"""Alarms for misleading scores: wrong windows, and leaks of subjects, scaling and time."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .._typing import Array, FloatArray
from .._validation.subjects import name_some
from ..fusion.modality_ensemble import ModalityEnsemble
from ..pipelines import find_parts
from ..signals import (
    EDADecomposer,
    SignalFilter,
    SubjectScaler,
    WindowReport,
    check_windows,
    missing_windows,
)
from ..signals.checks.study_design import find_label
from ..signals.containers import cell_columns
from ..transformers import BiosignalImageTransformer
from .baselines import WHOLE_INPUT
from .calibration import calibrated_scalers
from .designs import Design
from .folds import Fold
from .statistics import LEVEL, holm
from .tasks import Task


class LeakWarning(UserWarning):
    """The scores of a study may be misleading; ``Study.alarms`` lists the reasons."""


@dataclass(frozen=True)
class Alarm:
    """A reason why scores may be misleading or too optimistic.

    Parameters
    ----------
    kind : str
    method : str or None
        None if the alarm applies to all methods.
    message : str
    """

    kind: str
    method: str | None
    message: str

    def __str__(self) -> str:
        """Return the alarm as one line."""
        method = "" if self.method is None else f"{self.method!r} "
        return f"{self.kind}: {method}{self.message}"


def data_alarms(
    X: Any,
    y: Array,
    groups: Array,
    folds: list[Fold],
    intervals: FloatArray | None,
    *,
    has_classes: bool,
) -> list[Alarm]:
    """Return alarms about the data and the folds; y are classes or levels, else ratings."""
    messages = {
        "subject in both parts": _shared_subjects(groups, folds),
        "overlapping windows": _overlapping_windows(groups, folds, intervals),
        "equal windows": _equal_windows(X, folds) if intervals is None else None,
        "label among features": (
            _label_in_features(X, y) if has_classes else _rating_in_features(X, y)
        ),
        "scaling over test subjects": _scaled_before(X, groups),
        "class not trained on": _unseen_classes(y, folds) if has_classes else None,
    }
    return [Alarm(kind, None, message) for kind, message in messages.items() if message]


def check_inputs(
    methods: Mapping[str, Any], X: Any, y: Array, groups: Array, intervals: FloatArray | None
) -> WindowReport | None:
    """Check the windows that the methods draw, or return None if none draws windows of X."""
    signals = drawn_signals(methods)
    if not signals:
        return None
    start = None if intervals is None else intervals[:, 0]
    if WHOLE_INPUT not in signals:
        return check_windows(X, y, groups, sampling_rates=signals, start=start)
    modality, rate = signals[WHOLE_INPUT]
    return check_windows(X, y, groups, sampling_rates=rate, modalities=modality, start=start)


def drawn_signals(methods: Mapping[str, Any]) -> dict[str, tuple[str, float]]:
    """Return modality and sampling rate in Hz of the columns that methods draw, by their name.

    X itself has the name "".
    """
    signals: dict[str, tuple[str, float]] = {}
    for method in methods.values():
        signals |= dict(_drawn_columns(method))
    return signals


def describe_unchecked(methods: Mapping[str, Any]) -> list[str]:
    """Return a sentence about methods that draw windows which `drawn_signals` does not find."""
    names = [
        name
        for name, method in methods.items()
        if not dict(_drawn_columns(method)) and find_parts(method, BiosignalImageTransformer)
    ]
    if not names:
        return []
    return [
        f"Windows that {name_some(names)} draw are not checked, and have no control of statistics: "
        "this needs one column by name for each signal, its modality and its sampling rate."
    ]


FOUND_BY_STUDY = ("order", "overlap", "subjects", "classes")  # with better controls


def check_alarms(report: WindowReport | None) -> list[Alarm]:
    """Return errors and warnings of the checks of windows that a study does not find itself."""
    if report is None:
        return []
    return [
        Alarm(f"windows, {finding.kind}", None, f"{finding.message} {finding.advice}")
        for finding in report.findings
        if finding.grade != "note" and finding.kind not in FOUND_BY_STUDY
    ]


def _drawn_columns(
    method: Any, rate: float | None = None
) -> Iterator[tuple[str, tuple[str, float]]]:
    """Yield columns that a method draws, with their modality and sampling rate in Hz.

    The rate is that of an earlier step, whose output may have another rate.
    """
    if isinstance(method, BiosignalImageTransformer):
        if isinstance(method.modality, str) and (rate := rate or method.sampling_rate):
            yield WHOLE_INPUT, (method.modality, float(rate))
    elif isinstance(method, Pipeline):
        for _, step in method.steps:
            if not isinstance(step, SignalFilter | EDADecomposer):
                yield from _drawn_columns(step, rate)
                return
            rate = rate or step.sampling_rate
    elif isinstance(method, ColumnTransformer | ModalityEnsemble):
        is_late = isinstance(method, ModalityEnsemble)
        for _, branch, columns in method.estimators if is_late else method.transformers:
            names = [columns] if isinstance(columns, str) else np.ravel(columns).tolist()
            drawn = list(_drawn_columns(branch, rate))
            if drawn and len(names) == 1 and isinstance(names[0], str):
                yield names[0], drawn[0][1]
    elif hasattr(method, "get_params"):
        for part in method.get_params(deep=False).values():
            yield from _drawn_columns(part, rate)


def method_alarms(methods: Mapping[str, Any], *, is_calibrated: bool) -> Iterator[Alarm]:
    """Yield alarms about methods that use the test subject."""
    for name, method in methods.items():
        if any(part.unseen == "own" for part in find_parts(method, SubjectScaler)):
            message = (
                "scales the test subject by all windows of that subject: its scores apply only "
                "after a recording has ended."
            )
            yield Alarm("scaling over test subjects", name, message)
        if calibrated_scalers(method) and not is_calibrated:
            message = (
                "scales the test subject by calibration windows, which are scored too: pass "
                "calibration= to run_study."
            )
            yield Alarm("scaling over test subjects", name, message)
        if find_parts(method, FrozenEstimator):
            message = (
                "contains a FrozenEstimator, which was fitted before the study, possibly on the "
                "test subjects."
            )
            yield Alarm("fitted before", name, message)


def score_alarms(
    study: Any, time_controls: Sequence[str], design: Design | None
) -> Iterator[Alarm]:
    """Yield alarms about controls that score well, and methods that score worse than chance."""
    summary = study.summary()
    methods = summary.drop(index=list(study.controls))
    yield from _time_alarms(summary.loc[list(time_controls)], methods, study.task)
    for name, row in summary[holm(summary["p_worse"].to_numpy()) < LEVEL].iterrows():
        message = (
            f"scores {row['mean']:.3f}, significantly worse than chance ({row['chance']:.3f}, "
            f"p = {row['p_worse']:.2g}). This is an artefact, not information: a held-out subject "
            "deviates from the mean in the opposite direction from the training subjects, so that "
            "methods without information can score worse than chance."
        )
        if design is not None and design.has_several_orders:
            message += (
                " Subjects have the conditions in different orders, and folds train on fewer of "
                "the test subject's order: signals that drift over time then predict the opposite. "
                "Pass folds with equally many subjects of each order, such as PredefinedSplit."
            )
        yield Alarm("worse than chance", str(name), message)


def _time_alarms(controls: pd.DataFrame, methods: pd.DataFrame, task: Task) -> Iterator[Alarm]:
    """Yield alarms about time controls that score better than chance, or as well as a method."""
    limit, sign = ("chance_high", 1) if task.main.greater_is_better else ("chance_low", -1)
    for name, row in controls.iterrows():
        mean = row["mean"]
        if sign * mean <= sign * row[limit]:
            continue
        message = (
            f"scores {mean:.3f}, better than chance (95 % of permuted predictions: "
            f"{row['chance_low']:.3f} to {row['chance_high']:.3f}). The time of a window predicts "
            f"its {task.target}, so any signal that drifts over time can score better than chance."
        )
        yield Alarm("time alone scores", str(name), message)
        if len(beaten := methods.index[sign * methods["mean"] <= sign * mean]):
            message = f"scores {mean:.3f}, as well as or better than {name_some(beaten)}."
            yield Alarm("time alone scores", str(name), message)


def _shared_subjects(groups: Array, folds: list[Fold]) -> str | None:
    shared = [np.intersect1d(groups[fold.train], groups[fold.test]) for fold in folds]
    n_folds = sum(len(subjects) > 0 for subjects in shared)
    if n_folds == 0:
        return None
    return (
        f"{n_folds} of {len(folds)} folds train and test on the same subjects: "
        f"{name_some(np.unique(np.concatenate(shared)))}. The scores do not apply to new subjects."
    )


def _overlapping_windows(
    groups: Array, folds: list[Fold], intervals: FloatArray | None
) -> str | None:
    if intervals is None:
        return None
    found: set[int] = set()
    for fold in folds:
        for subject in np.intersect1d(groups[fold.train], groups[fold.test]):
            train = fold.train[groups[fold.train] == subject]
            test = fold.test[groups[fold.test] == subject]
            (starts, stops), (other_starts, other_stops) = intervals[test].T, intervals[train].T
            overlap = (starts[:, None] < other_stops) & (other_starts < stops[:, None])
            found |= set(test[overlap.any(axis=1)].tolist())
    if not found:
        return None
    return (
        f"{len(found)} test windows overlap in time with training windows of the same subject: "
        f"rows {name_some(sorted(found))}."
    )


def _equal_windows(X: Any, folds: list[Fold]) -> str | None:
    hashes = np.array(hash_rows(X))
    if len(np.unique(hashes)) == len(hashes):
        return None
    columns = cell_columns(X) or [X]
    present = ~np.logical_and.reduce([missing_windows(column) for column in columns])
    found: set[int] = set()
    for fold in folds:
        equal = np.isin(hashes[fold.test], hashes[fold.train]) & present[fold.test]
        found |= set(fold.test[equal].tolist())
    if not found:
        return None
    return f"{len(found)} test windows equal training windows: rows {name_some(sorted(found))}."


def _label_in_features(X: Any, y: Array) -> str | None:
    """Find a column that has one value for each class, as number or as text."""
    columns = _scalar_columns(X)
    if not columns:
        return None
    codes = np.stack([pd.factorize(values)[0] for values in columns.values()], axis=-1)
    found = find_label(codes[:, None], y)
    if found is None:
        return None
    name = list(columns)[found[1]]
    return (
        f"Column {name!r} of X has one value for each class: it is the label. Remove it, and "
        "compute again what was computed from it, such as tables of embeddings."
    )


def _rating_in_features(X: Any, y: Array) -> str | None:
    """Find a column that is a linear function of the rating."""
    for name, values in _scalar_columns(X).items():
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all() or np.ptp(values) == 0:
            continue
        if abs(np.corrcoef(values, y)[0, 1]) > 1 - 1e-9:
            return (
                f"Column {name!r} of X is a linear function of the rating. Remove it, and compute "
                "again what was computed from it, such as tables of embeddings."
            )
    return None


def _scalar_columns(X: Any) -> dict[Any, Array]:
    """Return the columns whose cells are no windows, by name or position."""
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if isinstance(X, pd.DataFrame):
        columns = {name: X.iloc[:, at] for at, name in enumerate(X.columns)}
        return {
            name: values.to_numpy()
            for name, values in columns.items()
            if cell_columns(values) is None
        }
    numbers = np.asarray(X) if isinstance(X, np.ndarray) else np.empty(0)
    return dict(enumerate(numbers.T)) if numbers.ndim == 2 else {}


def _scaled_before(X: Any, groups: Array) -> str | None:
    numbers = _numeric_columns(X)
    by_subject = [numbers[groups == subject] for subject in np.unique(groups)]
    if all(len(own) > 2 and _is_standardised(own) for own in by_subject):
        return (
            "Features have mean 0 and standard deviation 1 within each subject: they were scaled "
            "by all windows of the test subject. The scores apply only after a recording has ended."
        )
    if len(numbers) > 2 and _is_standardised(numbers):
        return (
            "Features have mean 0 and standard deviation 1 over all windows, including those of "
            "the test subjects. Scale within the folds: add StandardScaler to the method."
        )
    if all(len(own) > 2 and _is_ranged(own) for own in by_subject) or _is_ranged(numbers):
        return (
            "Features extend from 0 to 1 over all windows or over those of each subject, the test "
            "subjects included. Scale within the folds: add MinMaxScaler to the method."
        )
    return None


def _numeric_columns(X: Any) -> FloatArray:
    """Return the finite numeric features, shape (n_windows, n_features)."""
    if hasattr(X, "select_dtypes"):
        X = X.select_dtypes("number").to_numpy()
    numbers = np.asarray(X)
    if numbers.dtype.kind not in "fiu" or numbers.ndim != 2:
        return np.empty((len(numbers), 0))
    return numbers[:, np.isfinite(numbers).all(axis=0)].astype(np.float64)


def _is_standardised(numbers: FloatArray) -> bool:
    varying = numbers[:, numbers.std(axis=0) > 0]
    return varying.shape[1] > 0 and bool(
        np.all(np.abs(varying.mean(axis=0)) < 1e-5)
        and np.all(np.abs(varying.std(axis=0) - 1) < 1e-5)
    )


def _is_ranged(numbers: FloatArray) -> bool:
    """Return whether all features, three or more, extend exactly from 0 to 1, and not in steps."""
    if numbers.shape[1] < 3 or len(numbers) < 3:
        return False
    exact = (np.abs(numbers.min(axis=0)) < 1e-9) & (np.abs(numbers.max(axis=0) - 1) < 1e-9)
    between = ((numbers > 0.01) & (numbers < 0.99)).mean(axis=0) > 0.25
    return bool(exact.all() and between.all())


def _unseen_classes(y: Array, folds: list[Fold]) -> str | None:
    unseen = {fold.number: np.setdiff1d(y, y[fold.train]) for fold in folds}
    unseen = {number: classes for number, classes in unseen.items() if len(classes)}
    if not unseen:
        return None
    return (
        f"{len(unseen)} of {len(folds)} folds have no training windows of class "
        f"{name_some(np.unique(np.concatenate(list(unseen.values()))))}: folds "
        f"{name_some(list(unseen))}. No method can predict these classes there, and their test "
        "windows count as wrong."
    )


def hash_rows(X: Any) -> list[str]:
    """Return a hash of the content of each row, including arrays in cells."""
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
        if cell.dtype.kind == "O":  # the bytes of objects are their addresses
            return kind + b"".join(map(_content, cell.ravel()))
        return kind + np.ascontiguousarray(cell).tobytes()
    if isinstance(cell, list | tuple):
        return b"[" + b"".join(map(_content, cell)) + b"]"
    if np.ndim(cell):  # a Series or another array, whose text is shortened
        return _content(np.asarray(cell))
    return re.sub(r" at 0x[0-9a-f]+", "", repr(cell)).encode() + b"\0"
