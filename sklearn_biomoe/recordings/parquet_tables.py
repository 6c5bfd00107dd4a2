"""Parquet files: a column for each channel, and perhaps one of times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .formats import ChannelHeader, Format, RecordingError, SamplingRate, import_library
from .recording import Recording
from .tables import Table
from .time_columns import Column, TimeOptions, may_be_time
from .units import unit_of_name


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    time: str | bool | None = None,
    time_unit: str | None = None,
    time_format: str | None = None,
    timezone: str | None = None,
    irregular: str = "error",
) -> Recording:
    """Read a Parquet file.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called. The rate is required if there is no column of times.
    time, time_unit, time_format, timezone, irregular
        As `TimeOptions` has them.
    """
    options = TimeOptions(time, time_unit, time_format, timezone, irregular)
    wanted = None if channels is None else {*channels, time}
    return _read_table(path, wanted).read(channels, sampling_rate, options)


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns, of which only those of times are read."""
    return _read_table(path, set()).list_channels(TimeOptions())


def _read_table(path: Path, wanted: set[Any] | None) -> Table:
    """Read the wanted columns, None for all, and those that may hold times."""
    pa = import_library("pyarrow", "Parquet")
    parquet = import_library("pyarrow.parquet", "Parquet")
    with path.open("rb") as file:
        try:
            return _read_columns(pa, parquet.ParquetFile(file), wanted)
        except OSError as error:  # which pyarrow raises for some of the damaged files
            raise RecordingError(f"The file is damaged: {error}") from error


def _read_columns(pa: Any, file: Any, wanted: set[Any] | None) -> Table:
    schema = file.schema_arrow
    if len(set(schema.names)) < len(schema.names):
        raise RecordingError(f"Several columns have the same name: {', '.join(schema.names)}.")
    if not file.metadata.num_rows:
        raise RecordingError("The file has no rows.")
    metadata = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    index = [name for name in metadata.get("index_columns", ()) if name in schema.names]
    columns = []
    for name in [*index, *(name for name in schema.names if name not in index)]:
        type_ = schema.field(name).type
        is_read = wanted is None or name in wanted or name in index or may_be_time(name)
        if is_read or pa.types.is_temporal(type_):
            columns.append(_read_column(pa, file.read(columns=[name])[name], name))
        else:
            columns.append(Column(name, None, unit_of_name(name), *_describe_type(pa, name, type_)))
    return Table(columns, file.metadata.num_rows, lambda row: f"row {row}")


def _read_column(pa: Any, column: Any, name: str) -> Column:
    """Read numbers, dates, durations or text; None for other types."""
    problem, _ = _describe_type(pa, name, column.type)
    is_time = pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type)
    if is_time or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        series = column.to_pandas()
        return Column(name, series if is_time else series.fillna(""), problem=problem)
    if problem:
        return Column(name, None, problem=problem)
    values = column.cast(pa.float64(), safe=False).to_numpy()
    if np.isinf(values).any():
        problem = f"Column {name!r} is infinite in row {int(np.isinf(values).argmax())}."
    return Column(name, values, unit_of_name(name), problem, has_numbers=True)


def _describe_type(pa: Any, name: str, type_: Any) -> tuple[str, bool]:
    """Return why a column is not one of numbers, and whether it has some."""
    types = pa.types
    if types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_):
        return "", True
    return f"Column {name!r} has values of the type {type_}; expected numbers.", False


FORMAT = Format("Parquet", (".parquet",), read, list_channels)
