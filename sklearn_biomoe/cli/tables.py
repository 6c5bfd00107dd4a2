"""Tables of windows, or of samples to cut windows from, with subjects and labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

Signals = tuple[tuple[str, str, float], ...]  # column, modality, Hz
START = "seconds from the recording's start"  # a column that cutting adds


def read_table(path: Path, columns: list[str], signals: Signals) -> pd.DataFrame:
    """Read a table with a row for each window.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.parquet`` file. A signal is a column whose cells are lists, or stands in
        columns of its samples: ``eda_0``, ``eda_1`` and so on for ``eda``.
    columns : list of str
        To read beside signals.
    signals : tuple of (column, modality, Hz)

    Returns
    -------
    frame : DataFrame
        The columns, and a column of arrays for each signal, named by its modality.

    Raises
    ------
    ValueError
        For files that cannot be read, columns that are not there, and signals that are none.
    """
    names = _column_names(path)
    wide = {column: _samples_of(column, names) for column, _, _ in signals}
    wanted = [*columns, *(each for part in wide.values() for each in part)]
    _check_columns(path, wanted, names)
    frame = _read(path, wanted)
    cells = {modality: _cells(path, frame, wide[column]) for column, modality, _ in signals}
    return frame[columns].assign(**cells)


def cut_table(
    path: Path, subject: str, label: str, signals: Signals, duration: float, step: float | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut windows from a table with a row for each sample, subject after subject, in its order.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.parquet`` file.
    subject, label : str
        Columns. Rows whose label is empty are stretches without one.
    signals : tuple of (column, modality, Hz)
        Of one rate, as they share rows.
    duration, step : float
        As `sklearn_biomoe.signals.cut_windows` takes them.

    Returns
    -------
    frame : DataFrame
        As from `read_table`, with a column `START`.
    dropped : DataFrame
        What `cut_windows` tells of it.

    Raises
    ------
    ValueError
        As `read_table` and `cut_windows` do, and for samples without a subject.
    """
    from ..signals import cut_windows

    _check_columns(
        path, [subject, label, *(column for column, _, _ in signals)], _column_names(path)
    )
    if len({rate for _, _, rate in signals}) > 1:
        raise click.UsageError(
            "--duration cuts tables with a row for each sample, whose signals share one rate. "
            "Resample them to one, or write windows as cells of a Parquet file."
        )
    columns = list(dict.fromkeys([subject, label, *(column for column, _, _ in signals)]))
    samples = _read(path, columns)
    for column, _, _ in signals:
        _check_numbers(path, samples, [column])
    if samples[subject].isna().any():
        row = int(samples[subject].isna().to_numpy().argmax())
        raise ValueError(f"{path}: row {row} has no {subject!r}; every sample needs one.")
    parts = dict(iter(samples.groupby(subject, sort=False)))
    cut = cut_windows(
        {
            who: {modality: part[column].to_numpy() for column, modality, _ in signals}
            for who, part in parts.items()
        },
        {modality: rate for _, modality, rate in signals},
        duration=duration,
        step=step,
        labels={who: part[label].to_numpy() for who, part in parts.items()},
        label_rate=signals[0][2],
    )
    cells = {modality: cut.data[modality] for _, modality, _ in signals}
    frame = cut.data[[]].assign(**{subject: cut.groups, label: cut.target, START: cut.start_times})
    return frame.assign(**cells), cut.dropped


def _column_names(path: Path) -> list[str]:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: expected a .csv or a .parquet file.")
    try:
        if path.suffix == ".parquet":
            return list(pq.read_schema(path).names)
        return list(pd.read_csv(path, nrows=0).columns)
    except (
        pa.ArrowInvalid,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeError,
    ) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        return pq.read_table(path, columns=columns).to_pandas(ignore_metadata=True)
    try:
        return pd.read_csv(path, usecols=columns, low_memory=False)
    except pd.errors.ParserError as error:
        raise ValueError(f"{path} cannot be read as csv: {error}") from error


def _check_columns(path: Path, wanted: list[str], names: list[str]) -> None:
    for name in wanted:
        if name not in names:
            raise ValueError(f"{path} has no column {name!r}; there are {names}.")


def _samples_of(column: str, names: list[str]) -> list[str]:
    """Name the columns that hold a signal: one of cells, or one for each sample, in order."""
    if column in names:
        return [column]
    numbered = [name for name in names if re.fullmatch(re.escape(column) + r"_\d+", name)]
    return sorted(numbered, key=lambda name: int(name.rpartition("_")[2])) or [column]


def _cells(path: Path, frame: pd.DataFrame, columns: list[str]) -> Any:
    """Return a column of arrays."""
    import pandas as pd

    first = frame[columns[0]]
    if len(columns) == 1 and first.dtype == object and _holds_arrays(first):
        return first
    if len(columns) == 1:
        raise ValueError(
            f"{path}: column {columns[0]!r} is of {first.dtype}; expected lists of numbers, or "
            f"columns '{columns[0]}_0', '{columns[0]}_1' … of samples, or --duration with a row "
            "for each sample."
        )
    _check_numbers(path, frame, columns)
    return pd.Series(list(frame[columns].to_numpy(float)), index=frame.index, dtype=object)


def _holds_arrays(cells: pd.Series) -> bool:
    import numpy as np

    return all(cell is None or isinstance(cell, np.ndarray) for cell in cells)


def _check_numbers(path: Path, frame: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if frame[column].dtype.kind not in "fiu":
            kind = frame[column].dtype
            raise ValueError(f"{path}: column {column!r} is of {kind}; expected numbers.")
