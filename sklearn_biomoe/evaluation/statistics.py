"""Statistics over subjects: intervals, tests, corrected p-values and effect sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats

from .._typing import Array, FloatArray

N_PERMUTATIONS = 1_000
N_FLIPS = 100_000  # p-values stay below 0.05 after correction for a thousand pairs
FLIPS_PER_BATCH = 1_000
LEVEL = 0.05
EQUAL = 1e-12  # rounding errors of equal scores of a size around 1


def standard_error(values: FloatArray, *, cross_validated: bool) -> Any:
    """Return the standard error of the mean over subjects.

    Parameters
    ----------
    values : ndarray of shape (n_subjects, ...)
        Scores, or differences of scores.
    cross_validated : bool
        Whether subjects that are tested in one fold are used for training in others.

    Returns
    -------
    error : ndarray of shape (...)
        NaN for a single subject.

    Notes
    -----
    If one subject helps to predict another by chance, the other helps to predict the first, so that
    scores of a cross-validation are not independent, and s²/n underestimates the variance of their
    mean. It is s² (1/n + 1/(n - 1)) here, the corrected variance of Nadeau and Bengio with one
    tested and n - 1 training subjects.

    References
    ----------
    Nadeau and Bengio, "Inference for the generalization error", 2003,
    doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> scores = np.array([0.5, 0.6, 0.7])
    >>> standard_error(scores, cross_validated=False).round(4).item()
    0.0577
    >>> standard_error(scores, cross_validated=True).round(4).item()
    0.0913
    """
    if len(values) == 1:
        return values[0] * np.nan
    return values.std(axis=0, ddof=1) * np.sqrt(_variance_factor(len(values), cross_validated))


def _variance_factor(n_subjects: int, cross_validated: bool) -> float:
    return 1 / n_subjects + (1 / (n_subjects - 1) if cross_validated else 0)


def mean_interval(values: FloatArray, *, cross_validated: bool) -> tuple[Any, Any]:
    """Return the 95 % t interval of the mean over subjects, with the error of `standard_error`.

    Values have the shape (n_subjects, ...), low and high (...). NaN for a single subject.
    """
    error = standard_error(values, cross_validated=cross_validated)
    half = stats.t.ppf(1 - LEVEL / 2, max(len(values) - 1, 1)) * error
    return values.mean(axis=0) - half, values.mean(axis=0) + half


def largest_size(*scores: FloatArray) -> Any:
    """Return the largest absolute score, by which rounding errors do not depend on a unit.

    Scores have the shape (n, ...), the size (...). 1 if all scores are 0.
    """
    largest = np.abs(np.concatenate(scores)).max(axis=0)
    return np.where(largest > 0, largest, 1.0)


def upper_t_p_values(values: FloatArray, *, cross_validated: bool) -> Any:
    """Return one-sided p-values of means above 0, by a t-test with the error of `standard_error`.

    Values are differences of scores divided by `largest_size`, of shape (n_subjects, ...), p-values
    (...). 1 for a single subject, or if all values are 0.
    """
    if len(values) == 1:
        return np.ones(values.shape[1:])
    mean = values.mean(axis=0).round(12)  # equal values, such as all 0, have no deviation
    error = standard_error(values, cross_validated=cross_validated).round(12)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = stats.t.sf(mean / error, len(values) - 1)
    return np.where((mean == 0) & (error == 0), 1.0, p_values)


def compare_with_chance(
    scores: FloatArray,
    permuted: FloatArray,
    *,
    greater_is_better: bool,
    cross_validated: bool,
) -> dict[str, float]:
    """Compare scores with those of permuted predictions.

    Parameters
    ----------
    scores : ndarray of shape (n_subjects,)
    permuted : ndarray of shape (n_permutations, n_subjects)
        Scores after the predictions of each subject were permuted.
    greater_is_better : bool
    cross_validated : bool
        As in `standard_error`.

    Returns
    -------
    test : dict of str to float
        - chance, chance_low, chance_high: mean, 2.5th and 97.5th percentile of the mean of permuted
          scores;
        - p_value: one-sided, for scores better than chance;
        - p_worse: one-sided, for scores worse than chance.

        Each p-value is the largest one of the share of permutations, which treats windows as
        independent; of a t-test over subjects, which does not; and of 1 / 2**n_subjects, the
        smallest p-value of a sign-flip test, which assumes no distribution.
    """
    sign = 1 if greater_is_better else -1
    means = permuted.mean(axis=1)
    size = largest_size(scores, permuted.ravel())
    excess = (scores - permuted.mean(axis=0)) / size

    def p_value(direction: int) -> float:
        n_as_far = (direction * means >= direction * scores.mean() - EQUAL * size).sum()
        by_windows = (1 + n_as_far) / (1 + len(means))
        by_subjects = upper_t_p_values(direction * excess, cross_validated=cross_validated)
        return float(max(by_windows, by_subjects, 0.5 ** len(scores)))

    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "chance": float(means.mean()),
        "chance_low": float(low),
        "chance_high": float(high),
        "p_value": p_value(sign),
        "p_worse": p_value(-sign),
    }


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

    References
    ----------
    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005, doi:10.1007/b138696.
    """
    # scipy.stats.permutation_test draws other random signs, and is 100 times slower.
    n_subjects = len(differences)
    exact = _is_exact(n_subjects)
    n_flips = 2**n_subjects if exact else N_FLIPS
    # Of a size around 1 and rounded, so that equal sums compare as equal.
    differences = differences / largest_size(differences)
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


def _is_exact(n_subjects: int) -> bool:
    return 2**n_subjects <= N_FLIPS


def lowest_p_value(n_subjects: int) -> float:
    """Return the smallest p-value of `sign_flip_p_values`: that of equal signs of all subjects.

    Examples
    --------
    >>> lowest_p_value(8)
    0.0078125
    """
    return min(1.0, 2 / 2**n_subjects) if _is_exact(n_subjects) else 1 / (1 + N_FLIPS)


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values corrected for multiple tests.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", 1979, Scandinavian Journal of
    Statistics 6, 65-70.

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


def effect_size(differences: FloatArray, *, cross_validated: bool) -> tuple[Any, Any, Any]:
    """Return Cohen's d_z, the mean of differences by their standard deviation, and its interval.

    Parameters
    ----------
    differences : ndarray of shape (n_subjects, ...)
        Divided by `largest_size` of the scores.
    cross_validated : bool
        As in `standard_error`.

    Returns
    -------
    d_z, low, high : ndarray of shape (...)
        With the 95 % interval from the noncentral t distribution. NaN for a single subject, or if
        all differences are equal.

    References
    ----------
    Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed., 1988. Lakens,
    "Calculating and reporting effect sizes to facilitate cumulative science", 2013,
    doi:10.3389/fpsyg.2013.00863. Interval: Cumming and Finch, "A primer on the understanding, use,
    and calculation of confidence intervals that are based on central and noncentral distributions",
    2001, doi:10.1177/0013164401614002.

    Examples
    --------
    >>> differences = np.array([0.1, 0.3, 0.2, 0.0, 0.2])
    >>> [each.round(2).item() for each in effect_size(differences, cross_validated=False)]
    [1.4, 0.09, 2.65]
    """
    n_subjects = len(differences)
    if n_subjects == 1:
        return (differences[0] * np.nan,) * 3
    deviation = differences.std(axis=0, ddof=1)
    d_z = differences.mean(axis=0) / np.where(deviation < EQUAL, np.nan, deviation)
    scale = np.sqrt(_variance_factor(n_subjects, cross_validated))
    # stats.nct is NaN for many values as of SciPy 1.16.
    low, high = (
        special.nctdtrinc(n_subjects - 1, quantile, d_z / scale) * scale
        for quantile in (1 - LEVEL / 2, LEVEL / 2)
    )
    return d_z, low, high
