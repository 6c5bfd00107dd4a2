"""Times written as text, and times of a clock that may have been changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from .._typing import FloatArray
from .formats import RecordingError

ISO_8601 = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
ZONE = r"\s*(?:Z|[+-]\d\d:?\d\d)"
TIME_OF_DAY = r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
DAY, HOUR = 86400, 3600


def parse_times(
    cells: pd.Series[str], name: str, time_format: str | None, place: Callable[[int], str]
) -> pd.Series[Any]:
    """Parse text as dates, with a zone if all cells have one, or times of day as durations.

    Parameters
    ----------
    cells : Series of str
        Without spaces around them.
    name : str
        Of the column.
    time_format : str or None
        None for times of day and ISO 8601.
    place : callable
        Returns the name of a row in messages.

    Raises
    ------
    RecordingError
        Names the first cell that is not a time.
    """
    times: pd.Series[Any]
    valid: pd.Series[Any]
    if time_format is not None:
        expected = f"the format {time_format!r}"
        times = pd.to_datetime(cells, format=time_format, errors="coerce", utc="%z" in time_format)
    elif cells.str.fullmatch(TIME_OF_DAY).iloc[0]:
        expected = "a time of day, as in the first row"
        valid = cells.where(cells.str.fullmatch(TIME_OF_DAY))
        times = pd.to_timedelta(valid.str.replace(",", "."), errors="coerce")
    else:
        expected = (
            "numbers, times of day, or dates such as 2024-03-01 12:00:00.250; pass time_format, "
            "such as '%d.%m.%Y %H:%M:%S.%f', or time=False if the column does not hold times"
        )
        zoned = cells.str.fullmatch(ISO_8601 + ZONE)
        valid = zoned | cells.str.fullmatch(ISO_8601)
        if valid.all() and zoned.any():
            expected, valid = "a zone, as in other rows", zoned
        normal = cells.str.replace("/", "-").str.replace(",", ".")
        normal = normal.str.replace(rf"\s+(?={ZONE}$)", "", regex=True).where(valid)
        times = pd.to_datetime(normal, format="ISO8601", errors="coerce", utc=bool(zoned.any()))
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise RecordingError(
            f"Column {name!r}, {place(row)}, has {cells.iloc[row]!r}; expected {expected}."
        )
    return times


def add_zone(dates: pd.Series[Any], name: str, timezone: str) -> pd.DatetimeIndex:
    """Return local times with their zone; the order shows which of a repeated hour is meant."""
    index = pd.DatetimeIndex(dates)
    if index.tz is not None:
        raise RecordingError(f"The times in column {name!r} have a zone; leave timezone out.")
    try:
        return index.tz_localize(timezone, ambiguous="infer", nonexistent="raise")
    except Exception as error:  # of pandas or pytz, which depends on their versions
        raise RecordingError(
            f"The times in column {name!r} are not in {timezone!r}: {error}"
        ) from error


def count_seconds(times: pd.Series[Any] | pd.DatetimeIndex) -> FloatArray:
    """Return seconds from the first time; times of day may pass midnight."""
    index = pd.Index(times)
    seconds = pd.TimedeltaIndex(index - index[0]).total_seconds().to_numpy(np.float64)
    if has_date(index):
        return seconds
    return seconds + DAY * np.cumsum(np.append(0, np.diff(seconds) < -DAY / 2))


def has_date(index: pd.Index) -> bool:
    """Return whether times have dates; those of a format without one are in 1900."""
    return isinstance(index, pd.DatetimeIndex) and index[0].year > 1900


def check_order(
    steps: FloatArray, name: str, cells: Any, place: Callable[[int], str], is_local: bool
) -> None:
    """Refuse times that do not increase, and steps as at a change of the clock.

    Parameters
    ----------
    steps : ndarray of shape (n_rows - 1,)
        From each time to the next, in seconds if ``is_local``.
    name : str
        Of the column.
    cells : sequence
        The times as written, for messages.
    place : callable
        Returns the name of a row in messages.
    is_local : bool
        Whether the times are dates without a zone.
    """
    if not len(steps):
        return
    period = float(np.quantile(steps, 0.5, method="lower"))
    backward = steps <= 0
    forward = is_local & (np.abs(steps - HOUR - period) < max(1.5 * period, 1)) & (period < 600)
    if not (backward | forward).any():
        return
    row = int((backward if backward.any() else forward).argmax())
    before, after = map(_show, cells[row : row + 2])
    start = f"The time in column {name!r}, {place(row + 1)}, {after},"
    if not backward.any():
        raise RecordingError(
            f"{start} is an hour after the one before, {before}. If the clock was changed, pass "
            "timezone, such as 'Europe/Berlin'; if nothing was recorded, pass timezone='UTC'."
        )
    hint = (
        "If the clock was changed, pass timezone, such as 'Europe/Berlin'."
        if is_local and abs(steps[row] + HOUR) < 60
        else "If the clock is too coarse or not reliable, pass time=False and sampling_rate."
    )
    raise RecordingError(
        f"{start} is not after the one before, {before} ({backward.sum()} such rows). {hint}"
    )


def _show(cell: Any) -> str:
    return f"{cell:.0f}" if isinstance(cell, float) and cell.is_integer() else str(cell)
