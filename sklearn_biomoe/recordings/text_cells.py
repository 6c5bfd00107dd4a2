"""Rows of text with a separator between their cells, and columns of numbers from them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from operator import methodcaller

import numpy as np
import pandas as pd

from .._typing import FloatArray, Rows
from .formats import RecordingError

ONE_COLUMN = "\x1f"  # a separator that text does not contain
SPACES = " "  # any number of spaces
MISSING = frozenset({"", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "-nan", "-NaN"})
MISSING |= {"NULL", "null", "None", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "NAN"}
GROUPS = " '_,.\u00a0\u2009\u2019\u202f"  # marks between thousands
LIKE_NUMBER = rf"[+-]?(?:\d*[.,]\d+|\d{{1,3}}(?:[{GROUPS}]\d{{3}})+(?:[.,]\d*)?)"  # in any notation


@dataclass(frozen=True)
class TextTable:
    """Rows of text whose cells are read on request.

    Parameters
    ----------
    lines : list of str
        One row each.
    line_numbers : sequence or ndarray of int
        Of the rows in the file, for messages.
    names : list of str
        Of the columns. Every row has as many cells, or further ones that are empty.
    separator : str
    decimal : str, default="."
    thousands : str or None, default=None
        Mark between groups of three digits.
    file : str, default=""
        Name in messages, for formats of several files.
    hints : bool, default=False
        Whether messages name the options of text tables.
    """

    lines: list[str]
    line_numbers: Sequence[int] | Rows
    names: list[str]
    separator: str
    decimal: str = "."
    thousands: str | None = None
    file: str = ""
    hints: bool = False
    n_cells: int = field(init=False, default=0)  # of the longest row

    def __post_init__(self) -> None:
        check_quotes(self.lines, self.line_numbers, self.file)
        n_names = len(self.names)
        counts = self._count_cells()
        n_cells = int(counts.max(initial=n_names))
        for row in np.flatnonzero((counts != n_names) | (counts < n_cells)):
            cells = next(split_rows([self.lines[row]], self.separator))
            if len(cells) < n_names or "".join(cells[n_names:]).strip():
                self._refuse_row(row, f"has {count(len(cells), 'cell')}", len(cells) > n_names)
            if len(cells) < n_cells and n_names > 1 and not cells[n_names - 1].strip():
                self._refuse_row(row, "has fewer separators than other rows and no last cell")
        object.__setattr__(self, "n_cells", n_cells)

    def _count_cells(self) -> Rows:
        if self.separator == SPACES or any('"' in line for line in self.lines):
            cells = map(len, split_rows(self.lines, self.separator))
            return np.fromiter(cells, np.int64, len(self.lines))
        marks = map(methodcaller("count", self.separator), self.lines)
        return np.fromiter(marks, np.int64, len(self.lines)) + 1

    def _place(self, row: int) -> str:
        return f"{self.file}{', line' if self.file else 'Line'} {self.line_numbers[row]}"

    def _refuse_row(self, row: int, problem: str, is_longer: bool = False) -> None:
        n_names, hint = len(self.names), ""
        columns = ", ".join(map(repr, self.names[:8])) + (", ..." if n_names > 8 else "")
        if self.hints:
            hint = " Pass separator, or skip_rows if the names are in a later line."
            if self.separator == "," and is_longer:
                hint = " If the decimal mark is a comma too, export with another separator." + hint
        raise RecordingError(
            f"{self._place(row)} {problem}, but there {'are' if n_names != 1 else 'is'} "
            f"{count(n_names, 'column')}: {columns}.{hint}"
        )

    def read_columns(self, positions: Sequence[int]) -> dict[int, FloatArray | pd.Series[str]]:
        """Return numbers, with NaN for missing cells; other columns are returned as text."""
        columns: dict[int, FloatArray | pd.Series[str]] = {}
        if self.thousands is None:  # pandas ignores where the marks are
            frame = self._parse(positions, None)
            for position, column in frame.items():
                if column.dtype.kind in "fiu":
                    columns[int(str(position))] = column.to_numpy(np.float64)
        if others := [position for position in positions if position not in columns]:
            for position, cells in self._parse(others, str).items():
                numbers = self._to_numbers(cells)
                columns[int(str(position))] = cells if numbers is None else numbers
        return columns

    def _parse(self, positions: Sequence[int], dtype: type[str] | None) -> pd.DataFrame:
        return pd.read_csv(
            StringIO("\n".join(self.lines) + "\n"),
            sep=r"\s+" if self.separator == SPACES else self.separator,
            decimal=self.decimal,
            header=None,
            names=range(self.n_cells),
            index_col=False,
            usecols=list(positions),
            dtype=dtype,
            skipinitialspace=True,
            skip_blank_lines=False,
            keep_default_na=False,
            na_values=[] if dtype else list(MISSING),
            low_memory=False,
            float_precision="round_trip",  # the default parser is off by a last bit
        )

    def _matches(self, cells: pd.Series[str]) -> pd.Series[bool]:
        mark, digits = re.escape(self.decimal), r"\d+"
        if self.thousands:
            digits = rf"(?:\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+|\d+)"
        return cells.str.fullmatch(
            rf"[+-]?(?:{digits}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?", flags=re.ASCII
        )

    def _to_numbers(self, cells: pd.Series[str]) -> FloatArray | None:
        """Return numbers; None if a cell is neither a number nor missing."""
        cells = cells.str.strip()
        missing = cells.isin(MISSING)
        if not (self._matches(cells) | missing).all():
            return None
        if self.thousands:
            cells = cells.str.replace(self.thousands, "", regex=False)
        cells = cells.str.replace(self.decimal, ".", regex=False).mask(missing, "nan")
        return cells.to_numpy(np.float64)

    def read_text(self, positions: Sequence[int]) -> list[pd.Series[str]]:
        """Return columns of text as written."""
        frame = self._parse(positions, str)
        return [frame[position].str.strip() for position in positions]

    def describe_problem(
        self, position: int, values: FloatArray | pd.Series[str]
    ) -> tuple[str, bool]:
        """Return why a column is not one of numbers, and whether some of its cells are numbers.

        The first text quotes the first such cell; it is empty if all are finite numbers or missing.
        """
        if isinstance(values, np.ndarray):
            bad, problem, has_numbers = np.isinf(values), "infinite", True
        else:
            cells = values.str.strip()
            is_number = self._matches(cells)
            bad, problem = ~(is_number | cells.isin(MISSING)).to_numpy(), "not a number"
            has_numbers = bool((is_number | cells.str.fullmatch(LIKE_NUMBER, flags=re.ASCII)).any())
        if not bad.any():
            return "", True
        row = int(bad.argmax())
        cell = next(split_rows([self.lines[row]], self.separator))[position].strip()
        place = f"{self._place(row)}, column {self.names[position]!r}"
        return f"{place}: {cell!r} is {problem}{self._hint_of_mark(cell)}.", has_numbers

    def _hint_of_mark(self, cell: str) -> str:
        if not self.hints:
            return ""
        if self.decimal == "." and re.fullmatch(r"[+-]?\d*,\d+", cell, re.ASCII):
            return "; if that is a decimal comma, pass decimal=','"
        grouped = re.fullmatch(rf"[+-]?\d{{1,3}}([{GROUPS}])\d{{3}}.*", cell, re.ASCII)
        if grouped and not self.thousands and grouped[1] != self.decimal:
            return f"; if that is a mark between thousands, pass thousands={grouped[1]!r}"
        return ""


def split_rows(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Split rows into cells; a blank row has one empty cell."""
    if separator == SPACES:
        return (line.split() or [""] for line in lines)
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return (cells or [""] for cells in rows)


def check_quotes(lines: Iterable[str], line_numbers: Iterable[int] | Rows, file: str = "") -> None:
    """Refuse quotation marks that are not closed, which would join lines."""
    for number, line in zip(line_numbers, lines, strict=True):
        if '"' in line and line.count('"') % 2:
            raise RecordingError(
                f"{file}{', line' if file else 'Line'} {number} has a quotation mark that is not "
                f"closed: {line[:60]!r}."
            )


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as "2 cells"."""
    return f"{number} {noun}{'s' if number != 1 else ''}"
