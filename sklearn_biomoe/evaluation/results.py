"""Results of a study: tables of scores, summaries, comparisons and confusion matrices."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, FloatArray
from .leaks import Alarm
from .metrics import between_subjects, confusion_counts, within_subjects
from .statistics import bootstrap_interval, compare_pairs, permuted_scores
from .tasks import CLASSIFICATION, Metric, Task


@dataclass
class StudyResults:
    """The data and tables of a `Study`, which documents the parameters."""

    predictions: pd.DataFrame
    classes: Any  # an array, or None for ratings
    alarms: tuple[Alarm, ...]
    methods: dict[str, str]
    environment: dict[str, Any]
    seconds: dict[str, float]
    controls: tuple[str, ...] = ()
    random_state: int = 0
    checked: tuple[str, ...] = ()
    task: Task = CLASSIFICATION
    decisions: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of the task, the main one first."""
        return self.task.metrics

    @property
    def reference(self) -> str:
        """The method that others are compared with: the first."""
        return next(iter(self.methods))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of each method on each subject, averaged over repeats.

        A DataFrame with the columns method, subject, n_windows; one for each metric of the task
        that is of a subject; and, for classes and levels, ``confusion_<true>_<predicted>``, counts
        summed over repeats. A metric that is undefined in any repeat is NaN.
        """
        keys = ["method", "subject", "repeat"]
        rows = [
            dict(zip(keys, key, strict=True)) | self._score(windows)
            for key, windows in self.predictions.groupby(keys, sort=False)
        ]
        by_repeat = pd.DataFrame(rows)
        grouped = by_repeat.groupby(keys[:2], sort=False)
        counts = [name for name in by_repeat if str(name).startswith("confusion_")]
        metrics = [metric.name for metric in self.metrics if metric.of == "subject"]
        means = grouped[["n_windows", *metrics]].mean(skipna=False).astype({"n_windows": int})
        return pd.concat([means, grouped[counts].sum()], axis=1).reset_index()

    def summary(self) -> pd.DataFrame:
        """Summarise the scores of each method over subjects.

        Returns
        -------
        summary : DataFrame
            Indexed by method, in the order given to `run_study`, with the columns

            - mean, sd: of the main metric over subjects (ddof=0);
            - low, high: 95 % interval of the mean, from 10,000 bootstraps over subjects;
            - n_subjects;
            - chance, chance_low, chance_high: mean, 2.5th and 97.5th percentile of the mean of the
              main metric with predictions permuted within subjects, 1,000 times;
            - p_value: share of permutations that score as well as the method;
            - each other metric: its mean over the subjects for whom it is defined, or, for
              correlations between subjects, their value over all subjects;
            - n_undefined: subjects for whom a metric is undefined, such as a correlation of
              constant ratings or predictions (levels and ratings only);
            - seconds: to fit and predict in all folds.

        Notes
        -----
        Permutations treat windows as independent. If windows overlap or follow closely, the p-value
        is a lower bound. They keep the mean prediction of each subject: a method that predicts only
        the means of subjects has a p-value of 1.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = {
            method: self._summarise(str(method), own)
            for method, own in self.scores.groupby("method", sort=False)
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def _summarise(self, method: str, scores: pd.DataFrame) -> dict[str, Any]:
        random = np.random.default_rng(self.random_state)
        main, *others = [metric.name for metric in self.metrics if metric.of == "subject"]
        values = scores[main].to_numpy()
        low, high = bootstrap_interval(values, random)
        permuted = self._permuted_means(method, random)
        sign = 1 if self.task.main.greater_is_better else -1
        n_as_good = int((sign * permuted >= sign * values.mean() - 1e-12).sum())
        chance_low, chance_high = np.quantile(permuted, [0.025, 0.975])
        summary = {
            "mean": values.mean(),
            "sd": values.std(),
            "low": low,
            "high": high,
            "n_subjects": len(values),
            "chance": permuted.mean(),
            "chance_low": chance_low,
            "chance_high": chance_high,
            "p_value": (1 + n_as_good) / (1 + len(permuted)),
        }
        summary |= {name: scores[name].mean() for name in others}
        summary |= self._score_study(method)
        if self.task is not CLASSIFICATION:
            summary["n_undefined"] = int(scores[others].isna().any(axis=1).sum())
        return summary | {"seconds": self.seconds[method]}

    def _score_study(self, method: str) -> dict[str, float]:
        """Return the metrics of the whole study, averaged over repeats."""
        if not any(metric.of == "study" for metric in self.metrics):
            return {}
        own = self.predictions[self.predictions["method"] == method]
        columns = ["target", "predicted", "subject"]
        scores = [
            between_subjects(*(part[name].to_numpy() for name in columns))
            for _, part in own.groupby("repeat")
        ]
        return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}

    def comparisons(self, pairs: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Compare pairs of methods over the same subjects.

        Parameters
        ----------
        pairs : sequence of (str, str), default=None
            Methods to compare, such as planned comparisons, which need no correction for other
            pairs. All pairs if None.

        Returns
        -------
        comparisons : DataFrame
            With the columns method, other; difference of the means of the main metric; low, high:
            95 % interval of the difference, from 10,000 bootstraps over subjects; p_value of the
            paired sign-flip permutation test over subjects; p_corrected, by Holm's method for all
            of these pairs.

        Raises
        ------
        ValueError
            If a method is not in the study.
        """
        if pairs is None:
            pairs = list(itertools.combinations(self.methods, 2))
        for method in itertools.chain(*pairs):
            self._check_method(method)
        table = self.scores.pivot_table(self.task.main.name, "subject", "method", sort=False)
        return compare_pairs(table, pairs, self.random_state)

    def pooled(self) -> pd.DataFrame:
        """Score each method on the windows of all subjects together.

        Returns
        -------
        scores : DataFrame
            Indexed by method, with the metrics of a subject, averaged over repeats. Pooled
            correlations and R² mix differences between subjects with those within subjects; for
            ratings, ``within_subjects`` is the repeated-measures correlation [1]_, which is that of
            deviations from the means of subjects.

        References
        ----------
        .. [1] Bakdash and Marusich, "Repeated measures correlation", 2017,
           doi:10.3389/fpsyg.2017.00456.
        """
        rows = []
        for (method, repeat), windows in self.predictions.groupby(["method", "repeat"], sort=False):
            scores = {"method": method, "repeat": repeat} | self._score_windows(windows)
            if self.classes is None:
                columns = (windows[name].to_numpy() for name in ("target", "predicted", "subject"))
                scores["within_subjects"] = within_subjects(*columns)
            rows.append(scores)
        by_repeat = pd.DataFrame(rows).drop(columns="repeat")
        return by_repeat.groupby("method", sort=False).mean(skipna=False)

    def confusion(self, method: str) -> pd.DataFrame:
        """Return the confusion matrix of a method over all subjects and repeats.

        Parameters
        ----------
        method : str

        Returns
        -------
        counts : DataFrame
            Numbers of windows; rows are true classes, columns predicted ones.

        Raises
        ------
        ValueError
            If the method is not in the study, or if the study has no classes.
        """
        self._check_method(method)
        if self.classes is None:
            raise ValueError("A study of ratings has no confusion matrix; see Study.predictions.")
        windows = self.predictions[self.predictions["method"] == method]
        counts = confusion_counts(*self._positions(windows), len(self.classes))
        true, predicted = (pd.Index(self.classes, name=name) for name in ("true", "predicted"))
        return pd.DataFrame(counts, index=true, columns=predicted)

    def _check_method(self, method: str) -> None:
        if method not in self.methods:
            raise ValueError(f"Method {method!r} is not in the study; it has {list(self.methods)}.")

    def _positions(self, windows: pd.DataFrame) -> tuple[Array, Array]:
        """Return ratings, or true and predicted classes by their positions in ``classes``."""
        columns = [windows[name].to_numpy() for name in ("target", "predicted")]
        if self.classes is None:
            return columns[0], columns[1]
        classes = pd.Index(self.classes)
        target, predicted = (classes.get_indexer(pd.Index(column)) for column in columns)
        return target, predicted

    def _score_windows(self, windows: pd.DataFrame) -> dict[str, float]:
        """Return the metrics of some windows."""
        classes = [] if self.classes is None else self.classes.tolist()
        probabilities = windows[[f"probability_{name}" for name in classes]].to_numpy(float)
        return self.task.score(*self._positions(windows), probabilities)

    def _score(self, windows: pd.DataFrame) -> dict[str, Any]:
        """Score one method on one subject in one repeat."""
        scores = {"n_windows": len(windows)} | self._score_windows(windows)
        if self.classes is None:
            return scores
        classes = self.classes.tolist()
        counts = confusion_counts(*self._positions(windows), len(classes))
        pairs = itertools.product(classes, classes)
        return scores | {
            f"confusion_{true}_{other}": int(count)
            for (true, other), count in zip(pairs, counts.ravel(), strict=True)
        }

    def _permuted_means(self, method: str, random: np.random.Generator) -> FloatArray:
        """Return the mean over subjects of each permutation, shape (n_permutations,)."""
        own = self.predictions[self.predictions["method"] == method]
        n_classes = 0 if self.classes is None else len(self.classes)
        scores = [
            permuted_scores(self.task.main_scores, *self._positions(windows), n_classes, random)
            for _, windows in own.groupby(["subject", "repeat"], sort=False)
        ]
        return np.mean(scores, axis=0)
