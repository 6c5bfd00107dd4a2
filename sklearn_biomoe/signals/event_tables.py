"""Tables of events in text files."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..recordings.text_dialects import GROUPED, read_cells

PLAIN_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?")  # not "007" and not "1E3", which are names
TIMES = ("onset", "duration")
COMMA = re.compile(r"[+-]?\d*,\d+")


def read_events(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> pd.DataFrame:
    r"""Read a table of events.

    All cells are text, and only an empty cell is missing: a class "None" or "NA" stays a class, and
    the subjects "007" and "07" stay different. Onsets, durations, and columns whose cells are all
    plain decimal numbers, such as ratings, become numbers.

    Parameters
    ----------
    path : path
        A CSV or TSV file with a header.
    columns : dict of str to str, default=None
        Names in the file of the columns "subject", "onset" and "duration", if they differ.
    separator : str, default=None
        Between cells; None takes the tab, semicolon, bar or comma that the header has most of.
    decimal : {".", ","}, default=None
        Decimal mark; None finds it in the times. The encoding is found as well.

    Returns
    -------
    events : DataFrame
        Columns subject (text), onset, duration (seconds, NaN if missing; absent if the file has
        none) and all others. Onsets that are not numbers become timestamps.

    Raises
    ------
    ValueError
        If a column is missing, an onset or a duration is not a time, or a comma in a time may
        divide thousands. The message names the line.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "events.csv")
    >>> _ = path.write_text("subject,onset,duration,level,nrs\n007,20,8,None,0\n07,55,8,low,2\n")
    >>> read_events(path)
      subject  onset  duration level  nrs
    0     007     20         8  None    0
    1      07     55         8   low    2
    """
    path = Path(path)
    table = read_cells(path, separator)
    if len(table.columns) == 1:
        raise ValueError(
            f"{path}: there is one column, {table.columns[0]!r}; pass separator=, such as '/'."
        )
    named = {name: standard for standard, name in (columns or {}).items()}
    for standard in ("subject", "onset", "duration"):
        if standard in named.values() and standard in table.columns:
            raise ValueError(f"{path}: there is a column {standard!r} beside the one named for it.")
    check_columns(table, [*named], path)
    events = table.rename(columns=named)
    check_columns(events, ["subject", "onset"], path)
    times = [name for name in TIMES if name in events.columns]
    decimal = decimal or _find_decimal(events[times], path)
    for name in events.columns.difference(["subject"]):
        if name in TIMES:
            events[name] = _times(_with_points(events[name], decimal), name, path)
        else:
            events[name] = text_or_numbers(events[name], decimal)
    return events


def _find_decimal(times: pd.DataFrame, path: Path) -> str:
    """Return the decimal mark of times."""
    for name, cells in times.items():
        given = [(row, cell.strip()) for row, cell in enumerate(cells) if isinstance(cell, str)]
        commas = [(row, cell) for row, cell in given if COMMA.fullmatch(cell)]
        if commas and all(GROUPED.fullmatch(cell) for _, cell in commas):
            row, cell = commas[0]
            raise ValueError(
                f"{path}, line {row + 2}: {name} is {cell!r}, in which the comma may be a decimal "
                "mark or divide thousands; pass decimal=',', or remove commas from the file."
            )
        if commas:
            return ","
    return "."


def _with_points(cells: pd.Series, decimal: str) -> pd.Series:
    return cells.map(lambda cell: cell.replace(decimal, "."), na_action="ignore")


def check_columns(table: pd.DataFrame, names: list[str], source: Any) -> None:
    """Raise ValueError if a column is missing."""
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"{source}: the column {name!r} is missing; the columns are "
                f"{', '.join(map(repr, table.columns))}."
            )


def text_or_numbers(cells: pd.Series, decimal: str = ".") -> pd.Series:
    """Convert text to numbers if all cells that are not missing are plain decimal numbers.

    Examples
    --------
    >>> text_or_numbers(pd.Series(["0", "3.5"])).tolist()
    [0.0, 3.5]
    >>> text_or_numbers(pd.Series(["007", "3"])).tolist()
    ['007', '3']
    """
    with_points = _with_points(cells, decimal)
    given = with_points.dropna()
    if len(given) and all(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in given):
        return pd.to_numeric(with_points)
    return cells


def _times(cells: pd.Series, name: str, path: Path) -> pd.Series:
    """Convert cells to numbers, or onsets to timestamps."""
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = cells.notna() & ~np.isfinite(numbers)
    if not wrong.any():
        return numbers
    if name == "onset" and wrong[cells.notna()].all():
        has_zone = cells.dropna().str.contains(r"(?:Z|[+-]\d\d:?\d\d)\s*$").all()
        times = pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=bool(has_zone))
        wrong = cells.notna() & times.isna()
        if not wrong.any():
            return times
    row = int(wrong.to_numpy().argmax())
    expected = "seconds, or ISO timestamps in all rows" if name == "onset" else "seconds"
    raise ValueError(f"{path}, line {row + 2}: {name} is {cells.iloc[row]!r}; expected {expected}.")
