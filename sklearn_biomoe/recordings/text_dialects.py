"""How text files are written: compression, encoding, separator and decimal mark."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from .._typing import Rows
from .formats import RecordingError
from .text_cells import MISSING, ONE_COLUMN, SPACES, split_rows
from .units import is_unit

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
SEPARATORS = ("\t", ";", "|", ",")
LINES_COMPARED = 1000  # to detect the separator
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)  # 1,234 may be 1234
FEW_DIGITS = re.compile(r"[+-]?[1-9]\d{0,2}", re.ASCII)
THOUSANDS = re.compile(  # 1,234,567 or 1,234.5, and the same with the marks swapped
    r"[+-]?\d{1,3}(?:(,)\d{3}(?:,\d{3})*(?:\.\d*)?|(\.)\d{3}(?:\.\d{3})*(?:,\d*)?)", re.ASCII
)


def read_bytes(path: Path) -> bytes:
    """Read a file, which may be compressed with gzip."""
    content = path.read_bytes()
    if path.suffix.lower() != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise RecordingError(
            f"The compressed file is truncated after {len(content)} bytes; get a complete copy."
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RecordingError(f"The compressed file is damaged: {error}.") from error


def decode_text(content: bytes, encoding: str | None = None) -> tuple[str, str]:
    """Return text, and the encoding that was given or found: UTF-8, UTF-16, UTF-32 or Latin-1.

    Raises
    ------
    RecordingError
        If the content is not text in the encoding.
    """
    found = encoding or _detect_encoding(content)
    try:
        text = content.decode(found)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecordingError(
            f"Line {line} is not in {found}: {error.reason}; pass encoding."
        ) from error
    except LookupError:
        raise RecordingError(
            f"encoding={encoding!r} does not exist; expected one such as 'utf-8', 'latin-1' or "
            "'utf-16'."
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise RecordingError(
            f"Line {line} has NUL bytes: the file is damaged, not text, or in another encoding."
        )
    return text.removeprefix("\ufeff"), found


def _detect_encoding(content: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return encoding
    start = content[:1000]
    if len(start) > 1:  # digits in UTF-16 have a NUL byte each
        for encoding, offset in (("utf-16-le", 1), ("utf-16-be", 0)):
            if start[offset::2].count(0) > len(start) / 4 and not start[1 - offset :: 2].count(0):
                return encoding
    try:
        content.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def split_lines(text: str) -> list[str]:
    """Split text at line ends of any system."""
    if text.count("\r\r\n") == text.count("\n"):  # written by Windows in text mode twice
        text = text.replace("\r\r\n", "\n")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def detect_separator(lines: Iterable[str], decimal: str | None = None) -> str:
    """Find the separator of rows that are not blank; the first one has names.

    Raises
    ------
    RecordingError
        If commas may be separators or decimal marks.
    """
    head, *rest = islice(lines, LINES_COMPARED)
    body = rest or [head]
    has_quotes = any('"' in line for line in body)  # around numbers with a decimal comma
    possible = [mark for mark in SEPARATORS if mark != decimal or has_quotes]
    in_head = [mark for mark in possible if len(next(split_rows([head], mark))) > 1]
    in_body = {mark: sum(len(row) > 1 for row in split_rows(body, mark)) for mark in possible}
    all_numbers = all(map(is_number_or_missing, body))
    has_unit = in_head == [","] and is_unit(head.split(",")[-1]) and head.count(",") == 1
    if has_unit and all_numbers and in_body[","]:
        raise RecordingError(
            f"{head!r} may be two names, or one with a unit, and {body[0]!r} two numbers or one; "
            "pass separator=',' or decimal=','."
        )
    for separator in in_head:
        if in_body[separator]:
            return separator
    if _has_spaces_between(head, body):
        return SPACES
    for separator in possible:  # of rows that do not fit the first line, which is refused later
        if in_body[separator] > len(body) / 2 and not (separator == "," and all_numbers):
            return separator
    return in_head[0] if in_head and not has_unit else ONE_COLUMN


def _has_spaces_between(head: str, body: Sequence[str]) -> bool:
    """Return whether spaces divide all rows into as many cells, of which one is a number."""
    counts = {len(line.split()) for line in (head, *body)}
    return (
        len(counts) == 1
        and counts != {1}
        and all(any(map(NUMBER.fullmatch, line.split())) for line in body)
    )


def detect_decimal(lines: list[str], separator: str, line_numbers: Sequence[int] | Rows) -> str:
    """Find the decimal mark.

    Raises
    ------
    RecordingError
        If commas or points may as well be marks between thousands.
    """
    if separator == "," and not any('"' in line for line in lines):
        return "."
    grouped: dict[tuple[int, str], tuple[int, str]] = {}
    few_digits = set()
    for row, cells in enumerate(split_rows(lines, separator)):
        for column, cell in enumerate(map(str.strip, cells)):
            if FEW_DIGITS.fullmatch(cell):
                few_digits.add(column)
            elif GROUPED.fullmatch(cell):
                grouped.setdefault((column, "," if "," in cell else "."), (row, cell))
            elif NUMBER.fullmatch(cell) and ("," in cell or "." in cell):
                return "," if "," in cell else "."
            elif match := THOUSANDS.fullmatch(cell):
                decimal, thousands = ".," if match[1] else ",."
                raise RecordingError(
                    f"Line {line_numbers[row]} has {cell!r} with marks between thousands; "
                    f"pass thousands={thousands!r} and decimal={decimal!r}."
                )
    for (column, mark), (row, cell) in grouped.items():
        if mark == "," or (column in few_digits and separator != ","):
            digits = cell.replace(mark, "")
            raise RecordingError(
                f"Line {line_numbers[row]} has {cell!r}, which may be "
                f"{cell.replace(mark, '.')} or {digits}; pass decimal={mark!r} or "
                f"thousands={mark!r}."
            )
    return "."


def is_number_or_missing(cell: str) -> bool:
    """Return whether a cell is a number, with a point or a comma, or marked as missing."""
    cell = cell.strip()
    return cell in MISSING or NUMBER.fullmatch(cell) is not None


class Dialect(NamedTuple):
    """How a table is written whose first line has the names of columns."""

    encoding: str
    separator: str
    decimal: str


def find_dialect(path: Path, separator: str | None = None) -> Dialect:
    """Find the encoding, the separator that the first line has most of, and the decimal mark.

    The mark is a comma if any cell is a number with one, unless commas separate cells.

    Raises
    ------
    RecordingError
        If the file is not text.
    """
    status = path.stat()
    return _find_dialect(path, separator, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)  # of a file that is read by parts: its header, its labels, its samples
def _find_dialect(path: Path, separator: str | None, mtime: int, size: int) -> Dialect:
    try:
        text, encoding = decode_text(path.read_bytes())
    except RecordingError as error:
        message = str(error).replace("pass encoding", "save the file as UTF-8")
        raise RecordingError(f"{path} cannot be read as CSV: {message}") from error
    names, _, rows = text.partition("\n")
    separator = separator or max(SEPARATORS, key=names.count)
    end = re.escape(separator)
    number = rf'(?:^|{end}) *"?[+-]?\d*,\d+(?:[eE][+-]?\d+)?"? *(?=\r?$|{end})'
    may_have_commas = separator != "," and "," in rows  # which takes less time than the search
    has_commas = may_have_commas and re.search(number, rows, re.ASCII | re.MULTILINE)
    return Dialect(encoding, separator, "," if has_commas else ".")


def read_csv(path: Path, separator: str | None = None, **options: Any) -> pd.DataFrame:
    """Read a table whose first line has the names of columns; options of `pandas.read_csv`.

    Raises
    ------
    RecordingError
        If the file is not such a table, as when rows have more cells than there are names.
    """
    encoding, separator, decimal = find_dialect(path, separator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells beyond the header
            return pd.read_csv(
                path,
                encoding=encoding,
                sep=separator,
                decimal=decimal,
                index_col=False,
                compression=None,
                **options,
            )
    except (ValueError, pd.errors.ParserWarning) as error:
        raise RecordingError(f"{path} cannot be read as CSV: {error}") from error


def read_cells(path: Path, separator: str | None = None, **options: Any) -> pd.DataFrame:
    """Read a table as `read_csv` does, whose cells stay text; only empty ones are missing."""
    return read_csv(path, separator, dtype=str, keep_default_na=False, na_values=[""], **options)
