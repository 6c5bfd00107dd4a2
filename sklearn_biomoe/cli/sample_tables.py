"""Tables with a row for each sample, of several subjects."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from .._typing import Array
from ..recordings import RecordingError, StudyRecordings
from ..recordings.reading import with_rate
from ..recordings.recording import Recording
from ..recordings.tables import Table
from ..recordings.time_columns import Column, TimeOptions, may_be_time
from .study_tables import column_names, read_samples

CODES = ""  # name of the channel of labels, which no column has


def read_sample_table(
    path: Path,
    subject_column: str,
    names: Mapping[str, str],
    sampling_rate: float | None,
    label: str | None,
    time_options: TimeOptions,
) -> tuple[StudyRecordings, dict[Hashable, Array] | None]:
    """Read recordings and labels of all subjects.

    If a column has times, samples and labels are placed on their grid, with gaps where rows are
    missing.

    Parameters
    ----------
    path : Path
        A CSV or Parquet table; the rows of a subject are in their order.
    subject_column : str
    names : dict of str to str
        Name of each signal to its column.
    sampling_rate : float or None
        In Hz; None if the times give it. It is an error if they give another one.
    label : str or None
        Column of labels.
    time_options : TimeOptions

    Returns
    -------
    recordings : StudyRecordings
    labels : dict of str to ndarray of shape (n_times,), or None
        None where there is no label.
    """
    columns = [subject_column, *([label] if label else [])]
    times = [
        name
        for name in column_names(path)
        if name not in (*columns, *names.values())
        and (may_be_time(name) or name == time_options.time)
    ]
    samples = read_samples(path, columns, list(names.values()), times)
    if samples[subject_column].isna().any():
        row = int(samples[subject_column].isna().to_numpy().argmax())
        raise ValueError(f"{path}: row {row} has no {subject_column!r}; every sample needs one.")
    codes, classes = pd.factorize(samples[label]) if label else (np.zeros(len(samples)), [])
    recordings: dict[str, Recording] = {}
    labels: dict[Hashable, Array] = {}
    for subject, part in samples.groupby(subject_column, sort=False):
        own_codes = np.asarray(codes, dtype=np.float64)[part.index]
        own_codes[own_codes < 0] = np.nan  # without a label
        read = [_to_column(part[name]) for name in (*times, *names.values())]
        table = Table([*read, Column(CODES, own_codes)], len(part), partial(_place, path, part))
        try:
            found = table.read([*names.values(), CODES], sampling_rate, time_options)
        except RecordingError as error:
            raise RecordingError(f"{path}, subject {subject!r}: {error}") from error
        channels = {
            name: found[column]
            if sampling_rate is None
            else with_rate(found[column], sampling_rate, f"{path}, subject {subject!r}: {name!r}")
            for name, column in names.items()
        }
        recordings[str(subject)] = replace(found, channels=channels, subject=str(subject))
        first = channels[next(iter(names))]
        # A given rate that differs a little from that of the times resamples signals, not labels.
        at = np.arange(len(first.samples)) / first.sampling_rate * found[CODES].sampling_rate
        placed = found[CODES].samples.take(np.rint(at).astype(np.int64), mode="clip")
        labels[str(subject)] = _decode(placed, np.asarray(classes, dtype=object))
    skipped = pd.DataFrame(columns=["subject", "path", "reason"])
    return StudyRecordings(recordings, skipped), labels if label else None


def _to_column(cells: pd.Series) -> Column:
    if cells.dtype.kind in "fiu":
        return Column(str(cells.name), cells.to_numpy(np.float64))
    is_read = cells.dtype.kind in "mM" or cells.map(lambda cell: isinstance(cell, str)).any()
    problem = f"Column {cells.name!r} is of type {cells.dtype}."
    return Column(str(cells.name), cells if is_read else None, problem=problem)


def _place(path: Path, part: pd.DataFrame, row: int) -> str:
    is_text = path.suffix.lower() == ".csv"
    return f"line {part.index[row] + 2}" if is_text else f"row {part.index[row]}"


def _decode(codes: Array, classes: Array) -> Array:
    labels = np.full(len(codes), None, dtype=object)
    known = ~np.isnan(codes)
    if len(classes):
        labels[known] = classes[codes[known].astype(np.int64)]
    return labels
