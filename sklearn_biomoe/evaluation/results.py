"""Results of a study: tables of scores, summaries, comparisons and confusion matrices."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, FloatArray, Rows
from .leaks import Alarm
from .metrics import confusion_counts, score_classes
from .statistics import bootstrap_interval, compare_pairs, permuted_scores


@dataclass
class StudyResults:
    """The data and tables of a `Study`, which documents the parameters."""

    predictions: pd.DataFrame
    classes: Array
    alarms: tuple[Alarm, ...]
    methods: dict[str, str]
    environment: dict[str, Any]
    seconds: dict[str, float]
    controls: tuple[str, ...] = ()
    random_state: int = 0
    checked: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of each method on each subject, averaged over repeats.

        A DataFrame with the columns method, subject, n_windows, balanced_accuracy, macro_f1,
        roc_auc (NaN for methods without probabilities), and ``confusion_<true>_<predicted>``,
        counts summed over repeats.
        """
        keys = ["method", "subject", "repeat"]
        rows = [
            dict(zip(keys, key, strict=True)) | self._score(windows)
            for key, windows in self.predictions.groupby(keys, sort=False)
        ]
        by_repeat = pd.DataFrame(rows)
        aggregate = {
            name: "sum" if name.startswith("confusion_") else "mean"
            for name in by_repeat.columns[len(keys) :]
        }
        scores = by_repeat.groupby(keys[:2], sort=False, as_index=False).agg(aggregate)
        return scores.astype({"n_windows": int})

    def summary(self) -> pd.DataFrame:
        """Summarise the scores of each method over subjects.

        Returns
        -------
        summary : DataFrame
            Indexed by method, in the order given to `run_study`, with the columns

            - mean, sd: of balanced accuracy over subjects (ddof=0);
            - low, high: 95 % interval of the mean, from 10,000 bootstraps over subjects;
            - n_subjects;
            - chance, chance_low, chance_high: mean, 2.5th and 97.5th percentile of the mean
              balanced accuracy with predictions permuted within subjects, 1,000 times;
            - p_value: share of permutations that score as high as the method;
            - macro_f1, roc_auc: means over subjects;
            - seconds: to fit and predict in all folds.

        Notes
        -----
        Permutations treat windows as independent. If windows overlap or follow closely, the p-value
        is a lower bound.
        """
        return self._summary.copy()

    def _repr_html_(self) -> str:
        return self.summary().to_html(float_format="{:.3g}".format, border=0)

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = {
            method: self._summarise(str(method), own)
            for method, own in self.scores.groupby("method", sort=False)
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def _summarise(self, method: str, scores: pd.DataFrame) -> dict[str, Any]:
        random = np.random.default_rng(self.random_state)
        accuracies = scores["balanced_accuracy"].to_numpy()
        low, high = bootstrap_interval(accuracies, random)
        permuted = self._permuted_means(method, random)
        n_as_high = int((permuted >= accuracies.mean() - 1e-12).sum())
        chance_low, chance_high = np.quantile(permuted, [0.025, 0.975])
        return {
            "mean": accuracies.mean(),
            "sd": accuracies.std(),
            "low": low,
            "high": high,
            "n_subjects": len(accuracies),
            "chance": permuted.mean(),
            "chance_low": chance_low,
            "chance_high": chance_high,
            "p_value": (1 + n_as_high) / (1 + len(permuted)),
            "macro_f1": scores["macro_f1"].mean(),
            "roc_auc": scores["roc_auc"].mean(),
            "seconds": self.seconds[method],
        }

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
            With the columns method, other; difference of the mean balanced accuracies; low, high:
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
        table = self.scores.pivot_table("balanced_accuracy", "subject", "method", sort=False)
        return compare_pairs(table, pairs, self.random_state)

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
            If the method is not in the study.
        """
        self._check_method(method)
        windows = self.predictions[self.predictions["method"] == method]
        counts = confusion_counts(*self._positions(windows), len(self.classes))
        true, predicted = (pd.Index(self.classes, name=name) for name in ("true", "predicted"))
        return pd.DataFrame(counts, index=true, columns=predicted)

    def _check_method(self, method: str) -> None:
        if method not in self.methods:
            raise ValueError(f"Method {method!r} is not in the study; it has {list(self.methods)}.")

    def _positions(self, windows: pd.DataFrame) -> tuple[Rows, Rows]:
        """Return true and predicted classes by their positions in ``classes``."""
        target, predicted = (
            np.searchsorted(self.classes, windows[name].to_numpy())
            for name in ("target", "predicted")
        )
        return target, predicted

    def _score(self, windows: pd.DataFrame) -> dict[str, Any]:
        """Score one method on one subject in one repeat."""
        target, predicted = self._positions(windows)
        probabilities = windows[[f"probability_{name}" for name in self.classes]].to_numpy()
        counts = confusion_counts(target, predicted, len(self.classes))
        pairs = itertools.product(self.classes, self.classes)
        cells = {
            f"confusion_{true}_{other}": int(count)
            for (true, other), count in zip(pairs, counts.ravel(), strict=True)
        }
        scores = score_classes(target, predicted, probabilities)
        return {"n_windows": len(windows)} | scores | cells

    def _permuted_means(self, method: str, random: np.random.Generator) -> FloatArray:
        """Return the mean over subjects of each permutation, shape (n_permutations,)."""
        own = self.predictions[self.predictions["method"] == method]
        scores = [
            permuted_scores(*self._positions(windows), len(self.classes), random)
            for _, windows in own.groupby(["subject", "repeat"], sort=False)
        ]
        return np.mean(scores, axis=0)
