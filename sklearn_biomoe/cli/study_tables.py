"""CSV and Parquet tables with a row for each window or each sample."""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ..recordings.text_dialects import find_dialect, read_cells, read_csv
from ..signals.event_tables import text_or_numbers
from .options import Signal


def read_windows_table(
    path: Path, columns: Sequence[str], signals: Sequence[Signal]
) -> pd.DataFrame:
    """Return some columns, and a column of arrays for each signal.

    A signal is a column whose cells are lists, or several columns of samples: ``eda_0``, ``eda_1``
    and so on for ``eda``.
    """
    names = column_names(path)
    found = {each.name: _sample_columns(each.channel or each.name, names) for each in signals}
    samples = _read(path, list(dict.fromkeys(chain(*found.values()))))
    cells = {name: _to_cells(path, samples[own]) for name, own in found.items()}
    return read_columns(path, columns).assign(**cells)


def read_samples(
    path: Path, columns: Sequence[str], signals: Sequence[str], times: Sequence[str]
) -> pd.DataFrame:
    """Return some columns, and columns of samples and times, of a table of samples."""
    samples = _read(path, list(dict.fromkeys(signals)))
    check_numbers(path, samples)
    return pd.concat([read_columns(path, columns), _read(path, list(times)), samples], axis=1)


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of subjects, labels and times; those of CSV files as they are written.

    Only an empty cell is missing, so that "None" is a class. The first column, of subjects, stays
    text; others whose cells are all plain numbers become numbers, such as ratings.
    """
    columns = list(dict.fromkeys(columns))
    if path.suffix.lower() == ".parquet":
        return _read(path, columns)
    _check_columns(path, columns)
    frame, decimal = read_cells(path, usecols=columns)[columns], find_dialect(path).decimal
    return frame.assign(**{name: text_or_numbers(frame[name], decimal) for name in columns[1:]})


def check_numbers(path: Path, frame: pd.DataFrame) -> None:
    """Raise ValueError if the values of a column are not numbers."""
    for column, kind in frame.dtypes.items():
        if kind.kind not in "fiu":
            raise ValueError(f"{path}: column {column!r} is of type {kind}; expected numbers.")


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a table."""
    if path.suffix.lower() == ".csv":
        return list(read_csv(path, nrows=0).columns)
    if path.suffix.lower() != ".parquet":
        raise ValueError(f"{path}: expected a .csv or a .parquet file.")
    try:
        return pq.read_schema(path).names
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error


def _check_columns(path: Path, columns: list[str]) -> None:
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise ValueError(f"{path} has no column {column!r}; its columns are {names}.")


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    _check_columns(path, columns)
    if path.suffix.lower() == ".parquet":
        return pq.read_table(path, columns=columns).to_pandas(ignore_metadata=True)
    # pandas' default parser is off by a last bit.
    return read_csv(path, usecols=columns, low_memory=False, float_precision="round_trip")[columns]


def _sample_columns(column: str, names: list[str]) -> list[str]:
    """Return the one column of cells that holds a signal, or its columns of samples in order."""
    numbered = [name for name in names if re.fullmatch(re.escape(column) + r"_\d+", name)]
    if column in names or not numbered:
        return [column]
    return sorted(numbered, key=lambda name: int(name.rpartition("_")[2]))


def _to_cells(path: Path, signal: pd.DataFrame) -> pd.Series:
    """Return a column of arrays."""
    if len(signal.columns) > 1:
        check_numbers(path, signal)
        return pd.Series(list(signal.to_numpy(float)), index=signal.index, dtype=object)
    cells = signal.iloc[:, 0]
    if not all(cell is None or isinstance(cell, np.ndarray) for cell in cells):
        raise ValueError(
            f"{path}: column {cells.name!r} is of type {cells.dtype}; expected lists of numbers, "
            f"or columns '{cells.name}_0', '{cells.name}_1' … of samples. If each row is a sample, "
            "pass --duration."
        )
    return cells
