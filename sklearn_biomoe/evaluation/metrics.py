"""Metrics of the windows of one subject, without the input checks of `sklearn.metrics`."""

import numpy as np
from scipy.stats import rankdata

from .._typing import FloatArray, Mask, Rows


def score_classes(target: Rows, predicted: Rows, probabilities: FloatArray) -> dict[str, float]:
    """Return all metrics by name, equal to those of scikit-learn.

    Targets and predictions are positions of classes. Probabilities have the shape (n_windows,
    n_classes), and are NaN if the method has none.

    Examples
    --------
    >>> target, probabilities = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    >>> score_classes(target, probabilities.argmax(axis=1), probabilities)
    {'balanced_accuracy': 0.75, 'macro_f1': 0.666..., 'roc_auc': 1.0}
    """
    counts = confusion_counts(target, predicted, probabilities.shape[1])
    return {
        "balanced_accuracy": float(balanced_accuracy(counts)),
        "macro_f1": macro_f1(counts),
        "roc_auc": roc_auc(target, probabilities),
    }


def confusion_counts(target: Rows, predicted: Rows, n_classes: int) -> Rows:
    """Count windows by true class (rows) and predicted class (columns).

    Targets have the shape (n_windows,), predictions (..., n_windows), and counts (..., n_classes,
    n_classes).

    Examples
    --------
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    pairs = target * n_classes + predicted
    cells = np.arange(n_classes * n_classes)
    counts = np.stack([(pairs == cell).sum(axis=-1) for cell in cells], axis=-1)
    return counts.reshape(*counts.shape[:-1], n_classes, n_classes)


def balanced_accuracy(counts: Rows) -> FloatArray:
    """Return the mean recall over the classes that occur.

    Counts are confusion matrices of shape (..., n_classes, n_classes), scores have the shape (...).

    Examples
    --------
    >>> balanced_accuracy(np.array([[3, 1], [1, 1]])).item()
    0.625
    """
    n_true = counts.sum(axis=-1)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    recalls = np.divide(hits, n_true, out=np.zeros(n_true.shape), where=n_true > 0)
    return recalls.sum(axis=-1) / (n_true > 0).sum(axis=-1)


def macro_f1(counts: Rows) -> float:
    """Return the mean F1 score over the classes that occur or are predicted."""
    n_true_and_predicted = counts.sum(axis=0) + counts.sum(axis=1)
    present = n_true_and_predicted > 0
    return float((2 * np.diagonal(counts)[present] / n_true_and_predicted[present]).mean())


def roc_auc(target: Rows, probabilities: FloatArray) -> float:
    """Return the area under the ROC curve, the mean of one class against the others.

    For two classes it is the area of the second. For more, classes that do not occur are left
    out. NaN without probabilities or if a single class occurs.

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
    return float(np.mean([_area(target == at, probabilities[:, at]) for at in positions]))


def _area(positive: Mask, scores: FloatArray) -> float:
    """Return the share of pairs of a positive and a negative window in the right order."""
    n_positive = positive.sum()
    n_lower = rankdata(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return n_lower / (n_positive * (len(positive) - n_positive))
