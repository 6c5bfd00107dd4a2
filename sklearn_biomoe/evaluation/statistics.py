"""Statistics over subjects: confidence intervals, permutation tests and corrected p-values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from .._typing import Array, FloatArray

N_BOOTSTRAPS = 10_000
N_PERMUTATIONS = 1_000
N_FLIPS = 100_000  # p-values stay below 0.05 after correction for a thousand pairs
FLIPS_PER_BATCH = 1_000


def bootstrap_interval(scores: FloatArray, random: np.random.Generator) -> tuple[Any, Any]:
    """Return the 95 % percentile interval of the mean over bootstrapped subjects.

    Scores have the shape (n_subjects, ...), low and high (...). NaN for a single subject.
    """
    if len(scores) == 1:
        return scores[0] * np.nan, scores[0] * np.nan
    options: dict[str, Any] = {"axis": 0, "method": "percentile", "random_state": random}
    result = stats.bootstrap((scores,), np.mean, n_resamples=N_BOOTSTRAPS, batch=100, **options)
    return result.confidence_interval.low, result.confidence_interval.high


def permuted_scores(
    main_scores: Callable[[Array, Array, int], FloatArray],
    target: Array,
    predicted: Array,
    n_classes: int,
    random: np.random.Generator,
) -> FloatArray:
    """Return main scores of one subject with permuted predictions, (N_PERMUTATIONS,).

    Parameters are those of `Task.main_scores`.
    """
    permuted = random.permuted(np.tile(predicted, (N_PERMUTATIONS, 1)), axis=1)
    return main_scores(target, permuted, n_classes)


def sign_flip_p_values(differences: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return p-values of the two-sided paired permutation test, which flips signs of differences.

    Differences have the shape (n_subjects, n_pairs). All combinations of signs are tested if there
    are at most 100,000, else 100,000 random ones.
    """
    # scipy.stats.permutation_test draws other random signs, and is 100 times slower.
    n_subjects = len(differences)
    exact = 2**n_subjects <= N_FLIPS
    n_flips = 2**n_subjects if exact else N_FLIPS
    # Rounded, so that equal sums compare as equal.
    observed = np.abs(differences.sum(axis=0)).round(12)
    n_as_large = np.zeros(differences.shape[1], dtype=np.int64)
    for start in range(0, n_flips, FLIPS_PER_BATCH):
        flips = np.arange(start, min(start + FLIPS_PER_BATCH, n_flips))
        if exact:
            signs = 1.0 - 2.0 * (flips[:, None] >> np.arange(n_subjects) & 1)
        else:
            signs = random.choice([1.0, -1.0], (len(flips), n_subjects))
        flipped = np.abs(signs @ differences).round(12)  # (n_flips, n_pairs)
        n_as_large += (flipped >= observed).sum(axis=0)
    return n_as_large / n_flips if exact else (1 + n_as_large) / (1 + n_flips)


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values corrected for multiple tests.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", 1979.

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
    """Compare pairs of methods over the same subjects.

    Scores have a row for each subject and a column for each method. The table that is returned is
    described in `Study.comparisons`.
    """
    table = pd.DataFrame(pairs, columns=["method", "other"])
    if table.empty:
        return table.assign(difference=[], low=[], high=[], p_value=[], p_corrected=[])
    random = np.random.default_rng(random_state)
    differences = scores[table["method"]].to_numpy() - scores[table["other"]].to_numpy()
    low, high = bootstrap_interval(differences, random)
    p_values = sign_flip_p_values(differences, random)
    return table.assign(
        difference=differences.mean(axis=0),
        low=low,
        high=high,
        p_value=p_values,
        p_corrected=holm(p_values),
    )
