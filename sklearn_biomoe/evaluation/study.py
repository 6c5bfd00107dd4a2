"""Studies: methods compared on the same held-out subjects."""

import datetime as dt
import hashlib
import os
import platform
import time
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import is_classifier, is_regressor

from .._typing import Array, FloatArray
from .._validation.subjects import check_subjects, name_some
from ..images.stack import BiosignalImages
from ..pipelines import describe_estimator
from ..signals.checks.report_page import render_report
from ..signals.checks.study_design import time_only_methods
from .baselines import BASELINE_NAMES, make_baselines
from .calibration import (
    Calibration,
    assign_windows,
    check_marks,
    describe_calibration,
    find_calibrated,
    move_windows,
    tabulate_use,
)
from .comparisons import describe_limits
from .descriptions import describe_methods
from .designs import find_design, plan_time_controls
from .folds import Fold, make_folds
from .leaks import (
    LeakWarning,
    check_alarms,
    check_inputs,
    data_alarms,
    drawn_signals,
    hash_rows,
    method_alarms,
    score_alarms,
)
from .report import describe_study, write_report
from .results import StudyResults
from .runner import FoldResult, check_folder, run_folds
from .tasks import CLASSIFICATION, ORDINAL, Target, describe_constant, read_target

KINDS = {
    "classification": ["classifier"],
    "ordinal": ["classifier", "regressor"],
    "regression": ["regressor"],
}
PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch", "numpy", "scipy", "pandas"]


class Study(StudyResults):
    """Predictions of several methods for held-out subjects, and statistics of their scores.

    Returned by `run_study`.

    Parameters
    ----------
    predictions : DataFrame
        A row for each method, repeat and window, with the columns method, repeat, fold, subject,
        window (position of the row in X), target, predicted, and, unless the task is regression,
        ``probability_<class>``, which are NaN for methods without probabilities.
    classes : ndarray of shape (n_classes,) or None
        Sorted classes, or levels in their order; None if the task is regression.
    alarms : tuple of Alarm
        Reasons why scores may be too optimistic.
    methods : dict of str to str
        Each method with all its parameters.
    environment : dict
        Versions, machine, date, protocol and duration. Items that are added appear in the report.
    seconds : dict of str to float
        To fit and predict with each method in all folds.
    controls : tuple of str
        Methods that `run_study` adds: baselines, and methods that use only the time of a window.
    random_state : int
        Seed of bootstraps and permutations.
    checked : tuple of str
        What `check_windows` looked for.
    task : Task
        What was predicted, and the metrics.
    decisions : tuple of str
        What `run_study` decided, such as the task, and why; and which comparisons cannot be
        significant because there are too few subjects.
    calibration : DataFrame or None
        What is used of each subject when it is tested, indexed by subject: n_windows for
        calibration, their seconds and whether their targets (labels) are used; n_scored windows;
        and n_neither, windows that overlap with calibration windows.
    calibrated : tuple of str
        Methods that use the calibration windows.
    settings : dict of str to str
        Each method with the parameters that differ from their defaults.
    materials : tuple of str
        Sentences about windows, images, embeddings and methods, for `describe`.
    window_report : str
        The report of `check_windows` as an HTML element.
    n_rows : int
        Of X, including windows that are not scored; 0 if unknown.
    """

    def describe(self) -> str:
        """Describe the study in one paragraph, for the methods section of a paper.

        Returns
        -------
        text : str
            Windows and subjects, images, weights, methods, protocol, metrics, tests and versions.
        """
        return describe_study(self)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        images: Mapping[str, BiosignalImages] | None = None,
        embeddings: ArrayLike | None = None,
        title: str = "Study",
    ) -> Path:
        """Write the study as an HTML page; see `sklearn_biomoe.evaluation.report.write_report`."""
        return write_report(self, path, images=images, embeddings=embeddings, title=title)


def run_study(
    methods: Mapping[str, Any],
    X: Any,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    task: str = "auto",
    cv: Any = "leave_one_subject_out",
    calibration: Calibration | None = None,
    intervals: ArrayLike | None = None,
    folder: str | os.PathLike[str] | None = None,
    check: bool = True,
    n_jobs: int | None = None,
    progress: bool | str = "auto",
    random_state: int = 0,
) -> Study:
    """Compare methods with baselines, and with each other, on the same held-out subjects.

    Each method is cloned and fitted in each fold. The training subjects are passed to `fit` as
    ``groups`` if it takes them: with metadata routing, of estimators that request groups; without
    it, of estimators with such a parameter, searches whose ``cv`` splits by group, and Pipelines
    that end in one.

    Controls are added to the methods: "training majority", "training median" and "training mean",
    which predict the most frequent class, the median or the mean of the training windows, as the
    task allows; "statistics", of the mean, standard deviation, minimum and maximum of each signal
    that the methods draw, if they do; and methods of elapsed time, if ``intervals`` are given.

    Parameters
    ----------
    methods : dict of str to estimator
        By names for tables and reports: classifiers, regressors if the task is regression, either
        if it is ordinal, or Pipelines that end in one.
    X : DataFrame or array-like of shape (n_windows, ...)
    y : array-like of shape (n_windows,)
        Classes, ordered levels (an ordered `pandas.Categorical`, or whole numbers) or ratings.
    groups : array-like of shape (n_windows,)
        Subjects.
    task : {"auto", "classification", "ordinal", "regression"}, default="auto"
        With "auto", ordered categories of three or more levels are ordinal, numbers that are
        fractions or of more than five values are ratings (regression), and all else is classes.
        ``Study.decisions`` reports what was decided. In an ordinal study, methods are fitted to the
        positions of levels, 0 for the lowest; what a regressor predicts is rounded to a level.
    cv : "leave_one_subject_out" or splitter, default="leave_one_subject_out"
        Such as `RepeatedGroupKFold`, or `FixedSplit` for lists of subjects of a challenge.
    calibration : Calibration, default=None
        First windows or minutes of each test subject that methods may use, and that are not scored.
        Requires intervals.
    intervals : array-like of shape (n_windows, 2), default=None
        Start and stop of each window in seconds of its subject's session. If given, the study
        looks for overlapping windows across folds, and adds two control methods that use only
        the start: "elapsed time only, linear" and "elapsed time only, spline". If subjects have
        the conditions in different orders, the controls have folds of their own, or are left out:
        see ``Study.decisions``.
    folder : path-like, default=None
        Where to keep the result of each method in each fold. The same call after an interruption,
        or with more methods, computes only missing results.
    check : bool, default=True
        Check the windows that the methods draw by `check_windows`; errors and warnings are among
        ``Study.alarms``.
    n_jobs : int or None, default=None
        Number of folds computed at the same time, by joblib.
    progress : "auto" or bool, default="auto"
        Show a progress bar. "auto" shows it in terminals and notebooks if tqdm is installed.
    random_state : int, default=0
        Seed of bootstraps and permutations.

    Returns
    -------
    study : Study

    Raises
    ------
    ValueError
        If y, groups or intervals differ from X in length or contain missing values; if there is
        a single class or subject, a subject with a single class, or a fold whose training windows
        have a single class; if there are no methods; or if the folder belongs to another study.
    TypeError
        If a method is not a classifier.

    Warns
    -----
    LeakWarning
        If scores may be too optimistic, see ``Study.alarms``: the same subjects, equal windows or
        overlapping windows in training and test; features scaled before the study; methods that
        scale a test subject by its own windows or that were fitted before; scores above chance
        from elapsed time alone; scores below chance. Also if `check_windows` finds errors or
        warnings, and if the training windows of a fold lack a class, which then has probability 0
        and whose test windows count as wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_biomoe.evaluation import run_study
    >>> random = np.random.default_rng(0)
    >>> y, groups = np.tile(["rest", "stress"], 30), np.repeat(np.arange(6), 10)
    >>> X = random.normal(size=(60, 3)) + (y == "stress")[:, None]
    >>> methods = {"logistic": LogisticRegression(), "dummy": DummyClassifier()}
    >>> study = run_study(methods, X, y, groups)
    >>> study.summary()["mean"].round(3).to_dict()
    {'logistic': 0.7, 'dummy': 0.5, 'training majority': 0.5}
    """
    started = time.perf_counter()
    target = read_target(y, X, task)
    groups, times = _check_data(target, groups, intervals)
    _check_methods(methods, target)
    folds = make_folds(cv, target.values, groups)
    labels = target.values if target.classes is None else _labels(target, target.values)
    checked = check_inputs(methods, X, labels, groups, times) if check else None
    has_own = calibration is not None and calibration.labels
    baselines = make_baselines(target, X, groups, drawn_signals(methods), has_calibration=has_own)
    inputs: Inputs = {name: (method, X, folds) for name, method in methods.items()}
    inputs |= {name: (*each, folds) for name, each in baselines.items()}
    decisions = [target.decision, describe_constant(target, groups)]
    time_only: dict[str, Any] = {}
    design, used = None, None
    if times is not None:
        design = find_design(labels, groups, times[:, 0], has_classes=target.classes is not None)
        time_only, own_folds, decision = plan_time_controls(
            target.task, target.values, groups, folds, design
        )
        inputs |= {name: (each, times[:, :1], own_folds) for name, each in time_only.items()}
        decisions.append(decision)
    if calibration is not None:
        inputs, used = _calibrate(calibration, inputs, X, groups, times)
        folds = inputs[next(iter(methods))][2]
        decisions.append(describe_calibration(calibration, used))
    _check_scored(target, groups, folds)
    alarms = [
        *check_alarms(checked),
        *data_alarms(X, None if target.classes is None else labels, groups, folds, times),
        *method_alarms(methods, is_calibrated=calibration is not None),
    ]
    estimators = {name: method for name, (method, _, _) in inputs.items()}
    descriptions = {name: describe_estimator(method) for name, method in estimators.items()}
    folder = None if folder is None else Path(folder)
    if folder is not None:
        check_folder(folder, _signature(X, target.values, groups, times, inputs, descriptions))
    results = run_folds(inputs, target, groups, folder=folder, n_jobs=n_jobs, progress=progress)
    study = Study(
        predictions=_tabulate_predictions(results, inputs, target, groups),
        classes=target.classes,
        alarms=(),
        methods=descriptions,
        environment=_describe_environment(results, cv, folds, n_jobs),
        seconds={name: sum(each.seconds for each in own) for name, own in results.items()},
        controls=(*baselines, *time_only),
        random_state=random_state,
        checked=() if checked is None else checked.checked,
        task=target.task,
        calibration=used,
        calibrated=() if calibration is None else find_calibrated(calibration, estimators),
        settings={
            name: describe_estimator(each, changed_only=True) for name, each in estimators.items()
        },
        materials=describe_methods(methods, X, drawn_signals(methods), times),
        window_report="" if checked is None else render_report(checked),
        n_rows=len(groups),
    )
    limits = describe_limits(study.comparisons(), study.scores["subject"].nunique())
    study.decisions = tuple(filter(None, [*decisions, limits]))
    study.alarms = (*alarms, *score_alarms(study.summary(), list(time_only), study.task, design))
    study.environment["seconds"] = round(time.perf_counter() - started, 1)
    if study.alarms:
        listed = "\n".join(f"- {alarm}" for alarm in study.alarms)
        message = f"Scores may be misleading or too optimistic:\n{listed}"
        warnings.warn(message, LeakWarning, stacklevel=2)
    return study


Inputs = dict[str, tuple[Any, Any, list[Fold]]]  # a method, its X and its folds, by name


def _calibrate(
    calibration: Calibration, inputs: Inputs, X: Any, groups: Array, times: FloatArray | None
) -> tuple[Inputs, pd.DataFrame]:
    """Move calibration windows out of the test windows, and return what is used of subjects."""
    uses = assign_windows(calibration, groups, times)
    check_marks({name: method for name, (method, _, _) in inputs.items()}, X, uses)
    calibrated = {
        name: (method, data, move_windows(calibration, folds, uses))
        for name, (method, data, folds) in inputs.items()
    }
    return calibrated, tabulate_use(calibration, groups, times, uses)


def _check_data(
    target: Target, groups: ArrayLike, intervals: ArrayLike | None
) -> tuple[Array, FloatArray | None]:
    values = target.values
    subjects = check_subjects(groups, len(values))
    for kind, each in {target.task.target: values, "subject": subjects}.items():
        if len(np.unique(each)) < 2:
            found = _labels(target, each[:1]) if each is values else each[:1]
            raise ValueError(
                f"All windows are of {kind} {name_some(found)}; a study needs two or more."
            )
    return subjects, None if intervals is None else _check_intervals(intervals, len(values))


def _check_scored(target: Target, groups: Array, folds: list[Fold]) -> None:
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


def _labels(target: Target, values: Array) -> Array:
    """Return the names of levels at these positions; classes and ratings as they are."""
    return target.classes[values] if target.task is ORDINAL else values


def _check_intervals(intervals: ArrayLike, n_windows: int) -> FloatArray:
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


def _check_methods(methods: Any, target: Target) -> None:
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


def _signature(
    X: Any,
    y: Array,
    groups: Array,
    times: FloatArray | None,
    inputs: Inputs,
    descriptions: dict[str, str],
) -> dict[str, Any]:
    hashes = {name: _hash(repr(_list_rows(folds))) for name, (_, _, folds) in inputs.items()}
    of_study = next(iter(hashes.values()))
    own_folds = {name: "" if one == of_study else one for name, one in hashes.items()}
    return {
        "X": _hash("".join(hash_rows(X))),
        "y": _hash(repr(y.tolist())),
        "groups": _hash(repr(groups.tolist())),
        "intervals": _hash(repr(None if times is None else times.tolist())),
        "folds": of_study,
        "methods": {name: _hash(text + own_folds[name]) for name, text in descriptions.items()},
    }


def _list_rows(folds: list[Fold]) -> list[list[list[int]]]:
    """Return the rows of each fold, with those for calibration if there are any."""
    return [
        [rows.tolist() for rows in (fold.train, fold.test)]
        + ([fold.fitted.tolist(), fold.predicted.tolist()] if len(fold.calibration) else [])
        for fold in folds
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tabulate_predictions(
    results: dict[str, list[FoldResult]], inputs: Inputs, target: Target, groups: Array
) -> pd.DataFrame:
    labels, classes = _labels(target, target.values), target.classes
    tables = []
    for name, own in results.items():
        for fold, result in zip(inputs[name][2], own, strict=True):
            predicted = np.array(result.predicted)
            columns = {
                "method": name,
                "repeat": fold.repeat,
                "fold": fold.number,
                "subject": groups[fold.test],
                "window": fold.test,
                "target": labels[fold.test],
                "predicted": predicted if classes is None else classes[predicted],
            }
            if classes is not None:
                probabilities = np.full((len(fold.test), len(classes)), np.nan)
                if result.probabilities is not None:
                    probabilities[:] = result.probabilities
                columns |= {
                    f"probability_{label}": probabilities[:, position]
                    for position, label in enumerate(classes)
                }
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _describe_environment(
    results: dict[str, list[FoldResult]], cv: Any, folds: list[Fold], n_jobs: int | None
) -> dict[str, Any]:
    hashes = {one for own in results.values() for result in own for one in result.weights_sha256}
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 0,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "weights_sha256": ", ".join(sorted(hashes)) or "no embedder in the methods",
        "cv": cv if isinstance(cv, str) else repr(cv),
        "folds": len(folds),
        "n_jobs": n_jobs or 1,
    }
