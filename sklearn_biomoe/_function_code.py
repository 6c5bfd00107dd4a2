"""Texts that change with the code of a function, and are equal in every process."""

import re
from functools import partial
from inspect import isfunction
from types import CodeType
from typing import Any


def describe_function(value: Any) -> str:
    """Return the code, defaults and enclosed values of a function; "" for other values.

    Functions that it calls are not followed. The text is equal in every process with the same
    version of Python.

    Examples
    --------
    >>> describe_function(lambda x: x + 1) == describe_function(lambda x: x + 2)
    False
    >>> describe_function("text")
    ''
    """
    if isinstance(value, partial):
        return f"{describe_function(value.func)} {value.args!r} {value.keywords!r}"
    function = getattr(value, "__func__", value)  # of a method
    if not isfunction(function):
        return ""
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    values += [function.__defaults__, function.__kwdefaults__]
    # Enclosed functions by their code only, because a function may enclose itself.
    enclosed = [_describe(each.__code__ if isfunction(each) else each) for each in values]
    return " ".join([_describe(function.__code__), *enclosed])


def _describe(constant: Any) -> str:
    """Return a text of code, or of a constant in it, that is equal in every process."""
    if isinstance(constant, CodeType):
        constants = [*map(_describe, constant.co_consts)]
        return f"{constant.co_code.hex()} {constant.co_names!r} {constants!r}"
    if isinstance(constant, frozenset):  # whose order depends on the process
        return repr(sorted(map(repr, constant)))
    return repr(constant)


def without_addresses(text: str) -> str:
    """Return a text without the addresses of objects in memory.

    Examples
    --------
    >>> without_addresses("<function fit at 0x7f00>")
    '<function fit>'
    """
    return re.sub(r" at 0x[0-9a-f]+", "", text)
