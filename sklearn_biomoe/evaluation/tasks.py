"""Tasks of studies: what the target is, which metrics score it, and which of them decides."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._typing import Array, FloatArray
from .._validation.parameters import check_option
from .._validation.subjects import name_some
from .._validation.targets import is_rating, read_targets, read_values
from .metrics import (
    balanced_accuracies,
    macro_maes,
    maes,
    score_classes,
    score_levels,
    score_ratings,
)


@dataclass(frozen=True)
class Metric:
    """A metric of a task.

    Parameters
    ----------
    name : str
        Its column in ``Study.scores`` and ``Study.summary()``.
    label : str
        Its name in reports.
    greater_is_better : bool, default=True
    of : {"subject", "study"}, default="subject"
        Computed for each subject, and averaged in the summary; or from all subjects, for the
        summary only.

    Examples
    --------
    >>> REGRESSION.main
    Metric(name='mae', label='MAE', greater_is_better=False, of='subject')
    """

    name: str
    label: str
    greater_is_better: bool = True
    of: str = "subject"


@dataclass(frozen=True)
class Task:
    """What the methods of a study predict.

    Parameters
    ----------
    name : {"classification", "ordinal", "regression"}
    target : str
        What one target is called in messages: "class", "level" or "rating".
    metrics : tuple of Metric
        The first is the main one, which comparisons and tests use.
    score : callable
        Returns the metrics of one subject by name, from targets, predictions and probabilities.
    main_scores : callable
        Returns the main metric of many predictions of the same targets, shape (n_predictions,),
        from targets, predictions (n_predictions, n_windows) and the number of classes.

    Examples
    --------
    >>> [metric.name for metric in ORDINAL.metrics]
    ['macro_mae', 'weighted_kappa', 'balanced_accuracy', 'off_by_one']
    """

    name: str
    target: str
    metrics: tuple[Metric, ...]
    score: Callable[[Array, Array, FloatArray], dict[str, float]]
    main_scores: Callable[[Array, Array, int], FloatArray]

    @property
    def main(self) -> Metric:
        """The main metric."""
        return self.metrics[0]

    def __reduce__(self) -> str:
        # The name of a constant below: worker processes have the same objects, not copies.
        return self.name.upper()


CLASSIFICATION = Task(
    "classification",
    "class",
    (
        Metric("balanced_accuracy", "Balanced accuracy"),
        Metric("macro_f1", "Macro-F1"),
        Metric("roc_auc", "ROC-AUC"),
    ),
    score_classes,
    balanced_accuracies,
)
ORDINAL = Task(
    "ordinal",
    "level",
    (
        Metric("macro_mae", "Macro-averaged MAE", greater_is_better=False),
        Metric("weighted_kappa", "Quadratic weighted kappa"),
        Metric("balanced_accuracy", "Balanced accuracy"),
        Metric("off_by_one", "Off by one"),
    ),
    score_levels,
    macro_maes,
)
REGRESSION = Task(
    "regression",
    "rating",
    (
        Metric("mae", "MAE", greater_is_better=False),
        Metric("rmse", "RMSE", greater_is_better=False),
        Metric("r2", "R²"),
        Metric("concordance", "Concordance"),
        Metric("pearson", "Pearson within subjects"),
        Metric("spearman", "Spearman within subjects"),
        Metric("pearson_between", "Pearson between subjects", of="study"),
        Metric("spearman_between", "Spearman between subjects", of="study"),
    ),
    score_ratings,
    maes,
)
TASKS = {each.name: each for each in (CLASSIFICATION, ORDINAL, REGRESSION)}


class Target(NamedTuple):
    """The target of a study, as methods are fitted to it.

    Classes of the classification task are sorted; levels are in their order, and the values are
    their positions; ratings are floats and have no classes.
    """

    task: Task
    values: Array  # (n_windows,)
    classes: Any  # an array, or None for ratings
    decision: str  # a sentence

    @property
    def labels(self) -> Array:
        """Classes and ratings as they are, and the names of levels, (n_windows,)."""
        return self.classes[self.values] if self.task is ORDINAL else self.values


def read_target(y: Any, X: Any, task: str = "auto") -> Target:
    """Check the target and decide the task; raise ValueError if they do not fit.

    With "auto", ordered categories of three or more levels are ordinal, fractions and numbers of
    more than five values are ratings, and everything else is classes.
    """
    check_option("task", task, ["auto", *TASKS])
    if hasattr(y, "to_pandas"):  # polars, whose Enum is ordered, and Arrow
        y = y.to_pandas()
    targets = read_targets(y, X, "run_study")
    levels = _ordered_levels(y)
    if task == "regression" or (task == "auto" and levels is None and is_rating(targets)):
        return _read_ratings(y, X, targets, task)
    if task == "ordinal" or (task == "auto" and levels is not None and len(levels) > 2):
        return _read_levels(targets, levels, task)
    return _read_classes(targets, task)


def _read_ratings(y: Any, X: Any, targets: Array, task: str) -> Target:
    if pd.Series(targets).infer_objects().dtype.kind == "b":
        raise ValueError("task='regression', but y holds True and False; pass task='auto'.")
    values = read_values(y, X, "task='regression'")
    distinct = np.unique(values)
    found = (
        f"the target has {len(distinct)} different numbers from {distinct[0]:g} to {distinct[-1]:g}"
    )
    return Target(REGRESSION, values, None, _decision(REGRESSION, task, found))


def _read_levels(targets: Array, levels: list[Any] | None, task: str) -> Target:
    distinct = pd.unique(targets)
    if levels is None:
        levels = _levels_of_numbers(targets)
    unused = [level for level in levels if level not in set(distinct)]
    if unused:
        raise ValueError(
            f"y has the levels {name_some(levels)}, but no window of {name_some(unused)}; correct "
            "the levels, or remove this one by y.remove_unused_categories() or y.cat."
        )
    values = pd.Index(levels).get_indexer(targets)
    found = f"the levels are {' < '.join(map(str, levels))}"
    return Target(ORDINAL, values, np.array(levels), _decision(ORDINAL, task, found))


def _levels_of_numbers(targets: Array) -> list[Any]:
    """Return sorted whole numbers; raise ValueError for other targets, whose order is unknown."""
    numbers = pd.Series(targets).infer_objects()
    if numbers.dtype.kind not in "iuf":
        listed = ", ".join(repr(each) for each in sorted(map(str, set(targets)))[:5])
        raise ValueError(
            f"task='ordinal', but y holds {listed}, whose order is not known; pass an ordered "
            "categorical, such as pd.Categorical(y, categories=['low', 'medium', 'high'], "
            "ordered=True)."
        )
    if (numbers != numbers.round()).any():
        raise ValueError(
            f"task='ordinal', but y holds {numbers[numbers != numbers.round()].iloc[0]:g}; pass "
            "task='regression' for ratings, or whole numbers."
        )
    return np.unique(targets).tolist()


def _read_classes(targets: Array, task: str) -> Target:
    classes = np.unique(targets)
    numbers = pd.to_numeric(pd.Series(targets), errors="coerce")
    if numbers.notna().all() and is_rating(numbers.to_numpy()):
        warnings.warn(
            f"y holds {len(classes)} different numbers, which become as many classes without "
            "order. For ratings, pass numbers and task='regression'; for levels, task='ordinal'.",
            UserWarning,
            stacklevel=4,
        )
    found = f"the target has {len(classes)} classes"
    if len(classes) > 2 and numbers.notna().all():
        found += " that are numbers; if these are ordered levels, choose the task ordinal"
    return Target(CLASSIFICATION, targets, classes, _decision(CLASSIFICATION, task, found))


def describe_constant(target: Target, groups: Array) -> list[str]:
    """Return a sentence about subjects whose targets are constant, if there are any."""
    subjects = np.unique(groups)
    constant = [each for each in subjects if len(np.unique(target.values[groups == each])) == 1]
    if not constant or target.task is CLASSIFICATION:
        return []
    which = f"{name_some(constant)} ({len(constant)} of {len(subjects)})"
    return [
        f"The {target.task.target}s of subjects {which} are constant: metrics that are undefined "
        "for them, such as correlations, are means over the others, and counted in n_undefined."
    ]


def read_predictions(predicted: Any, target: Target) -> Array:
    """Return predictions as positions of classes or levels, or as ratings.

    Numbers that a regressor predicts for levels are rounded to the nearest level.
    """
    predicted = np.asarray(predicted)
    if target.task is CLASSIFICATION and predicted.ndim == 1:
        classes = np.unique(target.values)
        positions = pd.Index(classes).get_indexer(predicted)
        if (positions < 0).any():
            unknown = predicted[positions < 0].tolist()[0]
            raise ValueError(
                f"predict returned {unknown!r}, which is none of the classes "
                f"{', '.join(map(repr, classes.tolist()))}."
            )
        return positions
    if predicted.shape != np.shape(predicted)[:1] or not np.isfinite(predicted).all():
        raise ValueError("predict returned NaN, infinity or several values for a window.")
    if target.classes is None:
        return predicted.astype(np.float64)
    return np.clip(np.rint(predicted), 0, len(target.classes) - 1).astype(np.int64)


def _ordered_levels(y: Any) -> list[Any] | None:
    """Return the levels of an ordered categorical, or None for any other target."""
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        return list(dtype.categories)
    return None


def _decision(task: Task, requested: str, found: str) -> str:
    how = "chosen automatically" if requested == "auto" else "as requested"
    return f"Task {task.name}, {how}: {found}."
