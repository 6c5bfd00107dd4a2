"""One prediction from those of several modalities.

Predictions have shape (n_modalities, n_windows, n_outputs): probabilities of classes, or one value.
Those of windows without a modality are NaN. What no modality predicts comes out as NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import FloatArray

LARGEST_LOG_WEIGHT = 5.0  # so that no modality is left out, nor its windows left without a decision
SMALLEST_PROBABILITY = 1e-12


def weighted_mean(predictions: FloatArray, weights: FloatArray) -> FloatArray:
    """Average over the modalities that are there, their weights scaled to a sum of 1.

    Examples
    --------
    >>> predictions = np.array([[[0.2, 0.8]], [[0.6, 0.4]], [[np.nan, np.nan]]])
    >>> weighted_mean(predictions, np.array([1.0, 1.0, 8.0]))
    array([[0.4, 0.6]])
    """
    there = ~np.isnan(predictions)
    total = np.einsum("m,mwo->wo", weights, there)
    summed = np.einsum("m,mwo->wo", weights, np.where(there, predictions, 0))
    return np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)


def share_of_votes(probabilities: FloatArray) -> FloatArray:
    """Count votes for the likeliest class, the mean probability being one more, shared out.

    So a tie goes to the class of the greater mean probability, and to no other class than one of
    the tied.

    Examples
    --------
    >>> share_of_votes(np.array([[[0.4, 0.6]], [[0.9, 0.1]]])).round(3)
    array([[0.55, 0.45]])
    """
    there = ~np.isnan(probabilities[..., :1])
    likeliest = np.where(there, probabilities, 0).argmax(axis=-1)
    votes = there * np.eye(probabilities.shape[-1])[likeliest]
    mean = weighted_mean(probabilities, np.ones(len(probabilities)))
    return (votes.sum(axis=0) + mean) / (there.sum(axis=0) + 1)


def fill_with_means(predictions: FloatArray, means: FloatArray) -> FloatArray:
    """Put modalities side by side, (n_windows, n_modalities x n_outputs), without gaps."""
    filled = np.where(np.isnan(predictions), means[:, None, :], predictions)
    return np.concatenate(list(filled), axis=1)


def learn_class_weights(probabilities: FloatArray, y: NDArray[np.int64]) -> FloatArray:
    """Find the weights whose mean gives true classes the largest likelihood.

    Each class counts the same, however many windows it has.

    Parameters
    ----------
    probabilities : ndarray of shape (n_modalities, n_windows, n_classes)
        Of windows that were not trained on.
    y : ndarray of shape (n_windows,), int
        Positions of true classes.

    Returns
    -------
    weights : ndarray of shape (n_modalities,)
        Their sum is 1.
    """
    counts = np.bincount(y, minlength=probabilities.shape[2])
    importance = 1 / counts[y]

    def loss(weights: FloatArray) -> float:
        mean = weighted_mean(probabilities, weights)[np.arange(len(y)), y]
        known = ~np.isnan(mean)
        logarithms = np.log(np.maximum(mean[known], SMALLEST_PROBABILITY))
        return -float(np.average(logarithms, weights=importance[known]))

    return _smallest(loss, len(probabilities))


def learn_value_weights(values: FloatArray, y: FloatArray) -> FloatArray:
    """Find the weights whose mean has the smallest squared error, (n_modalities,).

    Parameters
    ----------
    values : ndarray of shape (n_modalities, n_windows, 1)
        Of windows that were not trained on.
    y : ndarray of shape (n_windows,)
        True values.

    Returns
    -------
    weights : ndarray of shape (n_modalities,)
        Their sum is 1.
    """
    spread = y.var() or 1.0  # errors of any unit are as easy to minimise

    def loss(weights: FloatArray) -> float:
        return float(np.nanmean((weighted_mean(values, weights)[:, 0] - y) ** 2) / spread)

    return _smallest(loss, len(values))


def _smallest(loss: Callable[[FloatArray], float], n_modalities: int) -> FloatArray:
    from scipy.optimize import minimize
    from scipy.special import softmax

    def of_logarithms(logarithms: Any) -> float:
        return loss(softmax(logarithms))

    bound = (-LARGEST_LOG_WEIGHT, LARGEST_LOG_WEIGHT)
    found = minimize(
        of_logarithms, np.zeros(n_modalities), method="L-BFGS-B", bounds=[bound] * n_modalities
    )
    weights: FloatArray = softmax(found.x)
    return weights
