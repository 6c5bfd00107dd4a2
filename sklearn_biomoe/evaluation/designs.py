"""Designs: orders of conditions, and controls by elapsed time that suit them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import Pipeline

from .._typing import Array, FloatArray
from ..signals.checks.study_design import order_kind, order_sequences, time_only_methods
from .baselines import PREDICTORS
from .folds import Fold, make_folds
from .tasks import Task

SHOWN_ORDERS = 4


@dataclass(frozen=True)
class Design:
    """The order of conditions of each subject.

    Parameters
    ----------
    kind : {"fixed", "counterbalanced", "random"}
    orders : dict of subject to tuple
        Classes or levels as they first occur, or "rising" or "falling" ratings.
    description : str
        A sentence.
    """

    kind: str
    orders: dict[Any, tuple[Any, ...]]
    description: str

    @property
    def has_several_orders(self) -> bool:
        """Whether more than a few subjects have another order than most."""
        return self.kind != "fixed" and len(set(self.orders.values())) > 1


class TimeControls(NamedTuple):
    """Methods that use only the start of a window, and how they are evaluated.

    Without methods if they are left out. The decision is a sentence about the design and the folds.
    """

    methods: dict[str, Pipeline]
    folds: list[Fold]
    decision: str


def find_design(y: Array, groups: Array, start: FloatArray, *, has_classes: bool) -> Design:
    """Return the orders in which subjects have the conditions.

    Parameters
    ----------
    y : ndarray of shape (n_windows,)
        Classes, levels or ratings.
    groups, start : ndarray of shape (n_windows,)
        Subjects, and start of each window in seconds.
    has_classes : bool
        False for ratings. Their order is whether they rise or fall over the session.

    Examples
    --------
    >>> y = np.array(["rest", "pain", "pain", "rest", "rest", "pain"])
    >>> design = find_design(
    ...     y, np.array([1, 1, 2, 2, 3, 3]), np.array([0, 1, 0, 1, 0, 1.0]), has_classes=True
    ... )
    >>> design.kind, design.description
    ('random', 'Order of conditions: random (2 subjects: rest, pain; 1 subject: pain, rest).')
    """
    if has_classes:
        sequences = order_sequences(y, groups, start)
        orders = {subject: tuple(dict.fromkeys(own)) for subject, own in sequences.items()}
    else:
        sequences = orders = {
            subject: (_trend(y[groups == subject], start[groups == subject]),)
            for subject in np.unique(groups)
        }
    kind = order_kind(sequences)
    counts = Counter(orders.values())
    shown = [
        f"{n} subject{'s' if n > 1 else ''}: {', '.join(map(str, order))}"
        for order, n in counts.most_common(SHOWN_ORDERS)
    ]
    more = [f"{len(counts) - len(shown)} other orders"] if len(counts) > len(shown) else []
    name = f"Order of conditions: {kind}" if has_classes else "Ratings over a session"
    return Design(kind, orders, f"{name} ({'; '.join(shown + more)}).")


def _trend(ratings: Array, start: FloatArray) -> str:
    slope = np.sum((ratings - ratings.mean()) * (start - start.mean()))
    return "rising" if slope > 0 else "falling"


def plan_time_controls(
    task: Task, y: Array, groups: Array, folds: list[Fold], design: Design
) -> TimeControls:
    """Return controls by elapsed time, and folds in which they are not worse than chance.

    If subjects have different orders and a fold tests one subject, the order of this subject is
    rarer in training than in the study, and elapsed time predicts the opposite of its classes. The
    controls are therefore evaluated in folds that each test subjects of every order.

    References
    ----------
    Görgen et al., "The same analysis approach: practical protection against the pitfalls of novel
    neuroimaging analysis methods", 2018, doi:10.1016/j.neuroimage.2017.12.083.
    """
    methods = time_only_methods(PREDICTORS[task.name])
    if len(folds) == 1 or not design.has_several_orders:
        return TimeControls(methods, folds, design.description)
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    subjects = np.unique(groups[tested])
    numbers = _deal_subjects({subject: design.orders[subject] for subject in subjects.tolist()})
    if not numbers:
        reason = (
            "The time controls are left out, because every subject has an order that no other "
            "subject has."
        )
        return TimeControls({}, [], f"{design.description} {reason}")
    fold_of_row = np.full(len(groups), -1)  # not tested
    fold_of_row[tested] = [numbers[subject] for subject in groups[tested].tolist()]
    balanced = make_folds(PredefinedSplit(fold_of_row), y, groups)
    reason = (
        f"Each of the {len(balanced)} folds of the time controls therefore tests subjects of every "
        "order that several subjects have."
    )
    return TimeControls(methods, balanced, f"{design.description} {reason}")


def _deal_subjects(orders: dict[Any, tuple[Any, ...]]) -> dict[Any, int]:
    """Return a fold for each subject, with subjects of every order in each fold.

    Orders of a single subject are dealt to any fold. Empty if there are only such orders.
    """
    counts = Counter(orders.values())
    shared = [n for n in counts.values() if n > 1]
    if not shared:
        return {}
    n_folds = min(shared)
    numbers: dict[Any, int] = {}
    dealt: Counter[Any] = Counter()
    for subject, order in orders.items():
        pile = order if counts[order] > 1 else "single"
        numbers[subject] = dealt[pile] % n_folds
        dealt[pile] += 1
    return numbers
