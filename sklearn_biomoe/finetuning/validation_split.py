"""The validation split: subjects held out of training, whose loss decides when to stop."""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from .._typing import Array, Rows
from .._validation.parameters import check_number
from .._validation.subjects import check_subjects, name_some


def split_validation(validation: Any, y: Array, groups: Any, seed: int) -> tuple[Rows, Rows]:
    """Split windows into training and validation windows, by subject.

    Parameters
    ----------
    validation : None, float or splitter
        None holds out no window, a number a random share of the subjects, and a splitter the test
        windows of its first split.
    y : ndarray of shape (n_windows,)
    groups : array-like of shape (n_windows,) or None
        Subjects.
    seed : int

    Returns
    -------
    training, held_out : ndarray of int
        Rows, ascending.

    Raises
    ------
    ValueError
        If a number is not between 0 and 1; if groups are missing or contain a single subject; if
        the first split has a subject on both sides, or one side is empty.
    TypeError
        If ``validation`` is neither None, a number nor a splitter.

    Examples
    --------
    >>> split_validation(0.5, np.zeros(4), ["a", "a", "b", "b"], seed=0)
    (array([0, 1]), array([2, 3]))
    """
    rows = np.arange(len(y))
    if validation is None:
        return rows, rows[:0]
    subjects = _read_subjects(validation, groups, len(y))
    splitter = validation
    if isinstance(validation, Real):
        alternative = "a splitter such as GroupShuffleSplit, or None"
        check_number("validation", validation, above=0, below=1, alternative=alternative)
        splitter = GroupShuffleSplit(1, test_size=float(validation), random_state=seed)
    elif isinstance(validation, str) or not hasattr(validation, "split"):
        raise TypeError(
            f"validation={validation!r}; expected None, a share of the subjects, or a splitter "
            "such as GroupShuffleSplit."
        )
    with warnings.catch_warnings():
        # Splitters that ignore groups warn; if that puts a subject on both sides, it is an error.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        training, held_out = next(iter(splitter.split(rows, y, subjects)))
    training, held_out = rows[training], rows[held_out]  # masks become positions
    if not len(training) or not len(held_out):
        raise ValueError(
            f"validation={validation!r} leaves {len(training)} windows for training and "
            f"{len(held_out)} for validation; expected at least one of each."
        )
    both = np.intersect1d(subjects[training], subjects[held_out])
    if len(both):
        raise ValueError(
            f"validation={validation!r} puts subjects {name_some(both)} both in training and in "
            "validation. Pass a splitter that keeps subjects together, such as GroupShuffleSplit, "
            "or a share of the subjects."
        )
    return np.sort(training), np.sort(held_out)


def _read_subjects(validation: Any, groups: Any, n_windows: int) -> Array:
    if groups is None:
        raise ValueError(
            f"validation={validation!r} holds out subjects, but fit got no groups. Pass the "
            "subject of each window: fit(X, y, groups=groups), or in a Pipeline fit(X, y, "
            "tinybiomoeclassifier__groups=groups), or set_fit_request(groups=True) with metadata "
            "routing."
        )
    subjects = check_subjects(groups, n_windows)
    if len(np.unique(subjects)) < 2:
        raise ValueError(
            f"All windows are of subject {name_some(np.unique(subjects))}, which leaves no other "
            "subject to train on. Add subjects, or pass validation=None."
        )
    return subjects
