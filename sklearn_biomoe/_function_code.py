"""Texts that change with the code of a function or a class, and are equal in every process."""

import re
import sys
from functools import partial
from inspect import isclass, isfunction
from types import CodeType
from typing import Any

PACKAGE = __name__.partition(".")[0]
Constant = bool | int | float | complex | str | bytes | tuple | frozenset | None


def describe_function(value: Any) -> str:
    """Return the code of a function, with what it uses; "" for other values.

    What it uses are its defaults, the values that it encloses, and the functions, classes and
    constants of its own module that it names, unless this is an installed package.

    Examples
    --------
    >>> describe_function(lambda x: x + 1) == describe_function(lambda x: x + 2)
    False
    >>> describe_function("text")
    ''
    """
    return _describe_function(value, set())


def describe_class(value: type) -> str:
    """Return the code of a class and its bases of the same module; "" for installed packages.

    Examples
    --------
    >>> describe_class(int)
    ''
    """
    return _describe_class(value, set())


def without_addresses(text: str) -> str:
    """Return a text without the addresses of objects in memory.

    Examples
    --------
    >>> without_addresses("<function fit at 0x7f00>")
    '<function fit>'
    """
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _describe_function(value: Any, seen: set[int]) -> str:
    if isinstance(value, partial):
        return f"{_describe_function(value.func, seen)} {value.args!r} {value.keywords!r}"
    function = getattr(value, "__func__", value)  # of a method
    if not isfunction(function) or id(function) in seen:
        return ""
    seen.add(id(function))
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    values += [function.__defaults__, function.__kwdefaults__]
    described = [_describe_function(each, seen) or _describe_constant(each) for each in values]
    if _is_own(function.__module__):
        names = sorted(_names_in(function.__code__) & function.__globals__.keys())
        used = [_describe_used(function.__globals__[name], function, seen) for name in names]
        described += [f"{name}: {each}" for name, each in zip(names, used, strict=True) if each]
    return " ".join([_describe_constant(function.__code__), *described])


def _describe_used(value: Any, by: Any, seen: set[int]) -> str:
    if isinstance(value, Constant):
        return _describe_constant(value)
    if getattr(value, "__module__", None) != by.__module__:
        return ""
    return _describe_class(value, seen) if isclass(value) else _describe_function(value, seen)


def _describe_class(value: type, seen: set[int]) -> str:
    if not _is_own(value.__module__) or id(value) in seen:
        return ""
    seen.add(id(value))
    bases = [each for each in value.__mro__ if each.__module__ == value.__module__]
    members = [
        (name, member)
        for each in bases
        for name, member in sorted(vars(each).items())
        if name not in ("__module__", "__qualname__", "__firstlineno__")
    ]
    return " ".join(f"{name}: {_describe_member(member, seen)}" for name, member in members)


def _describe_member(member: Any, seen: set[int]) -> str:
    if isinstance(member, Constant):
        return _describe_constant(member)
    return _describe_function(getattr(member, "fget", None) or member, seen)  # of a property


def _is_own(module: str | None) -> bool:
    """Return whether a module is the user's, not of this package, Python or site-packages."""
    root = str(module).partition(".")[0]
    if root == PACKAGE or (root in sys.stdlib_module_names and root != "__main__"):
        return False
    path = str(getattr(sys.modules.get(str(module)), "__file__", None) or "")
    return not any(f"{folder}-packages" in path for folder in ("site", "dist"))


def _names_in(code: CodeType) -> set[str]:
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def _describe_constant(constant: Any) -> str:
    """Return a text of code, or of a constant in it, that is equal in every process."""
    if isinstance(constant, CodeType):
        constants = [*map(_describe_constant, constant.co_consts)]
        return f"{constant.co_code.hex()} {constant.co_names!r} {constants!r}"
    if isinstance(constant, frozenset):  # whose order depends on the process
        return repr(sorted(map(repr, constant)))
    return repr(constant)
