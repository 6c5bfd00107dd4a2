"""Targets: checks of y, and class probabilities in a common order of classes."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, column_or_1d

from .._typing import Array, FloatArray, Rows
from .subjects import name_some

MOST_NUMERIC_CLASSES = 5  # more distinct numbers are ratings, such as those from 0 to 10


def read_targets(y: Any, X: Any, name: str) -> Array:
    """Return one target for each row of X; raise ValueError for missing ones.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    X : array-like of n_rows
    name : str
        Of the estimator, for messages.

    Returns
    -------
    targets : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If y is None, differs from X in length, or contains NaN, None or infinity.

    Examples
    --------
    >>> read_targets([1, 0], [["a"]], "Estimator")
    Traceback (most recent call last):
    ...
    ValueError: y has 2 targets, but X has 1 rows; give one for each row, in the same order.
    """
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    targets: Array = column_or_1d(y, warn=True)
    if len(targets) != _num_samples(X):
        raise ValueError(
            f"y has {len(targets)} targets, but X has {_num_samples(X)} rows; give one for each "
            "row, in the same order."
        )
    check_not_missing("y", targets)
    if targets.dtype.kind == "f" and np.isinf(targets).any():
        row = int(np.isinf(targets).argmax())
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64') in row "
            f"{row}; drop such rows, or correct y."
        )
    return targets


def read_classes(y: Any, X: Any, name: str, rows: str = "windows") -> tuple[Array, Rows]:
    """Return the sorted classes, two or more, and the position in them of each row's class.

    Parameters and further errors are those of `read_targets`; ``rows`` are named in the message.

    Examples
    --------
    >>> read_classes(["b", "a", "b"], [[0], [1], [2]], "Classifier")
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1]))
    >>> read_classes(["b", "b"], [[0], [1]], "Classifier")
    Traceback (most recent call last):
    ...
    ValueError: All training windows are of one class, 'b'; add windows of another class.
    """
    targets = read_targets(y, X, name)
    check_classification_targets(targets)
    classes, codes = np.unique(targets, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"All training {rows} are of one class, {name_some(classes) or 'none'}; add {rows} of "
            "another class."
        )
    return classes, codes


def read_values(y: Any, X: Any, name: str) -> FloatArray:
    """Return one number for each row of X; raise ValueError for missing ones and non-numbers.

    Parameters and further errors are those of `read_targets`.

    Examples
    --------
    >>> read_values([1, "high"], [["a"], ["b"]], "Estimator")
    Traceback (most recent call last):
    ...
    ValueError: y holds 'high' in row 1; Estimator predicts numbers.
    """
    targets = read_targets(y, X, name)
    values = pd.to_numeric(pd.Series(targets), errors="coerce").to_numpy(np.float64)
    if np.isnan(values).any():
        row = int(np.isnan(values).argmax())
        raise ValueError(f"y holds {str(targets[row])!r} in row {row}; {name} predicts numbers.")
    return values


def is_rating(targets: Array) -> bool:
    """Return whether targets are numbers that are fractions, or of more than five values.

    Fewer whole numbers, and texts, are classes.

    Examples
    --------
    >>> is_rating(np.arange(11)), is_rating(np.array([0, 1, 2])), is_rating(np.array([0.5, 1.0]))
    (True, False, True)
    >>> is_rating(np.array(["low", "high"]))
    False
    """
    numbers = pd.Series(targets).infer_objects()
    if numbers.dtype.kind not in "iuf":
        return False
    distinct = np.unique(numbers)
    return len(distinct) > MOST_NUMERIC_CLASSES or bool((distinct != np.round(distinct)).any())


def check_not_missing(parameter: str, values: Array) -> None:
    """Raise ValueError for NaN and None, worded as in scikit-learn, with the first such row.

    Examples
    --------
    >>> check_not_missing("groups", np.array(["S01", None]))
    Traceback (most recent call last):
    ...
    ValueError: Input groups contains NaN or None in row 1 (1 of 2 rows); drop or fill them.
    """
    missing = pd.isna(values)
    if missing.any():
        raise ValueError(
            f"Input {parameter} contains NaN or None in row {int(missing.argmax())} "
            f"({missing.sum()} of {len(values)} rows); drop or fill them."
        )


def predict_probabilities(classifier: Any, X: Any, classes: Array) -> FloatArray:
    """Return probabilities with a column for each of ``classes``.

    Parameters
    ----------
    classifier : fitted classifier with predict_proba
    X : array-like of n_rows
    classes : ndarray of shape (n_classes,)
        Sorted. Those that the classifier was not trained on have probability 0.

    Returns
    -------
    probabilities : ndarray of shape (n_rows, n_classes)

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> classifier = DummyClassifier(strategy="prior").fit([[0], [0]], ["a", "c"])
    >>> predict_probabilities(classifier, [[0]], np.array(["a", "b", "c"]))
    array([[0.5, 0. , 0.5]])
    """
    found = np.asarray(classifier.predict_proba(X), dtype=np.float64)
    probabilities = np.zeros((len(found), len(classes)))
    probabilities[:, np.searchsorted(classes, classifier.classes_)] = found
    return probabilities
