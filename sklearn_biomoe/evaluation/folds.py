"""Which windows are trained on and which are tested, fold by fold."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut
from sklearn.utils import check_random_state

from .._typing import Rows
from .._validation.subjects import name_some


@dataclass(frozen=True)
class Fold:
    """One split.

    Parameters
    ----------
    number : int
    repeat : int
        How often its windows have been tested before.
    train, test : ndarray of int
        Positions of windows.
    """

    number: int
    repeat: int
    train: Rows
    test: Rows


class RepeatedGroupKFold:
    """Leave out a share of the subjects at a time, and do it over with other shares.

    Parameters
    ----------
    n_splits : int, default=5
        Parts that the subjects are dealt into; each is tested once in each repeat.
    n_repeats : int, default=10
    random_state : int, RandomState instance or None, default=None

    See Also
    --------
    sklearn.model_selection.GroupKFold : One repeat of it.

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
            The subjects.

        Yields
        ------
        train, test : ndarray of int
        """
        random = check_random_state(self.random_state)
        for _ in range(self.n_repeats):
            seed = int(random.randint(2**31))
            yield from GroupKFold(self.n_splits, shuffle=True, random_state=seed).split(
                X, y, groups
            )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds in all repeats."""
        return self.n_splits * self.n_repeats


def make_folds(cv: Any, y: NDArray[Any], groups: NDArray[Any]) -> list[Fold]:
    """Split the windows, and refuse splits that nothing can be learnt from.

    Parameters
    ----------
    cv : "leave_one_subject_out" or splitter
    y, groups : ndarray of shape (n_windows,)

    Returns
    -------
    folds : list of Fold

    Raises
    ------
    ValueError
        For what is no splitter, and for a fold without test windows or whose training part has a
        single class.
    """
    if isinstance(cv, str) and cv == "leave_one_subject_out":
        cv = LeaveOneGroupOut()
    if not hasattr(cv, "split"):
        raise ValueError(
            f"cv={cv!r}; expected 'leave_one_subject_out' or a splitter such as "
            "RepeatedGroupKFold(5)."
        )
    with warnings.catch_warnings():
        # Splitters that ignore subjects say so; here an alarm does.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        splits = list(cv.split(y, y, groups))
    folds: list[Fold] = []
    times_tested = np.zeros(len(y), dtype=int)
    for number, (train, test) in enumerate(splits):
        _check_fold(number, np.asarray(train), np.asarray(test), y, groups)
        folds.append(Fold(number, int(times_tested[test].max()), train, test))
        times_tested[test] += 1
    return folds


def _check_fold(
    number: int, train: Rows, test: Rows, y: NDArray[Any], groups: NDArray[Any]
) -> None:
    if len(test) == 0:
        raise ValueError(f"Fold {number} tests no window; give another cv.")
    present = np.unique(y[train])
    if len(present) < 2:
        raise ValueError(
            f"Without {name_some(np.unique(groups[test]))} (fold {number}), all training windows "
            f"are of class {name_some(present)}: nothing can be learnt. Add subjects that have the "
            "other classes."
        )
