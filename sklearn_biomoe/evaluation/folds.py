"""Folds: which windows are used for training and which for testing."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.utils import check_random_state

from .._typing import Array, Rows
from .._validation.parameters import check_integer
from .._validation.subjects import name_some


@dataclass(frozen=True)
class Fold:
    """One split into training and test windows.

    Parameters
    ----------
    number : int
        Counts from 0 over all repeats.
    repeat : int
        How often the test windows have been tested in earlier folds.
    train, test : ndarray of int
        Positions of windows.
    """

    number: int
    repeat: int
    train: Rows
    test: Rows


class RepeatedGroupKFold:
    """K-fold cross-validation over subjects, repeated with different subjects in each fold.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds in each repeat. Each subject is tested once in each repeat.
    n_repeats : int, default=10
    random_state : int, RandomState instance or None, default=None

    See Also
    --------
    sklearn.model_selection.GroupKFold : A single repeat.

    Examples
    --------
    >>> import numpy as np
    >>> folds = RepeatedGroupKFold(2, n_repeats=3, random_state=0)
    >>> folds.get_n_splits()
    6
    >>> groups = np.repeat(["a", "b", "c", "d"], 5)
    >>> sum(len(test) for _, test in folds.split(groups, groups=groups))
    60
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        n_repeats: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.n_repeats = n_repeats
        self.random_state = random_state

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows of each fold.

        Parameters
        ----------
        X : array-like of shape (n_windows, ...)
        y : None
            Ignored.
        groups : array-like of shape (n_windows,)
            Subjects.

        Yields
        ------
        train, test : ndarray of int
        """
        check_integer("n_repeats", self.n_repeats)
        random = check_random_state(self.random_state)
        for _ in range(self.n_repeats):
            seed = int(random.randint(2**31))
            splitter = GroupKFold(self.n_splits, shuffle=True, random_state=seed)
            yield from splitter.split(X, y, groups)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds in all repeats."""
        return self.n_splits * self.n_repeats


def make_folds(cv: Any, y: Array, groups: Array) -> list[Fold]:
    """Split the windows into folds; raise ValueError for folds that cannot be used.

    These have no test windows, or training windows of a single class.
    """
    if isinstance(cv, str) and cv == "leave_one_subject_out":
        cv = LeaveOneGroupOut()
    if not hasattr(cv, "split"):
        raise ValueError(
            f"cv={cv!r}; expected 'leave_one_subject_out' or a splitter such as "
            "RepeatedGroupKFold(5)."
        )
    folds: list[Fold] = []
    times_tested = np.zeros(len(y), dtype=int)
    with warnings.catch_warnings():
        # Splits that ignore subjects raise an alarm instead.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        for number, (train, test) in enumerate(cv.split(y, y, groups)):
            train, test = np.asarray(train), np.asarray(test)
            _check_fold(number, train, test, y, groups)
            folds.append(Fold(number, int(times_tested[test].max()), train, test))
            times_tested[test] += 1
    if not folds:
        raise ValueError(f"cv={cv!r} makes no folds; pass another splitter.")
    return folds


def _check_fold(number: int, train: Rows, test: Rows, y: Array, groups: Array) -> None:
    if len(test) == 0:
        raise ValueError(f"Fold {number} has no test windows; pass another cv.")
    present = np.unique(y[train])
    if len(present) < 2:
        raise ValueError(
            f"Fold {number}, which tests subjects {name_some(np.unique(groups[test]))}, has "
            f"training windows of classes {name_some(present) or 'none'}; a classifier needs two "
            "or more. Add subjects with windows of the other classes."
        )
