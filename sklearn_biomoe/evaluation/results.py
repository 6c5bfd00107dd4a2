"""Results of a study: tables of scores, summaries, comparisons and confusion matrices."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, FloatArray
from .._validation.parameters import check_option
from .comparisons import compare_pairs, plan_pairs
from .leaks import Alarm
from .metrics import between_subjects, confusion_counts, within_subjects
from .statistics import compare_with_chance, mean_interval, permuted_scores
from .tasks import CLASSIFICATION, Metric, Task

SHOWN = ["mean", "low", "high", "p_value", "n_subjects", "seconds"]  # in notebooks


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
    calibration: pd.DataFrame | None = None
    calibrated: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    materials: tuple[str, ...] = ()
    window_report: str = ""
    n_rows: int = 0

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
        means = _mean_of_groups(grouped[["n_windows", *metrics]]).astype({"n_windows": int})
        return pd.concat([means, grouped[counts].sum()], axis=1).reset_index()

    def summary(self) -> pd.DataFrame:
        """Summarise the scores of each method over subjects.

        Returns
        -------
        summary : DataFrame
            Indexed by method, in the order given to `run_study`, with the columns

            - mean, sd: of the main metric over subjects (ddof=0);
            - low, high: 95 % interval of the mean, a t interval over subjects. If folds train on
              each other's test subjects, the variance is corrected for it (Nadeau and Bengio, see
              Notes). The interval can exceed the range of the metric if scores are near its limits;
            - n_subjects;
            - chance, chance_low, chance_high: mean, 2.5th and 97.5th percentile of the mean of the
              main metric with predictions permuted within subjects, 1,000 times;
            - p_value: one-sided, for a mean better than chance: the largest one of the share of
              permutations that score as well as the method, which treats windows as independent;
              of the p-value of a t-test over subjects with the corrected variance; and of
              1 / 2**n_subjects;
            - p_worse: likewise, for a mean worse than chance;
            - each other metric: its mean over the subjects for whom it is defined, or, for
              correlations between subjects, their value over all subjects;
            - n_undefined: subjects for whom a metric is undefined, such as a correlation of
              constant ratings or predictions (levels and ratings only);
            - n_calibration, calibration_seconds: number and length of windows for calibration that
              the method uses of a test subject, on average; calibration_labels: whether it uses
              their targets (only with ``calibration``);
            - seconds: to fit and predict in all folds.

        Notes
        -----
        In a cross-validation, scores of subjects are not independent: each subject also trains the
        methods that are tested on the others. Without the correction, intervals contain the true
        mean too rarely and tests find too many differences, mostly for methods near chance.
        ``docs/explanation_protocols.md`` has the measured rates. Permutations keep the mean
        prediction of each subject: a method that predicts only the means of subjects has a p-value
        of 1.

        References
        ----------
        Nadeau and Bengio, "Inference for the generalization error", 2003,
        doi:10.1023/A:1024068626366.
        """
        return self._summary.copy()

    def _repr_html_(self) -> str:
        """Return the main columns of the summary, below the metric and the number of alarms."""
        main, n_alarms = self.task.main, len(self.alarms)
        better = "higher" if main.greater_is_better else "lower"
        alarms = f"{n_alarms or 'No'} alarm{'' if n_alarms == 1 else 's'}"
        if n_alarms:
            alarms = f"<b>{alarms}</b>, see <code>alarms</code>"
        table = self._summary[SHOWN].to_html(float_format="{:.3g}".format, border=0)
        return (
            f"<p>{main.label}, mean over subjects and 95 % interval: {better} is better. "
            f"{alarms}.</p>\n{table}"
        )

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = {
            method: self._summarise(str(method), own)
            for method, own in self.scores.groupby("method", sort=False)
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def _summarise(self, method: str, scores: pd.DataFrame) -> dict[str, Any]:
        main, *others = [metric.name for metric in self.metrics if metric.of == "subject"]
        values = scores[main].to_numpy()
        options = {"cross_validated": self._is_cross_validated}
        low, high = mean_interval(values, **options)
        summary = {
            "mean": values.mean(),
            "sd": values.std(),
            "low": low,
            "high": high,
            "n_subjects": len(values),
        }
        permuted = self._permuted_scores(method)
        summary |= compare_with_chance(
            values, permuted, greater_is_better=self.task.main.greater_is_better, **options
        )
        summary |= {name: scores[name].mean() for name in others}
        summary |= self._score_study(method)
        if self.task is not CLASSIFICATION:
            summary["n_undefined"] = int(scores[others].isna().any(axis=1).sum())
        return summary | self._describe_calibration(method) | {"seconds": self.seconds[method]}

    def _describe_calibration(self, method: str) -> dict[str, Any]:
        if self.calibration is None:
            return {}
        tested = self.calibration.loc[self.scores["subject"].unique()]
        is_used = method in self.calibrated
        return {
            "n_calibration": tested["n_windows"].mean() * is_used,
            "calibration_seconds": tested["seconds"].mean() * is_used,
            "calibration_labels": bool(tested["labels"].all()) and is_used,
        }

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

    def comparisons(self, pairs: Sequence[tuple[str, str]] | str | None = None) -> pd.DataFrame:
        """Compare pairs of methods over the same subjects.

        Parameters
        ----------
        pairs : sequence of (str, str) or "all", default=None
            If None, the planned pairs: each method with the reference, which is the first method,
            and with each control. P-values are then corrected for the methods that are compared
            with the same other one, and otherwise for all pairs.

        Returns
        -------
        comparisons : DataFrame
            With the columns

            - method, other;
            - difference: of the means of the main metric; low, high: its 95 % interval, computed as
              in `summary`;
            - effect_size: Cohen's d_z, the mean by the standard deviation of the differences over
              subjects; effect_low, effect_high: its 95 % interval, from the noncentral t
              distribution;
            - p_value: two-sided, the larger one of a paired sign-flip permutation test over
              subjects and of a paired t-test with the corrected variance of `summary`;
            - p_corrected: by Holm's method;
            - p_lowest: the smallest p_corrected that the number of subjects allows; n_corrected:
              the number of pairs that are corrected for; n_subjects_needed: the fewest subjects
              whose p_corrected can be below 0.05.

        Raises
        ------
        ValueError
            If a method is not in the study.
        """
        if isinstance(pairs, str):
            check_option("pairs", pairs, ["all"])
            compared = list(itertools.combinations(self.methods, 2))
        elif pairs is None:
            compared = plan_pairs(list(self.methods), self.reference, self.controls)
        else:
            compared = list(pairs)
        for method in itertools.chain(*compared):
            self._check_method(method)
        table = self.scores.pivot_table(self.task.main.name, "subject", "method", sort=False)
        return compare_pairs(
            table,
            compared,
            self.random_state,
            cross_validated=self._is_cross_validated,
            by_other=pairs is None,
        )

    @property
    def _is_cross_validated(self) -> bool:
        """Whether folds train on each other's test subjects."""
        return bool((self.predictions["fold"] != self.predictions["fold"].iloc[0]).any())

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
        return _mean_of_groups(by_repeat.groupby("method", sort=False))

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

    def _permuted_scores(self, method: str) -> FloatArray:
        """Return scores with permuted predictions, shape (n_permutations, n_subjects)."""
        random = np.random.default_rng(self.random_state)
        own = self.predictions[self.predictions["method"] == method]
        n_classes = 0 if self.classes is None else len(self.classes)
        by_subject = [
            [
                permuted_scores(self.task.main_scores, *self._positions(windows), n_classes, random)
                for _, windows in of_subject.groupby("repeat", sort=False)
            ]
            for _, of_subject in own.groupby("subject", sort=False)
        ]
        return np.stack([np.mean(repeats, axis=0) for repeats in by_subject], axis=1)


def _mean_of_groups(grouped: Any) -> pd.DataFrame:
    """Return the mean of each group, NaN where a value is; pandas 3 has `skipna` for it."""
    return grouped.mean().where(grouped.count().eq(grouped.size(), axis=0))
