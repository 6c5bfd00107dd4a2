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

from .._typing import Array, FloatArray
from .._validation.subjects import column_names
from .._version import __version__
from ..images.stack import BiosignalImages
from ..signals import WindowReport
from ..signals.checks.report_page import render_report
from .calibration import Calibration
from .comparisons import describe_limits
from .descriptions import describe_methods
from .folds import Fold, make_folds
from .inputs import check_groups, check_intervals, check_methods, check_scored
from .leaks import (
    Alarm,
    LeakWarning,
    check_alarms,
    check_inputs,
    data_alarms,
    drawn_signals,
    hash_rows,
    method_alarms,
    score_alarms,
)
from .plan import Inputs, Plan, plan_study
from .report import describe_study, write_report
from .results import StudyResults
from .runner import FoldResult, check_folder, hash_method, run_folds
from .tasks import Target, read_target

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
        Methods that `run_study` adds, such as methods that use only the time of a window.
    random_state : int
        Seed of permutations and sign flips.
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
    check: bool | WindowReport = True,
    n_jobs: int | None = None,
    progress: bool | str = "auto",
    random_state: int = 0,
) -> Study:
    """Compare methods with controls, and with each other, on the same held-out subjects.

    Each method is cloned and fitted in each fold. The training subjects are passed to `fit` as
    ``groups`` if it takes them: with metadata routing, of estimators that request groups; without
    it, of estimators with such a parameter, searches whose ``cv`` splits by group, and Pipelines
    that end in one.

    Controls are added to the methods: "training majority", "training median" and "training mean",
    which predict the most frequent class, the median or the mean of the training windows, as the
    task allows; "own majority", "own median" or "own mean" of the calibration windows of the test
    subject, if their targets are used; "statistics", which predicts from the mean, standard
    deviation, minimum and maximum of each signal that the methods draw, if they draw signals; and
    methods of elapsed time, if ``intervals`` are given.

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
        The task decides the metrics: comparisons and tests use balanced accuracy of classes,
        macro-averaged MAE of ordered levels, and MAE of ratings.
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
    check : bool or WindowReport, default=True
        Check the windows that the methods draw by `check_windows`; errors and warnings are among
        ``Study.alarms``. A report of these windows that was made before is not made again.
    n_jobs : int or None, default=None
        Number of folds computed at the same time, by joblib.
    progress : "auto" or bool, default="auto"
        Show a progress bar. "auto" shows it in terminals and notebooks if tqdm is installed.
    random_state : int, default=0
        Seed of permutations and sign flips.

    Returns
    -------
    study : Study

    Raises
    ------
    ValueError
        If y, groups or intervals differ from X in length or contain missing values; if y does not
        fit the task, such as text for ratings, or levels without an order; if there is a single
        class, rating or subject, a subject with a single class, a fold whose training windows have
        a single class, or one without windows to score; if there are no methods; or if the folder
        belongs to another study.
    TypeError
        If a method does not fit the task, such as a regressor for classes, or groups has both
        strings and numbers.

    Warns
    -----
    UserWarning
        If numbers of more than five values become classes.
    LeakWarning
        If scores may be too optimistic, see ``Study.alarms``: the same subjects, equal windows or
        overlapping windows in training and test; a column that is the label or the rating;
        features scaled before the study; methods that scale a test subject by its own windows or
        that were fitted before; scores of elapsed time alone that are better than chance; scores
        worse than chance. Also if `check_windows` finds errors or warnings, and if the training
        windows of a fold lack a class, which then has probability 0 and whose test windows count as
        wrong.

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
    check_methods(methods, target)
    groups = check_groups(target, groups)
    times = check_intervals(intervals, len(groups))
    folds = make_folds(cv, target.values, groups)
    if isinstance(check, WindowReport):
        checked: WindowReport | None = check
    else:
        checked = check_inputs(methods, X, target.labels, groups, times) if check else None
    plan = plan_study(methods, X, target, groups, times, folds, calibration)
    check_scored(target, groups, plan.folds)
    alarms = [
        *check_alarms(checked),
        *data_alarms(
            X, target.labels, groups, plan.folds, times, has_classes=target.classes is not None
        ),
        *method_alarms(methods, is_calibrated=calibration is not None),
    ]
    folder = None if folder is None else Path(folder)
    if folder is not None:
        check_folder(folder, _signature(X, target.values, groups, times, plan))
    options: dict[str, Any] = {"folder": folder, "n_jobs": n_jobs, "progress": progress}
    results = run_folds(plan.inputs, target, groups, **options)
    controls = {name: each for name, (each, _, _) in plan.inputs.items() if name not in methods}
    study = Study(
        predictions=_tabulate_predictions(results, plan.inputs, target, groups),
        classes=target.classes,
        alarms=(),
        methods=plan.describe(),
        environment=_describe_environment(results, cv, plan.folds, n_jobs),
        seconds={name: sum(each.seconds for each in own) for name, own in results.items()},
        controls=tuple(controls),
        random_state=random_state,
        checked=() if checked is None else checked.checked,
        task=target.task,
        calibration=plan.calibration,
        calibrated=plan.calibrated,
        settings=plan.describe(changed_only=True),
        materials=describe_methods(methods, controls, X, drawn_signals(methods), times),
        window_report="" if checked is None else render_report(checked),
        n_rows=len(groups),
    )
    _judge_scores(study, plan, alarms)
    study.environment["seconds"] = round(time.perf_counter() - started, 1)
    return study


def _judge_scores(study: Study, plan: Plan, alarms: list[Alarm]) -> None:
    """Add decisions and alarms to a study, and warn if there are alarms."""
    limits = describe_limits(study.comparisons(), study.scores["subject"].nunique())
    study.decisions = tuple(filter(None, [*plan.decisions, limits]))
    study.alarms = (*alarms, *score_alarms(study, plan.time_controls, plan.design))
    if study.alarms:
        listed = "\n".join(f"- {alarm}" for alarm in study.alarms)
        message = f"Scores may be misleading or too optimistic:\n{listed}"
        warnings.warn(message, LeakWarning, stacklevel=3)


def _signature(
    X: Any, y: Array, groups: Array, times: FloatArray | None, plan: Plan
) -> dict[str, Any]:
    hashes = {name: _hash(repr(_list_rows(folds))) for name, (_, _, folds) in plan.inputs.items()}
    of_study = next(iter(hashes.values()))
    own_folds = {name: "" if one == of_study else one for name, one in hashes.items()}
    return {
        "version": __version__,
        "X": _hash(repr(column_names(X) if hasattr(X, "columns") else []) + "".join(hash_rows(X))),
        "y": _hash(repr(y.tolist())),
        "groups": _hash(repr(groups.tolist())),
        "intervals": _hash(repr(None if times is None else times.tolist())),
        "folds": of_study,
        "methods": {
            name: hash_method(method, own_folds[name])
            for name, (method, _, _) in plan.inputs.items()
        },
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
    labels, classes = target.labels, target.classes
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
