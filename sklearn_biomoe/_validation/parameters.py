"""Checks of single parameters: names from a list, integers and finite numbers."""

from collections.abc import Sequence
from difflib import get_close_matches
from math import isfinite
from numbers import Integral, Real
from typing import Any


def check_option(name: str, value: object, options: Sequence[str]) -> None:
    """Raise ValueError if ``value`` is not one of ``options``; suggest the nearest spelling.

    Examples
    --------
    >>> check_option("precision", "float16", ["float32", "bfloat16"])
    Traceback (most recent call last):
    ...
    ValueError: Unknown precision 'float16'; expected one of ['bfloat16', 'float32']. Did you mean
    'bfloat16'?
    """
    if value in options:
        return
    nearest = get_close_matches(str(value), options, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(f"Unknown {name} {value!r}; expected one of {sorted(options)}.{hint}")


def is_number(value: Any) -> bool:
    """Return whether ``value`` is a finite real number and not a bool.

    Examples
    --------
    >>> is_number(4), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    unit: str = "",
    alternative: str = "",
    given: Any = None,
) -> None:
    """Raise ValueError if ``value`` is not a finite number in a range.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
    above, minimum, below : float, default=None
        Bounds: exclusive, inclusive and exclusive.
    unit : str, default=""
        Such as "Hz" or "seconds".
    alternative : str, default=""
        What else is accepted, such as "None" or "'auto'"; the caller handles it.
    given : object, default=None
        What to show instead of ``value`` if that is only a part of the parameter.

    Examples
    --------
    >>> check_number("sampling_rate", -4, above=0, unit="Hz", alternative="None")
    Traceback (most recent call last):
    ...
    ValueError: sampling_rate=-4; expected a finite number above 0 in Hz, or None.
    """
    if (
        is_number(value)
        and (above is None or value > above)
        and (minimum is None or value >= minimum)
        and (below is None or value < below)
    ):
        return
    bounds = [
        f" above {above:g}" if above is not None else "",
        f" of {minimum:g} or more" if minimum is not None else "",
        f" below {below:g}" if below is not None else "",
    ]
    expected = " and".join(bound for bound in bounds if bound)
    raise ValueError(
        f"{name}={(value if given is None else given)!r}; expected a finite number{expected}"
        f"{f' in {unit}' if unit else ''}{f', or {alternative}' if alternative else ''}."
    )


def check_integer(name: str, value: Any, *, minimum: int = 1, alternative: str = "") -> None:
    """Raise ValueError if ``value`` is not an integer of ``minimum`` or more.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
    minimum : int, default=1
    alternative : str, default=""
        What else is accepted; the caller handles it.

    Examples
    --------
    >>> check_integer("batch_size", 0, alternative="'auto'")
    Traceback (most recent call last):
    ...
    ValueError: batch_size=0; expected an integer of 1 or more, or 'auto'.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum:
        return
    raise ValueError(
        f"{name}={value!r}; expected an integer of {minimum} or more"
        f"{f', or {alternative}' if alternative else ''}."
    )
