"""Who a row is from: told by a column or by groups, and passed on to what splits by subject."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.model_selection import BaseCrossValidator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .._typing import Array


def check_subjects(subjects: Any, n_rows: int) -> Array:
    """Return the subject of each row, as strings or numbers, which sort; refuse gaps."""
    subjects = check_length("groups", subjects, n_rows)
    missing = pd.isna(subjects)
    if subjects.dtype.kind == "f":
        missing |= np.isinf(subjects)
    if missing.any():
        raise ValueError(
            f"Row {int(missing.argmax())} has no subject, but NaN, None or inf ({missing.sum()} of "
            f"{n_rows} rows); drop such rows."
        )
    if subjects.dtype.kind != "O":
        return subjects
    # Names in objects become strings, which sort and compare with those of another call.
    subjects = np.array(subjects.tolist())
    if subjects.shape != (n_rows,) or subjects.dtype.kind == "O":
        raise TypeError("Subjects are of mixed kinds; each argument must be a string or a number.")
    return subjects


def check_length(name: str, values: Any, n_rows: int) -> Array:
    """Return one value for each row, and refuse any other number of them."""
    values = np.asarray(values)
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {values.shape}, but X has {n_rows} rows; expected one value each."
        )
    return values


def column_names(X: Any) -> list[Any]:
    """Names of the columns, or their positions where X is an array."""
    if hasattr(X, "columns"):
        return list(getattr(X, "column_names", X.columns))  # Arrow's columns are its values
    return list(range(X.shape[1]))


def column_position(parameter: str, column: str | int, names: list[Any]) -> int:
    """Return where a column is that is given by name, or by position."""
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, Integral) and -len(names) <= column < len(names):
        return int(column) % len(names)
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    raise ValueError(
        f"{parameter}={column!r} is no column of X, which has {len(names)}: {shown}. Arrays have "
        "no names: give a position, or a frame (set_output(transform='pandas') on the step before)."
    )


def column_values(X: Any, at: int) -> Array:
    """Values of the column at a position."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, at].to_numpy()
    return np.asarray(X[column_names(X)[at]] if hasattr(X, "columns") else X[:, at])


def name_some(names: Any, at_most: int = 5) -> str:
    """List names, and how many more there are.

    Examples
    --------
    >>> name_some(["a", "b", "c"], at_most=2)
    "'a', 'b' and 1 more"
    """
    names = np.asarray(names).tolist()
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(repr(name) for name in names[:at_most]) + more


def groups_for(estimator: Any, groups: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what to pass to `fit` of estimators that take subjects, such as searches by subject.

    With metadata routing those that ask for ``groups``; without it estimators whose `fit` has such
    a parameter, searches whose ``cv`` splits by group, and Pipelines that end in one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.pipeline import Pipeline
    >>> search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(2))
    >>> groups_for(Pipeline([("search", search)]), np.array([1, 1, 2, 2]))
    {'search__groups': array([1, 1, 2, 2])}
    >>> groups_for(LogisticRegression(), np.array([1, 1, 2, 2]))
    {}
    """
    if get_config()["enable_metadata_routing"]:
        asked = get_routing_for_object(estimator).consumes("fit", ["groups"])
        return {"groups": groups} if asked else {}
    if isinstance(estimator, Pipeline):
        last, step = estimator.steps[-1]
        return {f"{last}__{key}": value for key, value in groups_for(step, groups).items()}
    if hasattr(estimator, "cv") and hasattr(estimator, "estimator"):  # a search
        splits_groups = isinstance(estimator.cv, BaseCrossValidator) and get_routing_for_object(
            estimator.cv
        ).consumes("split", ["groups"])
        return {"groups": groups} if splits_groups else {}
    return {"groups": groups} if has_fit_parameter(estimator, "groups") else {}
