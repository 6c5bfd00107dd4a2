"""Comparisons of methods over the same subjects: planned pairs, effect sizes and p-values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._typing import FloatArray
from .statistics import (
    LEVEL,
    effect_size,
    holm,
    largest_size,
    lowest_p_value,
    mean_interval,
    sign_flip_p_values,
    upper_t_p_values,
)

Pairs = Sequence[tuple[str, str]]
COLUMNS = [
    "method", "other", "difference", "low", "high", "effect_size", "effect_low", "effect_high",
    "p_value", "p_corrected", "p_lowest", "n_corrected", "n_subjects_needed",
]  # fmt: skip


def plan_pairs(
    methods: Sequence[str], reference: str, controls: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the planned pairs: each method with the reference, and with each control.

    Methods include the controls.

    Examples
    --------
    >>> plan_pairs(["statistics", "images", "time"], "statistics", ["time"])
    [('images', 'statistics'), ('statistics', 'time'), ('images', 'time')]
    """
    compared = [method for method in methods if method not in controls]
    others = [*([] if reference in controls else [reference]), *controls]
    return [(method, other) for other in others for method in compared if method != other]


def compare_pairs(
    scores: pd.DataFrame,
    pairs: Pairs,
    random_state: int,
    *,
    cross_validated: bool,
    by_other: bool,
) -> pd.DataFrame:
    """Compare pairs of methods over the same subjects.

    Parameters
    ----------
    scores : DataFrame
        A row for each subject and a column for each method.
    pairs : sequence of (str, str)
    random_state : int
    cross_validated : bool
        As in `standard_error`.
    by_other : bool
        Correct p-values for the pairs with the same second method, or else for all pairs.

    Returns
    -------
    comparisons : DataFrame
        As described in `Study.comparisons`.
    """
    table = pd.DataFrame(pairs, columns=["method", "other"])
    if table.empty:
        return table.reindex(columns=COLUMNS)
    own, other = (scores[table[column]].to_numpy() for column in ("method", "other"))
    differences = own - other
    low, high = mean_interval(differences, cross_validated=cross_validated)
    relative = differences / largest_size(own, other)
    effects = effect_size(relative, cross_validated=cross_validated)
    table = table.assign(difference=differences.mean(axis=0), low=low, high=high)
    table[["effect_size", "effect_low", "effect_high"]] = np.column_stack(effects)
    table["p_value"] = paired_p_values(relative, random_state, cross_validated=cross_validated)
    family = table["other"] if by_other else np.zeros(len(table))
    grouped = table["p_value"].groupby(family)
    table["p_corrected"] = grouped.transform(lambda own: holm(own.to_numpy()))
    n_corrected = grouped.transform("size")
    table["p_lowest"] = np.minimum(n_corrected * lowest_p_value(len(scores)), 1)
    table["n_corrected"] = n_corrected
    table["n_subjects_needed"] = n_corrected.map(subjects_needed)
    return table


def paired_p_values(differences: FloatArray, random_state: int, *, cross_validated: bool) -> Any:
    """Return two-sided p-values, the larger ones of a sign-flip test and of a t-test.

    Differences of scores, divided by `largest_size`, have the shape (n_subjects, n_pairs). The
    sign-flip test assumes no distribution, the t-test has the corrected error of `standard_error`.
    """
    by_flips = sign_flip_p_values(differences, np.random.default_rng(random_state))
    one_sided = [
        upper_t_p_values(sign * differences, cross_validated=cross_validated) for sign in (1, -1)
    ]
    return np.maximum(by_flips, np.minimum(2 * np.minimum(*one_sided), 1))


def subjects_needed(n_pairs: int) -> int:
    """Return the fewest subjects whose p-values can be below 0.05 after correction.

    Examples
    --------
    >>> [subjects_needed(n_pairs) for n_pairs in (1, 3, 28)]
    [6, 7, 11]
    """
    n_subjects = 2
    while n_pairs * lowest_p_value(n_subjects) >= LEVEL:
        n_subjects += 1
    return n_subjects


def describe_limits(comparisons: pd.DataFrame, n_subjects: int) -> str:
    """Return a sentence about pairs whose p-values cannot be below 0.05, or "" if there are none.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [0.7, 0.8, 0.9, 0.8], "b": [0.5, 0.6, 0.6, 0.5]})
    >>> found = compare_pairs(scores, [("a", "b")], 0, cross_validated=True, by_other=True)
    >>> describe_limits(found, n_subjects=4)
    'Nothing can be concluded from p-values of comparisons with b: with 4 subjects they cannot be
    below 0.125 after correction for 1 pair; 6 subjects are needed for a p-value below 0.05.'
    """
    limited = comparisons[comparisons["p_lowest"] >= LEVEL]
    if limited.empty:
        return ""
    n_pairs, others = int(limited["n_corrected"].max()), ", ".join(limited["other"].unique())
    return (
        f"Nothing can be concluded from p-values of comparisons with {others}: with "
        f"{n_subjects} subjects they cannot be below {limited['p_lowest'].max():.3g} after "
        f"correction for {n_pairs} pair{'s' if n_pairs > 1 else ''}; {subjects_needed(n_pairs)} "
        "subjects are needed for a p-value below 0.05."
    )
