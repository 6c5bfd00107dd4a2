"""Subjects held out of training, on whom it is decided when to stop."""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit

from .._typing import Rows
from .._validation.subjects import check_subjects, name_some


def hold_out(validation: Any, y: NDArray[Any], groups: Any, seed: int) -> tuple[Rows, Rows]:
    """Part the windows by subject.

    Parameters
    ----------
    validation : None, float or splitter
        None holds nobody out. A number is a share of the subjects, who are drawn. Of a splitter the
        first split is taken.
    y : ndarray of shape (n_windows,)
    groups : array-like of shape (n_windows,) or None
        Subjects.
    seed : int

    Returns
    -------
    training, held_out : ndarray of int
        Positions of windows, ascending.

    Raises
    ------
    ValueError
        For a number that is no share, no subjects or a single one, and a splitter whose first split
        has a subject or a window on both sides, or nothing on one.
    TypeError
        For what is neither a number nor a splitter.

    Examples
    --------
    >>> hold_out(0.5, np.zeros(4), ["a", "a", "b", "b"], seed=0)
    (array([0, 1]), array([2, 3]))
    """
    everything = np.arange(len(y))
    if validation is None:
        return everything, everything[:0]
    subjects = _read_subjects(validation, groups, len(y))
    splitter = validation
    if isinstance(validation, Real):
        if isinstance(validation, bool) or not 0 < float(validation) < 1:
            raise ValueError(
                f"validation={validation!r}; expected a share of the subjects above 0 and below 1, "
                "a splitter such as GroupShuffleSplit, or None."
            )
        splitter = GroupShuffleSplit(1, test_size=float(validation), random_state=seed)
    elif isinstance(validation, str) or not hasattr(validation, "split"):
        raise TypeError(
            f"validation={validation!r}; expected None, a share of the subjects, or a splitter "
            "such as GroupShuffleSplit."
        )
    with warnings.catch_warnings():
        # Splitters that ignore subjects say so; here an error does, where it matters.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        training, held_out = next(iter(splitter.split(everything, y, subjects)))
    training, held_out = everything[training], everything[held_out]  # masks become positions
    _check_parts(validation, subjects, training, held_out)
    return np.sort(training), np.sort(held_out)


def _read_subjects(validation: Any, groups: Any, n_windows: int) -> NDArray[Any]:
    if groups is None:
        raise ValueError(
            f"validation={validation!r} holds out subjects, but fit was not told whose window is "
            "whose: pass groups, one for each window. Through a Pipeline that is "
            "fit(X, y, tinybiomoeclassifier__groups=groups), or set_fit_request(groups=True) with "
            "metadata routing."
        )
    subjects = check_subjects(groups, n_windows)
    if len(np.unique(subjects)) < 2:
        raise ValueError(
            f"All windows are of subject {name_some(np.unique(subjects))}: nobody can be held out. "
            "Add subjects, or pass validation=None."
        )
    return subjects


def _check_parts(validation: Any, subjects: NDArray[Any], training: Rows, held_out: Rows) -> None:
    if not len(training) or not len(held_out):
        raise ValueError(
            f"validation={validation!r} leaves {len(training)} windows for training and "
            f"{len(held_out)} held out; expected some of each."
        )
    both = np.intersect1d(subjects[training], subjects[held_out])
    if len(both):
        raise ValueError(
            f"validation={validation!r} puts subjects {name_some(both)} both in training and among "
            "those held out, so that stopping would be decided on people who were learnt from. "
            "Pass a splitter that keeps subjects together, such as GroupShuffleSplit, or a share."
        )
