"""CSV and TSV files: a column for each channel, and perhaps one of times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_
from pathlib import Path

import numpy as np

from .._validation.parameters import check_integer, check_option
from .formats import ChannelHeader, Format, RecordingError, SamplingRate, name_channels
from .recording import Recording
from .tables import Table
from .text_cells import ONE_COLUMN, TextTable, check_quotes, count, split_rows
from .text_dialects import (
    decode_text,
    detect_decimal,
    detect_separator,
    is_number_or_missing,
    read_bytes,
    split_lines,
)
from .time_columns import NO_NAME, Column, TimeOptions
from .units import is_unit, unit_of_name

SUFFIXES = (".csv", ".tsv")
OTHER_SUFFIXES = (".txt", ".csv.gz", ".tsv.gz", ".txt.gz")  # which a folder has for other files too
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
COMMENTS = ("#", "%")


@dataclass(frozen=True)
class Layout:
    """What the user states about the text; parameters as for `read`."""

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    names: Sequence[str] | None = None
    blank_lines: str | None = None

    def __post_init__(self) -> None:
        check_integer("skip_rows", self.skip_rows, minimum=0)
        for name in ("separator", "decimal", "thousands"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or len(value) != 1):
                raise ValueError(f"{name}={value!r}; expected one character, or None.")
        if self.decimal is not None:
            check_option("decimal", self.decimal, [".", ","])
        if self.blank_lines is not None:
            check_option("blank_lines", self.blank_lines, ["missing", "skip"])
        if self.thousands is not None and self.thousands in (self.decimal, self.separator):
            raise ValueError(
                f"thousands={self.thousands!r} is given as another mark too; expected a different "
                "character."
            )
        if isinstance(self.names, str):
            raise ValueError(f"names={self.names!r}; expected a list of names.")


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    skip_rows: int = 0,
    names: Sequence[str] | None = None,
    blank_lines: str | None = None,
    time: str | bool | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    timezone: str | None = None,
    irregular: str = "error",
) -> Recording:
    """Read a text file with a row of names.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called. The rate is required if there is no column of times.
    separator : str, default=None
        Between cells; " " is any number of spaces. None detects tab, ";", "|", "," or " ".
    decimal : {".", ","}, default=None
        Decimal mark. None detects it.
    thousands : str, default=None
        Mark between groups of three digits.
    encoding : str, default=None
        None detects UTF-8, UTF-16 and UTF-32, and takes everything else as Latin-1.
    skip_rows : int, default=0
        Lines before the one with the names, or before the samples if ``names`` are given.
    names : sequence of str, default=None
        Of the columns, for files that do not have them.
    blank_lines : {"missing", "skip"}, default=None
        What blank lines are: missing samples or none. None takes them as missing samples if there
        is one column, and skips them at the end of the file or if there are times.
    time, time_unit, time_format, timezone, irregular
        As `TimeOptions` has them.
    """
    layout = Layout(separator, decimal, thousands, encoding, skip_rows, names, blank_lines)
    options = TimeOptions(time, time_unit, time_format, timezone, irregular)
    return read_table(path, layout).read(channels, sampling_rate, options)


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns; the file is read completely, as it does not state its length."""
    return read_table(path, Layout()).list_channels(TimeOptions())


def matches(path: Path) -> bool:
    """Return whether a file has one of the suffixes that are not looked for in folders."""
    return path.name.lower().endswith(OTHER_SUFFIXES) and path.is_file()


def read_table(path: Path, layout: Layout) -> Table:
    """Read all columns of a file."""
    text, encoding = decode_text(read_bytes(path), layout.encoding)
    sheet = Sheet(split_lines(text), layout)
    table, units = sheet.read()
    values = table.read_columns(range(len(table.names)))
    columns = [
        Column(name, values[i], units[i], *table.describe_problem(i, values[i]))
        for i, name in enumerate(table.names)
    ]
    found = [
        f"{name} {'none' if value == ONE_COLUMN else repr(value)}"
        for name, value, given in (
            ("separator", table.separator, layout.separator or sheet.stated_separator),
            ("decimal mark", table.decimal, layout.decimal),
            ("encoding", encoding, layout.encoding),
        )
        if given is None
    ]
    notes = [f"Detected: {', '.join(found)}."] if found else []
    return Table(
        columns,
        len(table.lines),
        lambda row: f"line {table.line_numbers[row]}",
        (*notes, *sheet.notes),
        sheet.blank_line,
    )


class Sheet:
    """The lines of a file: comments, names, units and rows.

    Parameters
    ----------
    lines : list of str
    layout : Layout
    """

    def __init__(self, lines: list[str], layout: Layout) -> None:
        self.layout = layout
        self.notes: list[str] = []
        self.blank_line = ""
        self.stated_separator: str | None = None
        self.lines = lines[layout.skip_rows :]
        self.numbers = np.arange(layout.skip_rows + 1, len(lines) + 1)
        if self.lines and (match := SEPARATOR_LINE.fullmatch(self.lines[0].strip())):
            self.stated_separator = match[1]
            self._drop_first()
        is_comment = [line.startswith(COMMENTS) for line in self.lines]
        self.comments = list(compress(zip(self.numbers, self.lines, strict=True), is_comment))
        if self.comments:
            self._drop(is_comment)
            number, comment = self.comments[0]
            self.notes.append(
                f"{count(len(self.comments), 'comment')} from line {number} on: "
                f"{comment.strip()[:60]!r}."
            )
        check_quotes(self.lines, self.numbers)
        while self.lines and not self.lines[0].strip() and layout.names is None:
            self._drop_first()
        if not self.lines:
            raise RecordingError("The file has no rows.")

    def _drop_first(self) -> None:
        del self.lines[0]
        self.numbers = self.numbers[1:]

    def _drop(self, rows: list[bool]) -> None:
        self.lines = list(compress(self.lines, map(not_, rows)))
        self.numbers = self.numbers[~np.array(rows)]

    def read(self) -> tuple[TextTable, list[str]]:
        """Return the rows, and the units of the columns."""
        layout = self.layout
        filled = (line for line in self.lines if line.strip())
        separator = layout.separator or self.stated_separator
        separator = separator or detect_separator(filled, layout.decimal)
        names = self._read_names(separator)
        units = self._read_units(separator, names)
        self._drop_blank_lines(separator, len(names))
        if not self.lines:
            raise RecordingError(f"The file has no rows after the names {', '.join(names)}.")
        decimal = layout.decimal
        if decimal is None and layout.thousands is not None:
            decimal = "," if layout.thousands == "." else "."
        decimal = decimal or detect_decimal(self.lines, separator, self.numbers)
        table = TextTable(
            self.lines, self.numbers, names, separator, decimal, layout.thousands, hints=True
        )
        return table, units

    def _split(self, line: str, separator: str) -> list[str]:
        return [cell.strip() for cell in next(split_rows([line], separator))]

    def _read_names(self, separator: str) -> list[str]:
        """Return the names from the first line, from a comment, or as given."""
        first = self._split(self.lines[0], separator)
        if self.layout.names is not None:
            return name_channels([str(name) for name in self.layout.names])
        numbers = [cell for cell in first if cell and is_number_or_missing(cell)]
        if numbers:
            above = [comment for number, comment in self.comments if number < self.numbers[0]]
            last = self._split(above[-1].lstrip(" #%"), separator) if above else []
            if len(last) == len(first) > 1 and not any(map(is_number_or_missing, last[1:])):
                return self._name(last)
            raise RecordingError(
                f"Line {self.numbers[0]} has {numbers[0]!r} where the names of columns are "
                f"expected; pass names, a list of {len(first)}, if the samples begin there, or "
                "skip_rows if the names are in a later line."
            )
        self._drop_first()
        return self._name(first)

    def _name(self, labels: list[str]) -> list[str]:
        while len(labels) > 1 and not labels[-1]:
            labels.pop()  # a separator at the end of the line
        if "" in labels[1:]:
            raise RecordingError(
                f"Column {labels.index('', 1) + 1} has no name; the names are {labels}. Pass "
                "skip_rows if they are in a later line, or names and skip_rows."
            )
        return name_channels([labels[0] or NO_NAME, *labels[1:]])

    def _read_units(self, separator: str, names: list[str]) -> list[str]:
        """Return units from a line below the names, or from the names."""
        units = [unit_of_name(name) for name in names]
        if self.layout.names is not None or len(self.lines) < 2:
            return units
        cells, samples = (self._split(line, separator) for line in self.lines[:2])
        over = zip(cells, samples, strict=False)
        if any(map(is_unit, cells)) and not any(
            cell and (is_number_or_missing(cell) or not is_number_or_missing(sample))
            for cell, sample in over
        ):
            self.notes.append(f"Line {self.numbers[0]} is taken as units.")
            units = [*cells, *[""] * len(names)][: len(names)]
            self._drop_first()
        return units

    def _drop_blank_lines(self, separator: str, n_columns: int) -> None:
        """Drop blank lines that are not rows, and fill those that are."""
        spaces = " " if separator == "\t" else None
        is_blank = [not line.strip(spaces) for line in self.lines]
        if not any(is_blank):
            return
        how = self.layout.blank_lines
        first = self.numbers[is_blank.index(True)]
        lines = f"{count(sum(is_blank), 'blank line')} from line {first} on"
        alternates = any(all(is_blank[i::2]) and not any(is_blank[1 - i :: 2]) for i in (0, 1))
        if n_columns == 1 and how is None and alternates and len(is_blank) > 3:
            raise RecordingError(
                f"Every second line is blank from line {first} on; pass blank_lines='skip' if "
                "these lines are not samples, or 'missing' if they are."
            )
        if how == "missing" or (n_columns == 1 and how is None):
            self.notes.append(f"{lines} as missing samples.")
            missing = separator.join(["nan"] * n_columns)
            pairs = zip(self.lines, is_blank, strict=True)
            self.lines = [missing if blank else line for line, blank in pairs]
            return
        self._drop(is_blank)
        self.notes.append(f"{lines} skipped.")
        if how is None and self.lines and first < self.numbers[-1]:
            self.blank_line = (
                f"Line {first} is blank, and there is no column of times; pass blank_lines='skip' "
                "if it is not a row, or 'missing' if its samples are missing."
            )


FORMAT = Format("CSV", SUFFIXES, read, list_channels, matches)
