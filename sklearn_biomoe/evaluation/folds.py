"""Folds: which windows are used for training and which for testing."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator, GroupKFold, LeaveOneGroupOut
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from .._typing import Array, Rows
from .._validation.parameters import check_integer
from .._validation.subjects import check_subjects, name_some


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
    calibration : ndarray of int, default=()
        Windows of the test subjects that are used but not scored, see `Calibration`.
    calibration_labels : bool, default=False
        Whether their targets are used too.
    """

    number: int
    repeat: int
    train: Rows
    test: Rows
    calibration: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    calibration_labels: bool = False

    @property
    def fitted(self) -> Rows:
        """The windows that methods are fitted to."""
        return np.r_[self.train, self.calibration] if self.calibration_labels else self.train

    @property
    def predicted(self) -> Rows:
        """The windows that are passed to `predict`, those to score last."""
        return self.test if self.calibration_labels else np.r_[self.calibration, self.test]


class RepeatedGroupKFold(GroupKFold):
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
        super().__init__(n_splits, shuffle=True, random_state=random_state)
        self.n_repeats = n_repeats

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


class FixedSplit(BaseCrossValidator):
    """One split into lists of subjects, as challenges publish them.

    Methods are fitted to the training subjects and scored on the test subjects. Validation subjects
    are neither: they are for choices that are made before, such as by a study of
    ``FixedSplit(train, validation, test)``, which scores them and leaves the test subjects out.

    Parameters
    ----------
    train, test : sequence of subjects
    validation : sequence of subjects, default=()

    See Also
    --------
    sklearn.model_selection.PredefinedSplit : Folds given by a number for each window.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.repeat(["P1", "P2", "P3", "P4"], 2)
    >>> split = FixedSplit(train=["P1", "P2"], test=["P4"], validation=["P3"])
    >>> [(train.tolist(), test.tolist()) for train, test in split.split(groups, groups=groups)]
    [([0, 1, 2, 3], [6, 7])]
    """

    def __init__(
        self, train: Sequence[Any], test: Sequence[Any], validation: Sequence[Any] = ()
    ) -> None:
        self.train = train
        self.test = test
        self.validation = validation

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows of the training and of the test subjects, once.

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

        Raises
        ------
        ValueError
            If a subject is in two lists or twice in one, is in no list, or has no windows; or if
            train or test is empty.
        """
        subjects = check_subjects(groups, _num_samples(X))
        self._check(set(subjects.tolist()))
        train, test = (np.flatnonzero(np.isin(subjects, part)) for part in (self.train, self.test))
        yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1."""
        return 1

    def _check(self, subjects: set[Any]) -> None:
        lists = {
            name: np.asarray(getattr(self, name)).tolist()
            for name in ("train", "validation", "test")
        }
        for name, members in lists.items():
            if not isinstance(members, list) or (not members and name != "validation"):
                raise ValueError(
                    f"{name}={getattr(self, name)!r}; expected a list of one subject or more."
                )
        listed = Counter(subject for members in lists.values() for subject in members)
        twice = [subject for subject, count in listed.items() if count > 1]
        if twice:
            where = {
                name: found for name, members in lists.items()
                if (found := [each for each in twice if each in members])
            }  # fmt: skip
            parts = "; ".join(f"{name}: {name_some(found)}" for name, found in where.items())
            raise ValueError(
                f"Subjects are listed more than once ({parts}); list each subject once."
            )
        if unknown := sorted(set(listed) - subjects, key=str):
            raise ValueError(
                f"Subjects {name_some(unknown)} are listed but have no windows; groups has "
                f"{name_some(sorted(subjects, key=str))}. Correct the lists, or remove them there."
            )
        if missing := sorted(subjects - set(listed), key=str):
            raise ValueError(
                f"Subjects {name_some(missing)} have windows but are in no list; add them to one "
                "(validation subjects are not used), or drop their windows."
            )


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
