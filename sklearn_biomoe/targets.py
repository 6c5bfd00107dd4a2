"""What is to be predicted of each row of X."""

from typing import Any

from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples, assert_all_finite, column_or_1d


def read_targets(y: Any, X: Any, name: str) -> NDArray[Any]:
    """Return one target for each row of X; refuse gaps.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    X : array-like of n_rows
    name : str
        Of the estimator.

    Returns
    -------
    targets : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        Where y is None, has another length than X, or holds NaN, None or infinity.

    Examples
    --------
    >>> read_targets([1, 0], [["a"]], "Estimator")
    Traceback (most recent call last):
    ...
    ValueError: y has 2 targets, but X has 1 rows; give one for each row, in the same order.
    """
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    targets: NDArray[Any] = column_or_1d(y, warn=True)
    if len(targets) != _num_samples(X):
        raise ValueError(
            f"y has {len(targets)} targets, but X has {_num_samples(X)} rows; give one for each "
            "row, in the same order."
        )
    assert_all_finite(targets, input_name="y")
    return targets
