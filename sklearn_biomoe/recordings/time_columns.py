"""Columns of tables that hold the times of their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from .._typing import FloatArray
from .._validation.parameters import check_option
from .formats import RecordingError
from .timestamps import add_zone, check_order, count_seconds, has_date, parse_times

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
UNITS = {
    "s": ("s", "sec", "secs", "second", "seconds", "sekunden"),
    "ms": ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
    "us": ("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"),
    "ns": ("ns", "nanos", "nanosecond", "nanoseconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
}
UNIT_OF_WORD = {word: unit for unit, words in UNITS.items() for word in words}
CERTAIN_WORDS = {"timestamp", "timestamps", "datetime", "zeitstempel"}
TIME_WORDS = {"t", "time", "times", "zeit", "stamp", "local", "unix", "utc", "elapsed"}
POSSIBLE_WORDS = {"time", "date", "clock", "epoch", "unix", "elapsed", "min", "minutes"}
NO_NAME = "Unnamed: 0"  # which pandas calls a first column without a name
NO_NAMES = {NO_NAME.lower(), "__index_level_0__"}
ROW_NUMBERS = {*NO_NAMES, "#", "index", "row", "sample"}
SINCE_1970 = (1e9, 4e9)  # seconds of dates from 2001 to 2096


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
    values : ndarray of float64, Series or None
        Numbers; text, dates or durations; or None for other types.
    unit : str, default=""
    problem : str, default=""
        Why the column is not a channel; empty if it is one.
    has_numbers : bool, default=False
        Whether some cells of a column with a problem are numbers.
    """

    name: str
    values: FloatArray | pd.Series[Any] | None
    unit: str = ""
    problem: str = ""
    has_numbers: bool = False


@dataclass(frozen=True)
class TimeOptions:
    """What the user states about the times.

    Parameters
    ----------
    time : str or False, default=None
        Name of their column. False if no column holds times; None finds it by its name.
    time_unit : {"s", "ms", "us", "ns", "min", "h"}, default=None
        Of numbers.
    time_format : str, default=None
        Of text, as `datetime.datetime.strptime` takes it.
    timezone : str, default=None
        Of dates without one, such as "Europe/Berlin".
    irregular : {"error", "interpolate"}, default="error"
        As `timelines.read_timeline` takes it.
    """

    time: str | bool | None = None
    time_unit: str | None = None
    time_format: str | None = None
    timezone: str | None = None
    irregular: str = "error"

    def __post_init__(self) -> None:
        check_option("irregular", self.irregular, ["error", "interpolate"])
        if self.time_unit is not None:
            check_option("time_unit", self.time_unit, list(SECONDS))
        if not (self.time is None or self.time is False or isinstance(self.time, str)):
            raise ValueError(f"time={self.time!r}; expected the name of a column, False or None.")
        try:
            ZoneInfo(self.timezone or "UTC")
        except Exception as error:  # of several kinds
            raise ValueError(
                f"timezone={self.timezone!r} does not exist; expected one such as 'Europe/Berlin'."
            ) from error


@dataclass(frozen=True)
class Times:
    """Times of all rows of a table.

    Parameters
    ----------
    column : str
    seconds : ndarray of shape (n_rows,), float64, or None
        From the first row; None for a column that only counts the rows.
    note : str
        What the reader assumed.
    start_time : datetime, default=None
    first : float, default=0.0
        Seconds of the first row, if the times are seconds of the recording and not dates.
    """

    column: str
    seconds: FloatArray | None
    note: str
    start_time: datetime | None = None
    first: float = 0.0


def find_times(
    columns: Sequence[Column],
    options: TimeOptions,
    sampling_rate: float | None,
    place: Callable[[int], str],
) -> tuple[Times | None, list[str]]:
    """Find the column of times, and read it.

    Parameters
    ----------
    columns : sequence of Column
        Of one row or more.
    options : TimeOptions
    sampling_rate : float or None
        In Hz, as the user gives it. It decides between units if a column does not state one.
    place : callable
        Returns the name of a row in messages, such as "line 7".

    Returns
    -------
    times : Times or None
    notes : list of str
        On columns that are named like times but are not read as them.

    Raises
    ------
    RecordingError
        If several columns may be the times, or a column of times is not readable.
    """
    if options.time is False:
        return None, []
    if options.time is not None:
        for column in columns:
            if column.name == options.time:
                return _read_times(column, options, sampling_rate, place), []
        names = ", ".join(repr(column.name) for column in columns)
        raise RecordingError(f"There is no column {options.time!r}; the columns are {names}.")
    found, errors, notes = [], [], []
    for column in columns:
        is_certain = _is_certain(column)
        if not is_certain and not POSSIBLE_WORDS & _words(column.name):
            continue
        try:
            found.append(_read_times(column, options, sampling_rate, place))
        except RecordingError as error:
            notes.append(f"Column {column.name!r} is not read as times: {error}")
            if is_certain or _mostly_increases(column.values):
                errors.append(error)
    if len(found) > 1:
        names = " or ".join(f"time={times.column!r}" for times in found)
        raise RecordingError(f"{len(found)} columns may be the times; pass {names}.")
    if errors and not found:
        raise errors[0]
    if found:
        return found[0], notes
    first = columns[0]
    if first.name.lower() in NO_NAMES and isinstance(first.values, pd.Series):
        return _read_times(first, options, sampling_rate, place), notes
    return _read_row_numbers(first, sampling_rate), notes


def may_be_time(name: str) -> bool:
    """Return whether a column has to be read to find out if it holds times."""
    return bool((POSSIBLE_WORDS | CERTAIN_WORDS | TIME_WORDS | set(UNIT_OF_WORD)) & _words(name))


def _words(name: str) -> set[str]:
    """Return words in lower case: "LocalTime [ms]" has "local", "time" and "ms"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {word.lower() for word in re.split(r"[\W\d_]+", spaced) if word}


def _is_certain(column: Column) -> bool:
    """Return whether a column is the time, and not only called like it, as a reaction time."""
    if isinstance(column.values, pd.Series) and column.values.dtype.kind in "Mm":
        return True
    if len(column.name) == 1 and column.name.isupper():  # a temperature, not the time
        return False
    words = _words(column.name)
    rest = words - set(UNIT_OF_WORD)
    if not rest:
        return bool(words) and {UNIT_OF_WORD[word] for word in words} <= {"s", "ms", "us"}
    return bool(CERTAIN_WORDS & words) or rest <= TIME_WORDS


def _mostly_increases(values: Any) -> bool:
    if not isinstance(values, np.ndarray) or len(values) < 2:
        return False
    return float(np.mean(np.diff(values) > 0)) > 0.9


def _read_times(
    column: Column,
    options: TimeOptions,
    sampling_rate: float | None,
    place: Callable[[int], str],
) -> Times:
    name, values = column.name, column.values
    cells = None  # of text
    if isinstance(values, pd.Series) and values.dtype.kind not in "Mm":
        cells = values.str.strip()
    if values is None or (cells is not None and column.has_numbers and ":" not in cells.iloc[0]):
        raise RecordingError(f"Column {name!r} does not hold times. {column.problem}")
    missing = np.asarray(pd.isna(values) if cells is None else cells == "")
    if missing.any():
        raise RecordingError(
            f"Column {name!r} has no time in {place(int(missing.argmax()))} ({missing.sum()} such "
            "rows); pass time=False if it does not hold times."
        )
    if isinstance(values, np.ndarray):
        if options.time_format is not None or options.timezone is not None:
            raise RecordingError(
                f"Column {name!r} has numbers, for which time_format and timezone are not used."
            )
        check_order(np.diff(values), name, values.tolist(), place, False)
        return _read_numbers(column, values, options.time_unit, sampling_rate)
    if options.time_unit is not None:
        raise RecordingError(f"Column {name!r} has text or dates, for which time_unit is not used.")
    times = values
    if cells is not None:
        times = parse_times(cells, name, options.time_format, place)
    index = pd.Index(times)
    if options.timezone is not None and isinstance(index, pd.DatetimeIndex):
        index = add_zone(times, name, options.timezone)
    is_local = has_date(index) and index.tz is None
    seconds = count_seconds(index)
    check_order(np.diff(seconds), name, values.tolist(), place, is_local)
    start = index[0].to_pydatetime(warn=False) if has_date(index) else None
    is_duration = getattr(values, "dtype", np.dtype(object)).kind == "m"
    first = index[0].total_seconds() if is_duration else 0.0
    return Times(name, seconds, f"The times are in column {name!r}.", start, first)


def _read_numbers(
    column: Column, values: FloatArray, unit: str | None, sampling_rate: float | None
) -> Times:
    words = _words(column.unit) or _words(column.name)
    stated = {UNIT_OF_WORD[word] for word in words if word in UNIT_OF_WORD}
    step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    taken = "in"
    if unit is None and len(stated) == 1:
        (unit,) = stated
    elif unit is None:
        taken = "taken as"
        unit = _unit_of_date(values[0], step) or _choose_unit(column, values, step, sampling_rate)
    start, since = None, values[0] * SECONDS[unit]
    note = f"The times are in column {column.name!r}, {taken} {unit}."
    if SINCE_1970[0] < since < SINCE_1970[1]:
        start = datetime.fromtimestamp(since, UTC)
        note = f"{note[:-1]} since 1970-01-01 UTC."
        since = 0.0
    return Times(column.name, (values - values[0]) * SECONDS[unit], note, start, since)


def _unit_of_date(first: float, step: float) -> str | None:
    """Return the unit in which a number is a date of our time."""
    for unit in ("s", "ms", "us", "ns"):
        if SINCE_1970[0] < first * SECONDS[unit] < SINCE_1970[1] and step * SECONDS[unit] <= 60:
            return unit
    return None


def _choose_unit(
    column: Column, values: FloatArray, step: float, sampling_rate: float | None
) -> str:
    """Return seconds if only they are plausible, or the unit that agrees with the rate."""
    if not step or (5e-5 <= step < 1 and (values != np.round(values)).any()):
        return "s"
    rates = {unit: 1 / (step * SECONDS[unit]) for unit in ("s", "ms", "us")}
    for unit, rate in rates.items():
        if sampling_rate is not None and abs(rate / sampling_rate - 1) < 0.05:
            return unit
    given = f", and sampling_rate is {sampling_rate:g} Hz" if sampling_rate else ""
    options = ", ".join(f"{unit!r} ({rate:.6g} Hz)" for unit, rate in rates.items())
    raise RecordingError(
        f"Column {column.name!r} rises by {step:g} from row to row and states no unit{given}; pass "
        f"time_unit, such as {options}, or time=False if it does not hold times."
    )


def _read_row_numbers(column: Column, sampling_rate: float | None) -> Times | None:
    """Return times from a first column that counts rows, of which some may be missing."""
    values, name = column.values, column.name.lower()
    if name not in ROW_NUMBERS or not isinstance(values, np.ndarray):
        return None
    steps = np.diff(values)
    if not (steps > 0).all():
        return None
    if (values != np.round(values)).any():
        if name in NO_NAMES:
            raise RecordingError(
                f"The first column has no name, and increases; pass time={column.name!r} and "
                "time_unit if it holds times, or time=False."
            )
        return None
    note = f"Column {column.name!r} counts rows and is not a channel."
    n_missing = int((steps - 1).sum())
    if not n_missing:
        return Times(column.name, None, note)
    if sampling_rate is None:
        raise RecordingError(
            f"Column {column.name!r} counts rows, of which {n_missing} are missing; pass "
            "sampling_rate in Hz, or time=False if it does not count rows."
        )
    return Times(column.name, (values - values[0]) / sampling_rate, note)


def scalar_rate(sampling_rate: float | Mapping[str, Any] | None) -> float | None:
    """Return the rate of all channels, None if they may have different ones."""
    if isinstance(sampling_rate, Mapping):
        rates = set(sampling_rate.values())
        return rates.pop() if len(rates) == 1 else None
    return sampling_rate
