"""Scores by subject, and what may be said of them: intervals, chance, differences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

N_BOOTSTRAPS = 10_000
N_PERMUTATIONS = 1_000
N_FLIPS = 100_000  # so many that correcting for a thousand pairs leaves p-values under 0.05
FLIPS_AT_ONCE = 1_000


def confusion_counts(target: Counts, predicted: Counts, n_classes: int) -> Counts:
    """Count windows by true and predicted class.

    Parameters
    ----------
    target : ndarray of int, shape (n_windows,)
        Positions of classes.
    predicted : ndarray of int, shape (..., n_windows)
    n_classes : int

    Returns
    -------
    counts : ndarray of shape (..., n_classes, n_classes)
        True by predicted.

    Examples
    --------
    >>> import numpy as np
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    pairs = target * n_classes + predicted
    cells = np.arange(n_classes * n_classes)
    counts = np.stack([(pairs == cell).sum(axis=-1) for cell in cells], axis=-1)
    return counts.reshape(*counts.shape[:-1], n_classes, n_classes)


def balanced_accuracy(counts: Counts) -> Floats:
    """Mean recall over the classes that are there (`sklearn.metrics.balanced_accuracy_score`).

    Parameters
    ----------
    counts : ndarray of shape (..., n_classes, n_classes)
        True by predicted.

    Returns
    -------
    scores : ndarray of shape (...)

    Examples
    --------
    >>> balanced_accuracy(np.array([[3, 1], [1, 1]])).item()
    0.625
    """
    n_true = counts.sum(axis=-1)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    recalls = np.divide(hits, n_true, out=np.zeros(n_true.shape), where=n_true > 0)
    return recalls.sum(axis=-1) / (n_true > 0).sum(axis=-1)


def roc_auc(target: Counts, probabilities: Floats) -> float:
    """Area under the ROC curve, one class against the others, mean over the classes that are there.

    Of two classes that is the area of the second.

    Parameters
    ----------
    target : ndarray of int, shape (n_windows,)
        Positions of classes.
    probabilities : ndarray of shape (n_windows, n_classes)

    Returns
    -------
    area : float
        NaN without probabilities or with a single class.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> roc_auc(np.array([0, 0, 1, 1]), probabilities)
    0.75
    """
    present = np.unique(target)
    if len(present) < 2 or np.isnan(probabilities).any():
        return float("nan")
    positions = [1] if probabilities.shape[1] == 2 else present
    areas = [roc_auc_score(target == at, probabilities[:, at]) for at in positions]
    return float(np.mean(areas))


def bootstrap_interval(scores: Floats, random: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the mean, subjects drawn with replacement.

    Parameters
    ----------
    scores : ndarray of shape (n_subjects,)
    random : numpy.random.Generator

    Returns
    -------
    low, high : float
    """
    drawn = random.integers(0, len(scores), (N_BOOTSTRAPS, len(scores)))
    low, high = np.quantile(scores[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def permuted_scores(
    target: Counts, predicted: Counts, n_classes: int, random: np.random.Generator
) -> Floats:
    """Balanced accuracy of one subject where labels are shuffled among their windows.

    Returns
    -------
    scores : ndarray of shape (N_PERMUTATIONS,)
    """
    shuffled = random.permuted(np.tile(predicted, (N_PERMUTATIONS, 1)), axis=1)
    return balanced_accuracy(confusion_counts(target, shuffled, n_classes))


def sign_flip_p_values(differences: Floats, random: np.random.Generator) -> Floats:
    """Two-sided paired permutation test: each subject's difference may as well have its other sign.

    All signs where they are no more than 100,000 (`scipy.stats.permutation_test` with
    ``permutation_type="samples"``), else 100,000 drawn ones.

    Parameters
    ----------
    differences : ndarray of shape (n_subjects, n_pairs)
    random : numpy.random.Generator

    Returns
    -------
    p_values : ndarray of shape (n_pairs,)
    """
    n_subjects = len(differences)
    exact = 2**n_subjects <= N_FLIPS
    n_flips = 2**n_subjects if exact else N_FLIPS
    # Rounding must not part sums that are equal.
    observed = np.abs(differences.sum(axis=0)).round(12)
    n_as_large = np.zeros(differences.shape[1], dtype=np.int64)
    for start in range(0, n_flips, FLIPS_AT_ONCE):
        flips = np.arange(start, min(start + FLIPS_AT_ONCE, n_flips))
        if exact:
            signs = 1.0 - 2.0 * (flips[:, None] >> np.arange(n_subjects) & 1)
        else:
            signs = random.choice([1.0, -1.0], (len(flips), n_subjects))
        found = np.abs(signs @ differences).round(12)  # (n_flips, n_pairs)
        n_as_large += (found >= observed).sum(axis=0)
    return n_as_large / n_flips if exact else (1 + n_as_large) / (1 + n_flips)


def holm(p_values: Floats) -> Floats:
    """Correct for many tests: Holm, "A simple sequentially rejective test procedure", 1979.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return corrected


def compare_pairs(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], random_state: int
) -> pd.DataFrame:
    """Compare methods two by two over the same subjects.

    Parameters
    ----------
    scores : DataFrame
        A row for each subject, a column for each method.
    pairs : sequence of (str, str)
    random_state : int

    Returns
    -------
    comparisons : DataFrame
        method, other, difference, low, high, p_value, p_corrected.
    """
    random = np.random.default_rng(random_state)
    if not pairs:
        columns = ["method", "other", "difference", "low", "high", "p_value", "p_corrected"]
        return pd.DataFrame(columns=columns)
    differences = np.stack(
        [(scores[method] - scores[other]).to_numpy() for method, other in pairs], axis=1
    )
    drawn = random.integers(0, len(scores), (N_BOOTSTRAPS, len(scores)))
    weights = np.apply_along_axis(np.bincount, 1, drawn, minlength=len(scores)) / len(scores)
    low, high = np.quantile(weights @ differences, [0.025, 0.975], axis=0)
    p_values = sign_flip_p_values(differences, random)
    table: dict[str, Any] = {
        "method": [method for method, _ in pairs],
        "other": [other for _, other in pairs],
        "difference": differences.mean(axis=0),
        "low": low,
        "high": high,
        "p_value": p_values,
        "p_corrected": holm(p_values),
    }
    return pd.DataFrame(table)
