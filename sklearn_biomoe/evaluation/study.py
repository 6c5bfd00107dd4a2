"""Methods compared on the same left-out subjects."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import os
import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.metrics import f1_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from ..pipelines import describe_method
from ..transformers import TinyBioMoEEmbedder
from .folds import Fold, make_folds, name_some
from .leaks import (
    Alarm,
    LeakWarning,
    data_alarms,
    hash_rows,
    method_alarms,
    time_alarms,
    time_only_methods,
)
from .runner import Outcome, check_folder, run_all
from .statistics import (
    balanced_accuracy,
    bootstrap_interval,
    compare_pairs,
    confusion_counts,
    permuted_scores,
    roc_auc,
)

if TYPE_CHECKING:
    from ..images.stack import BiosignalImages

PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch", "numpy", "scipy", "pandas"]


@dataclass
class Study:
    """What methods predicted for subjects that were left out, and what follows from it.

    Made by `run_study`.

    Parameters
    ----------
    predictions : DataFrame
        A row for each method, repeat and window: method, repeat, fold, subject, window (position
        of the row in X), target, predicted, and ``probability_<class>``, which are NaN where a
        method has none.
    classes : ndarray of shape (n_classes,)
        Sorted.
    alarms : tuple of Alarm
        Reasons to distrust the scores.
    methods : dict of str to str
        Every method, written out.
    environment : dict
        Versions, machine, date, protocol and duration; add to it what else should stand in the
        report.
    seconds : dict of str to float
        To fit and predict each method in all folds.
    controls : tuple of str
        Methods that know only when a window was recorded.
    random_state : int
        Of bootstraps and permutations.
    """

    predictions: pd.DataFrame
    classes: NDArray[Any]
    alarms: tuple[Alarm, ...]
    methods: dict[str, str]
    environment: dict[str, Any]
    seconds: dict[str, float]
    controls: tuple[str, ...] = ()
    random_state: int = 0

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of each method on each subject, means over repeats.

        A DataFrame: method, subject, n_windows, balanced_accuracy, macro_f1, roc_auc (NaN where a
        method has no probabilities), and counts ``confusion_<true>_<predicted>``, summed over
        repeats.
        """
        keys = ["method", "subject", "repeat"]
        rows = [
            dict(zip(keys, key, strict=True)) | self._score(windows)
            for key, windows in self.predictions.groupby(keys, sort=False)
        ]
        each = pd.DataFrame(rows)
        how = {
            name: "sum" if name.startswith("confusion_") else "mean" for name in each.columns[3:]
        }
        scores = each.groupby(keys[:2], sort=False, as_index=False).agg(how)
        return scores.astype({"n_windows": int})

    def summary(self) -> pd.DataFrame:
        """Summarise each method over subjects.

        Returns
        -------
        summary : DataFrame
            Indexed by method, in the order they were given: mean and sd (over subjects, ddof=0) of
            balanced accuracy; low and high, the 95 % interval of the mean from 10,000 bootstraps
            over subjects; n_subjects; chance, chance_low, chance_high, the
            mean and the 2.5th and 97.5th percentile of the scores of 1,000 permutations of labels
            within subjects, against the predictions that were made; p_value, the share of
            permutations that score no less; macro_f1, roc_auc and seconds.

        Notes
        -----
        Neighbouring windows resemble each other, which permutations break: the p-value is a lower
        bound where windows overlap or follow closely.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = {}
        for method, own in self.scores.groupby("method", sort=False):
            random = np.random.default_rng(self.random_state)
            scores = own["balanced_accuracy"].to_numpy()
            low, high = bootstrap_interval(scores, random)
            by_chance = self._chance(method, random)
            n_as_good = int((by_chance >= scores.mean() - 1e-12).sum())
            chance_low, chance_high = np.quantile(by_chance, [0.025, 0.975])
            rows[method] = {
                "mean": scores.mean(),
                "sd": scores.std(),
                "low": low,
                "high": high,
                "n_subjects": len(scores),
                "chance": by_chance.mean(),
                "chance_low": chance_low,
                "chance_high": chance_high,
                "p_value": (1 + n_as_good) / (1 + len(by_chance)),
                "macro_f1": own["macro_f1"].mean(),
                "roc_auc": own["roc_auc"].mean(),
                "seconds": self.seconds[str(method)],
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def comparisons(self, pairs: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Compare methods two by two over the same subjects.

        Parameters
        ----------
        pairs : sequence of (str, str), default=None
            Which methods to compare; every two where None. Planned before, few pairs spare the
            correction for all others.

        Returns
        -------
        comparisons : DataFrame
            method, other; difference of the mean balanced accuracies; low and high, its 95 %
            interval from bootstraps over subjects; p_value of the paired sign-flip permutation
            test over subjects; p_corrected for all these pairs after Holm.

        Raises
        ------
        ValueError
            For a method that was not studied.
        """
        table = self.scores.pivot_table("balanced_accuracy", "subject", "method", sort=False)
        if pairs is None:
            pairs = list(itertools.combinations(self.methods, 2))
        for method in itertools.chain(*pairs):
            self._check_studied(method)
        return compare_pairs(table, pairs, self.random_state)

    def confusion(self, method: str) -> pd.DataFrame:
        """Count a method's windows over all subjects and repeats, true class by predicted class.

        Raises
        ------
        ValueError
            For a method that was not studied.
        """
        self._check_studied(method)
        windows = self.predictions[self.predictions["method"] == method]
        counts = confusion_counts(*self._positions(windows), len(self.classes))
        labels = [pd.Index(self.classes, name=name) for name in ("true", "predicted")]
        return pd.DataFrame(counts, index=labels[0], columns=labels[1])

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        images: Mapping[str, BiosignalImages] | None = None,
        title: str = "Study",
    ) -> Path:
        """Write the study's page; see `sklearn_biomoe.evaluation.report.write_report`."""
        from .report import write_report

        return write_report(self, path, images=images, title=title)

    def _check_studied(self, method: str) -> None:
        if method not in self.methods:
            raise ValueError(f"No method {method!r} was studied; there are {list(self.methods)}.")

    def _positions(self, windows: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        target, predicted = (
            np.searchsorted(self.classes, windows[name].to_numpy())
            for name in ("target", "predicted")
        )
        return target, predicted

    def _score(self, windows: pd.DataFrame) -> dict[str, Any]:
        target, predicted = self._positions(windows)
        counts = confusion_counts(target, predicted, len(self.classes))
        probabilities = windows[[f"probability_{name}" for name in self.classes]].to_numpy()
        cells = {
            f"confusion_{true}_{other}": int(counts[i, j])
            for i, true in enumerate(self.classes)
            for j, other in enumerate(self.classes)
        }
        return {
            "n_windows": len(windows),
            "balanced_accuracy": float(balanced_accuracy(counts)),
            "macro_f1": f1_score(target, predicted, average="macro"),
            "roc_auc": roc_auc(target, probabilities),
        } | cells

    def _chance(self, method: Any, random: np.random.Generator) -> NDArray[np.float64]:
        """Mean over subjects of what each permutation scores, shape (n_permutations,)."""
        own = self.predictions[self.predictions["method"] == method]
        scores = [
            permuted_scores(*self._positions(windows), len(self.classes), random)
            for _, windows in own.groupby(["subject", "repeat"], sort=False)
        ]
        return np.mean(scores, axis=0)


def run_study(
    methods: Mapping[str, Any],
    X: Any,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    cv: Any = "leave_one_subject_out",
    intervals: ArrayLike | None = None,
    folder: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
    random_state: int = 0,
) -> Study:
    """Compare methods on the same left-out subjects.

    Every method is cloned, fitted and asked in each fold. Those whose `fit` takes ``groups`` get
    the training subjects: with metadata routing those that ask for them; without it estimators
    with such a parameter, searches whose ``cv`` splits by group, and Pipelines that end in one.

    Parameters
    ----------
    methods : dict of str to estimator
        Classifiers, or Pipelines that end in one, under the names they are to be told of by.
    X : DataFrame or array-like of shape (n_windows, ...)
    y : array-like of shape (n_windows,)
        Classes.
    groups : array-like of shape (n_windows,)
        Subjects.
    cv : "leave_one_subject_out" or splitter, default="leave_one_subject_out"
        What is left out together; such as `RepeatedGroupKFold`.
    intervals : array-like of shape (n_windows, 2), default=None
        When each window starts and stops, in seconds of its subject's session. With them windows
        that overlap across folds are found, and two methods are added that know nothing but the
        start: "elapsed time only, linear" and "elapsed time only, spline".
    folder : path-like, default=None
        Keeps every method's result in every fold as soon as it is there. The same call after a
        kill, or with methods added, runs only what is missing.
    n_jobs : int or None, default=None
        Folds at a time, by joblib.
    progress : bool, default=False
        Show a progress bar.
    random_state : int, default=0
        Of bootstraps and permutations.

    Returns
    -------
    study : Study

    Raises
    ------
    ValueError
        For y, groups or intervals of another length than X or with gaps; a single class or subject;
        a subject with a single class, whose score would tell of nothing but that class; a fold
        whose training part has a single class; no methods; and a folder of another study.
    TypeError
        For methods that are no classifiers.

    Warns
    -----
    LeakWarning
        Where scores may be better than the methods are, see ``Study.alarms``: subjects, equal or
        overlapping windows in both parts of a fold; features that were scaled before; methods that
        scale a test subject by its own windows or that were fitted before; elapsed time alone
        scoring above chance. Also for folds whose training part lacks a class: no method can
        predict it there, its probability is 0, and its windows count as missed.

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
    {'logistic': 0.7, 'dummy': 0.5}
    """
    started = time.perf_counter()
    y, groups, times = _check_data(X, y, groups, intervals)
    _check_methods(methods)
    folds = make_folds(cv, y, groups)
    alarms = [*data_alarms(X, y, groups, folds, times), *method_alarms(dict(methods))]
    tasks = {name: (method, X) for name, method in methods.items()}
    time_only: list[str] = []
    if times is not None:
        tasks |= {name: (method, times[:, :1]) for name, method in time_only_methods().items()}
        time_only = [name for name in tasks if name not in methods]
    described = {name: describe_method(method) for name, (method, _) in tasks.items()}
    if folder is not None:
        check_folder(Path(folder), _signature(X, y, groups, times, folds, described))
    outcomes = run_all(
        tasks,
        y,
        groups,
        folds,
        folder=None if folder is None else Path(folder),
        n_jobs=n_jobs,
        progress=progress,
    )
    study = Study(
        predictions=_collect(outcomes, y, groups, folds),
        classes=np.unique(y),
        alarms=(),
        methods=described,
        environment=_environment(methods, cv, folds, n_jobs),
        seconds={name: sum(each.seconds for each in own) for name, own in outcomes.items()},
        controls=tuple(time_only),
        random_state=random_state,
    )
    alarms += time_alarms(study.summary(), time_only)
    study.environment["seconds"] = round(time.perf_counter() - started, 1)
    if alarms:
        listed = "\n".join(f"- {alarm}" for alarm in alarms)
        warnings.warn(f"Scores may mislead:\n{listed}", LeakWarning, stacklevel=2)
    study.alarms = tuple(alarms)
    return study


def _check_data(
    X: Any, y: ArrayLike, groups: ArrayLike, intervals: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    n_windows = _num_samples(X)
    labels, subjects = np.asarray(y), np.asarray(groups)
    times = None if intervals is None else np.asarray(intervals, dtype=np.float64)
    for name, given in {"y": labels, "groups": subjects, "intervals": times}.items():
        if given is None:
            continue
        if given.shape != ((n_windows, 2) if name == "intervals" else (n_windows,)):
            raise ValueError(
                f"{name} has shape {given.shape}, but X has {n_windows} windows; give one "
                f"{'start and stop' if name == 'intervals' else 'value'} for each, in its order."
            )
        if pd.isna(given).any():
            row = int(np.argmax(pd.isna(given).reshape(n_windows, -1).any(axis=1)))
            raise ValueError(f"{name} is missing for window {row}; drop it, or fill the gap.")
    if times is not None and (times[:, 1] <= times[:, 0]).any():
        row = int(np.argmax(times[:, 1] <= times[:, 0]))
        raise ValueError(f"intervals: window {row} stops at {times[row, 1]} s, before it starts.")
    _check_classes(labels, subjects)
    return labels, subjects, times


def _check_classes(y: NDArray[Any], groups: NDArray[Any]) -> None:
    classes, subjects = np.unique(y), np.unique(groups)
    if len(classes) < 2:
        raise ValueError(
            f"All windows are of class {name_some(classes)}; a study needs two or more."
        )
    if len(subjects) < 2:
        raise ValueError(
            f"All windows are of subject {name_some(subjects)}; leaving subjects out needs two "
            "or more."
        )
    single = [each for each in subjects if len(np.unique(y[groups == each])) == 1]
    if single:
        raise ValueError(
            f"Subjects {name_some(single)} have windows of one class alone: their scores would "
            "tell of nothing but that class. Drop them, or add their other windows."
        )


def _check_methods(methods: Any) -> None:
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(f"methods={methods!r}; expected a dict of names to classifiers.")
    for name, method in methods.items():
        if not isinstance(name, str):
            raise TypeError(f"methods has the name {name!r}; names are strings.")
        if isinstance(method, type) or not is_classifier(method):
            raise TypeError(
                f"Method {name!r} is {method!r:.80}, which is no classifier; give an unfitted one, "
                "or a Pipeline that ends in one."
            )
    clashing = [name for name in time_only_methods() if name in methods]
    if clashing:
        raise ValueError(f"Methods {name_some(clashing)} are added by intervals; rename yours.")


def _signature(
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any],
    times: NDArray[np.float64] | None,
    folds: list[Fold],
    methods: dict[str, str],
) -> dict[str, Any]:
    splits = [[fold.train.tolist(), fold.test.tolist()] for fold in folds]
    return {
        "X": _hash("".join(hash_rows(X))),
        "y": _hash(repr(y.tolist())),
        "groups": _hash(repr(groups.tolist())),
        "intervals": _hash(repr(None if times is None else times.tolist())),
        "folds": _hash(repr(splits)),
        "methods": {name: _hash(text) for name, text in methods.items()},
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _collect(
    outcomes: dict[str, list[Outcome]], y: NDArray[Any], groups: NDArray[Any], folds: list[Fold]
) -> pd.DataFrame:
    classes = np.unique(y)
    parts = []
    for name, own in outcomes.items():
        for fold, outcome in zip(folds, own, strict=True):
            part = pd.DataFrame(
                {
                    "method": name,
                    "repeat": fold.repeat,
                    "fold": fold.number,
                    "subject": groups[fold.test],
                    "window": fold.test,
                    "target": y[fold.test],
                    "predicted": classes[outcome.predicted],
                }
            )
            nothing = np.full((len(fold.test), len(classes)), np.nan)
            given = outcome.probabilities
            probabilities = nothing if given is None else np.array(given)
            for position, label in enumerate(classes):
                part[f"probability_{label}"] = probabilities[:, position]
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _environment(
    methods: Mapping[str, Any], cv: Any, folds: list[Fold], n_jobs: int | None
) -> dict[str, Any]:
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 0,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "weights_sha256": ", ".join(_weights(methods)) or "no embedder in the methods",
        "cv": cv if isinstance(cv, str) else repr(cv),
        "folds": len(folds),
        "n_jobs": n_jobs or 1,
    }


def _weights(methods: Mapping[str, Any]) -> list[str]:
    """Hashes of the weights of all embedders inside the methods."""
    parts = [part for method in methods.values() for part in method.get_params(deep=True).values()]
    embedders = [part for part in parts if isinstance(part, TinyBioMoEEmbedder)]
    if not embedders:
        return []
    from ..weights import weights_sha256

    seeds = [int(check_random_state(each.random_state).randint(2**31)) for each in embedders]
    pairs = zip(embedders, seeds, strict=True)
    return sorted({weights_sha256(each.weights, seed) for each, seed in pairs})
