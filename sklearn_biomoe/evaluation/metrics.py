"""Metrics of the windows of one subject, without the input checks of `sklearn.metrics`."""

import numpy as np
from scipy.stats import rankdata

from .._typing import Array, FloatArray, Mask, Rows

NEARLY_CONSTANT = 1e-13  # of the mean, as in scipy.stats.pearsonr


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


def balanced_accuracies(target: Rows, predicted: Rows, n_classes: int) -> FloatArray:
    """Return the balanced accuracy of many predictions of the same targets.

    Predictions have the shape (n_predictions, n_windows), scores (n_predictions,).
    """
    return balanced_accuracy(confusion_counts(target, predicted, n_classes))


def score_levels(target: Rows, predicted: Rows, probabilities: FloatArray) -> dict[str, float]:
    """Return all metrics of ordered levels by name.

    Targets and predictions are positions of levels, whose differences are the errors.

    Examples
    --------
    >>> target, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    >>> score_levels(target, predicted, np.empty((4, 3)))
    {'macro_mae': 0.833..., 'weighted_kappa': -0.2..., 'balanced_accuracy': 0.5, 'off_by_one': 0.25}
    """
    n_levels = probabilities.shape[1]
    counts = confusion_counts(target, predicted, n_levels)
    return {
        "macro_mae": float(macro_mae(counts)),
        "weighted_kappa": weighted_kappa(counts),
        "balanced_accuracy": float(balanced_accuracy(counts)),
        "off_by_one": float((np.abs(predicted - target) == 1).mean()),
    }


def macro_mae(counts: Rows) -> FloatArray:
    """Return the mean absolute error of each level, averaged over the levels that occur.

    Counts are confusion matrices of shape (..., n_levels, n_levels), scores have the shape (...).

    References
    ----------
    Baccianella, Esuli and Sebastiani, "Evaluation measures for ordinal regression", 2009,
    doi:10.1109/ISDA.2009.230.

    Examples
    --------
    >>> macro_mae(np.array([[2, 1, 1], [0, 1, 0], [0, 0, 0]])).item()
    0.375
    """
    levels = np.arange(counts.shape[-1])
    n_true = counts.sum(axis=-1)
    errors = (counts * np.abs(levels[:, None] - levels)).sum(axis=-1)
    means = np.divide(errors, n_true, out=np.zeros(n_true.shape), where=n_true > 0)
    return means.sum(axis=-1) / (n_true > 0).sum(axis=-1)


def macro_maes(target: Rows, predicted: Rows, n_levels: int) -> FloatArray:
    """Return the macro-averaged MAE of many predictions, as `balanced_accuracies` does."""
    return macro_mae(confusion_counts(target, predicted, n_levels))


def weighted_kappa(counts: Rows) -> float:
    """Return Cohen's kappa with quadratic weights; NaN if only one level occurs and is predicted.

    References
    ----------
    Cohen, "Weighted kappa: nominal scale agreement with provision for scaled disagreement or
    partial credit", 1968, doi:10.1037/h0026256.

    Examples
    --------
    >>> weighted_kappa(np.array([[2, 0], [1, 1]]))
    0.5
    """
    levels = np.arange(len(counts))
    weights = (levels[:, None] - levels) ** 2
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    expected = (weights * by_chance).sum()
    return float(1 - (weights * counts).sum() / expected) if expected > 0 else float("nan")


def score_ratings(
    target: FloatArray, predicted: FloatArray, probabilities: Array | None = None
) -> dict[str, float]:
    """Return all metrics of ratings by name.

    The errors and R² are those of scikit-learn, except that R² is NaN for constant ratings.
    Correlations are NaN for constant ratings, constant predictions, and fewer than three windows.

    Examples
    --------
    >>> target, predicted = np.array([1.0, 2.0, 4.0, 5.0]), np.array([2.0, 2.0, 3.0, 5.0])
    >>> scores = score_ratings(target, predicted)
    >>> scores["mae"], scores["r2"], round(scores["spearman"], 3)
    (0.5, 0.8, 0.949)
    """
    errors = predicted - target
    squared = float((errors**2).mean())
    is_constant = _is_constant(target)
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": squared**0.5,
        "r2": float("nan") if is_constant else float(1 - squared / target.var()),
        "concordance": concordance(target, predicted),
        "pearson": pearson(target, predicted),
        "spearman": spearman(target, predicted),
    }


def maes(target: FloatArray, predicted: FloatArray, n_classes: int) -> FloatArray:
    """Return the mean absolute error of many predictions, as `balanced_accuracies` does."""
    return np.abs(predicted - target).mean(axis=-1)


def concordance(target: FloatArray, predicted: FloatArray) -> float:
    """Return Lin's concordance correlation, with variances divided by n as in the paper.

    It is 0 if one of both is constant, and NaN if both are constant and equal.

    References
    ----------
    Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989,
    doi:10.2307/2532051.

    Examples
    --------
    >>> concordance(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    0.571...
    """
    spread = target.var() + predicted.var() + (target.mean() - predicted.mean()) ** 2
    if spread == 0:
        return float("nan")
    if _is_constant(target) or _is_constant(predicted):
        return 0.0
    return float(2 * np.cov(target, predicted, ddof=0)[0, 1] / spread)


def pearson(target: FloatArray, predicted: FloatArray) -> float:
    """Return the correlation; NaN if one is (nearly) constant, or for fewer than three values.

    Two values that differ always have the correlation 1 or -1.
    """
    if len(target) < 3 or _is_constant(target) or _is_constant(predicted):
        return float("nan")
    return float(np.corrcoef(target, predicted)[0, 1])


def spearman(target: FloatArray, predicted: FloatArray) -> float:
    """Return the correlation of ranks; NaN in the cases of `pearson`."""
    if _is_constant(target) or _is_constant(predicted):
        return float("nan")
    return pearson(rankdata(target), rankdata(predicted))


def _is_constant(values: FloatArray) -> bool:
    """Return whether values differ by rounding errors at most."""
    deviation = np.linalg.norm(values - values.mean())
    return bool(deviation <= NEARLY_CONSTANT * np.abs(values).max(initial=0))


def within_subjects(target: FloatArray, predicted: FloatArray, subjects: Array) -> float:
    """Return the repeated-measures correlation: that of deviations from the subjects' means.

    Subjects whose ratings or predictions are constant have deviations of 0. NaN if all have.

    References
    ----------
    Bakdash and Marusich, "Repeated measures correlation", 2017, doi:10.3389/fpsyg.2017.00456.
    """
    _, rows = np.unique(subjects, return_inverse=True)
    return pearson(_deviations(target, rows), _deviations(predicted, rows))


def _deviations(values: FloatArray, rows: Rows) -> FloatArray:
    """Return deviations from the means of subjects, without rounding errors of constant values."""
    deviations = values - _means(values, rows)[rows]
    return np.where(np.abs(deviations) <= NEARLY_CONSTANT * np.abs(values), 0.0, deviations)


def _means(values: FloatArray, rows: Rows) -> FloatArray:
    return np.bincount(rows, values) / np.bincount(rows)


def between_subjects(
    target: FloatArray, predicted: FloatArray, subjects: Array
) -> dict[str, float]:
    """Return correlations of the subjects' mean ratings and mean predictions."""
    _, rows = np.unique(subjects, return_inverse=True)
    means = _means(target, rows), _means(predicted, rows)
    return {"pearson_between": pearson(*means), "spearman_between": spearman(*means)}
