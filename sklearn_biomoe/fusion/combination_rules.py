"""Rules that combine the predictions of several modalities into one.

Predictions have shape (n_modalities, n_windows, n_outputs): class probabilities, or one value. They
are NaN if a window lacks the modality. The result is NaN if a window lacks all modalities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from .._typing import FloatArray, Rows

LARGEST_LOG_WEIGHT = 5.0  # keeps every weight above 0, as some windows have one modality only
SMALLEST_PROBABILITY = 1e-12


def weighted_mean(predictions: FloatArray, weights: FloatArray) -> FloatArray:
    """Average over the modalities that a window has; their weights are scaled to a sum of 1.

    Examples
    --------
    >>> predictions = np.array([[[0.2, 0.8]], [[0.6, 0.4]], [[np.nan, np.nan]]])
    >>> weighted_mean(predictions, np.array([1.0, 1.0, 8.0]))
    array([[0.4, 0.6]])
    """
    present = ~np.isnan(predictions)
    total = np.einsum("m,mwo->wo", weights, present)
    summed = np.einsum("m,mwo->wo", weights, np.where(present, predictions, 0))
    return np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)


def share_of_votes(probabilities: FloatArray) -> FloatArray:
    """Return each class's share of the votes, one per modality, for its most likely class.

    The mean probabilities count as one more vote, so that they break ties.

    Examples
    --------
    >>> share_of_votes(np.array([[[0.4, 0.6]], [[0.9, 0.1]]])).round(3)
    array([[0.55, 0.45]])
    """
    present = ~np.isnan(probabilities[..., :1])
    most_likely = np.where(present, probabilities, 0).argmax(axis=-1)
    votes = present * np.eye(probabilities.shape[-1])[most_likely]
    mean = weighted_mean(probabilities, np.ones(len(probabilities)))
    return (votes.sum(axis=0) + mean) / (present.sum(axis=0) + 1)


def stacking_features(predictions: FloatArray, means: FloatArray) -> FloatArray:
    """Return the features of a stacking estimator, (n_windows, n_modalities x n_kept).

    Gaps are filled with ``means``, (n_modalities, n_outputs). Of two classes, only the second is
    kept, as in scikit-learn's StackingClassifier.
    """
    filled = np.where(np.isnan(predictions), means[:, None, :], predictions)
    kept = slice(1, None) if predictions.shape[2] == 2 else slice(None)
    return np.concatenate(list(filled[..., kept]), axis=1)


def fit_class_weights(probabilities: FloatArray, y: Rows) -> FloatArray:
    """Return weights, with a sum of 1, that maximise the likelihood of the true classes.

    All classes have the same total weight in the likelihood. ``probabilities`` are of held-out
    windows, and y, (n_windows,), has the positions of their classes.
    """
    importance = 1 / np.bincount(y)[y]

    def loss(weights: FloatArray) -> float:
        mean = weighted_mean(probabilities, weights)[np.arange(len(y)), y]
        known = ~np.isnan(mean)
        logarithms = np.log(np.maximum(mean[known], SMALLEST_PROBABILITY))
        return -float(np.average(logarithms, weights=importance[known]))

    return _minimize(loss, len(probabilities))


def fit_value_weights(values: FloatArray, y: FloatArray) -> FloatArray:
    """Return weights, with a sum of 1, that minimise the squared error.

    ``values``, (n_modalities, n_windows, 1), are of held-out windows, and y, (n_windows,), has
    their true values.
    """
    variance = y.var() or 1.0  # makes the tolerance of the search independent of the unit

    def loss(weights: FloatArray) -> float:
        return float(np.nanmean((weighted_mean(values, weights)[:, 0] - y) ** 2) / variance)

    return _minimize(loss, len(values))


def _minimize(loss: Callable[[FloatArray], float], n_modalities: int) -> FloatArray:
    def loss_of_logarithms(logarithms: Any) -> float:
        return loss(softmax(logarithms))

    bounds = [(-LARGEST_LOG_WEIGHT, LARGEST_LOG_WEIGHT)] * n_modalities
    start = np.zeros(n_modalities)
    found = minimize(loss_of_logarithms, start, method="L-BFGS-B", bounds=bounds)
    weights: FloatArray = softmax(found.x)
    return weights
