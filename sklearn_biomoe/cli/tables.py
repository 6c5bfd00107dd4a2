"""CSV and Parquet tables with a row for each window."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

SignalColumn = tuple[str, str, float]  # column, modality, Hz


def read_windows_table(
    path: Path, columns: list[str], signals: tuple[SignalColumn, ...]
) -> pd.DataFrame:
    """Return some columns, and a column of arrays for each signal, named after its modality.

    A signal is a column whose cells are lists, or several columns of samples: ``eda_0``, ``eda_1``
    and so on for ``eda``.
    """
    names = _column_names(path)
    found = {modality: _sample_columns(column, names) for column, modality, _ in signals}
    frame = read_columns(path, [*columns, *chain(*found.values())])
    cells = {modality: _to_cells(path, frame[names]) for modality, names in found.items()}
    return frame[columns].assign(**cells)


def read_columns(path: Path, columns: list[str]) -> pd.DataFrame:
    """Return some columns of a table."""
    names = _column_names(path)
    for column in columns:
        if column not in names:
            raise ValueError(f"{path} has no column {column!r}; its columns are {names}.")
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=columns).to_pandas(ignore_metadata=True)
    return _read_csv(path, usecols=columns, low_memory=False)


def check_numbers(path: Path, frame: pd.DataFrame) -> None:
    """Raise ValueError if the values of a column are not numbers."""
    for column, kind in frame.dtypes.items():
        if kind.kind not in "fiu":
            raise ValueError(f"{path}: column {column!r} is of type {kind}; expected numbers.")


def _column_names(path: Path) -> list[str]:
    if path.suffix == ".csv":
        return list(_read_csv(path, nrows=0).columns)
    if path.suffix != ".parquet":
        raise ValueError(f"{path}: expected a .csv or a .parquet file.")
    try:
        return pq.read_schema(path).names
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error


def _read_csv(path: Path, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options)
    except ValueError as error:  # of pandas' parser or of the text encoding
        raise ValueError(f"{path} cannot be read as CSV: {error}") from error


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
