"""Recordings in memory: of MNE, pandas frames and dictionaries of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from .._typing import FloatArray
from .._validation.parameters import check_option
from .formats import (
    ChannelHeader,
    Format,
    RecordingError,
    SamplingRate,
    name_channels,
    rate_of,
    select_channels,
)
from .recording import Channel, Recording, make_annotations
from .time_columns import scalar_rate
from .timelines import read_timeline, start_at

MNE_UNITS = {107: "V", 112: "T", 201: "T/m"}  # codes of the FIFF format
MNE_NOT_RECORDED = "BAD_ACQ_SKIP"
MNE_BOUNDARY = "BAD boundary"


def read(
    source: Any,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    irregular: str = "error",
) -> Recording:
    """Take a recording from an object.

    Parameters
    ----------
    source : Recording, mne.io.Raw, DataFrame, or mapping of str to array or Channel
        Frames may have a DatetimeIndex, a TimedeltaIndex or an index of floats, in seconds; those
        with a RangeIndex, and arrays, need ``sampling_rate``.
    channels, sampling_rate
        As `Format.read` is called.
    irregular : {"error", "interpolate"}, default="error"
        For the index of a frame, as `timelines.read_timeline` takes it.
    """
    check_option("irregular", irregular, ["error", "interpolate"])
    if isinstance(source, Recording):
        return source if channels is None else _select(source, channels)
    if isinstance(source, pd.DataFrame):
        return _read_frame(source, channels, sampling_rate, irregular)
    if isinstance(source, Mapping):
        return _read_mapping(source, channels, sampling_rate)
    if all(hasattr(source, name) for name in ("ch_names", "get_data", "first_samp", "info")):
        return _read_raw(source, channels)
    raise RecordingError(
        "expected a path, an mne.io.Raw, a pandas DataFrame, or a mapping of names to arrays."
    )


def list_channels(source: Any) -> list[ChannelHeader]:
    """List the channels of an object; the rate is NaN if it does not have one."""
    if isinstance(source, pd.DataFrame) and _has_times(source) and len(source) < 2:
        source = source.reset_index(drop=True)  # one time has no rate
    has_times = isinstance(source, pd.DataFrame) and _has_times(source)
    recording = read(source, None, sampling_rate=None if has_times else 1.0)
    headers = []
    for name, channel in recording.channels.items():
        rate = channel.sampling_rate
        if isinstance(source, pd.DataFrame) and not has_times:
            rate = np.nan
        if isinstance(source, Mapping) and not isinstance(source[name], Channel):
            rate = np.nan
        headers.append(ChannelHeader(name, rate, channel.unit, len(channel.samples)))
    return headers


def _select(recording: Recording, channels: list[str]) -> Recording:
    select_channels(channels, list(recording.channels))
    return Recording(
        {name: recording[name] for name in channels},
        recording.start_time,
        recording.annotations,
        recording.subject,
        recording.source,
        recording.notes,
    )


def _read_raw(raw: Any, channels: list[str] | None) -> Recording:
    """Read an mne.io.Raw, whose values are in SI units: an EEG is in V, not in µV."""
    selected = select_channels(channels, raw.ch_names)
    rate, info = float(raw.info["sfreq"]), raw.info
    start = raw.first_samp / rate  # annotations count from the measurement date
    rows = [
        (onset - start, duration, str(text))
        for onset, duration, text in zip(
            raw.annotations.onset,
            raw.annotations.duration,
            raw.annotations.description,
            strict=True,
        )
    ]
    read_channels = {}
    for i in selected:
        samples = np.array(raw.get_data(picks=[i])[0], dtype=np.float64)
        for onset, duration, text in rows:
            if text == MNE_NOT_RECORDED:
                first, last = round(onset * rate), round((onset + duration) * rate)
                samples[max(first, 0) : max(last, 0)] = np.nan
        unit = MNE_UNITS.get(int(info["chs"][i]["unit"]), "")
        read_channels[raw.ch_names[i]] = Channel(samples, rate, unit)
    date, subject = info.get("meas_date"), info.get("subject_info") or {}
    return Recording(
        read_channels,
        start_time=date + timedelta(seconds=start) if date is not None else None,
        annotations=make_annotations(rows),
        subject=subject.get("his_id") or None,
        notes=tuple(
            f"Parts were joined at {onset:g} s; what was between them is not in the data."
            for onset, _, text in rows
            if text == MNE_BOUNDARY
        ),
    )


def _has_times(frame: pd.DataFrame) -> bool:
    return isinstance(frame.index, pd.DatetimeIndex | pd.TimedeltaIndex) or (
        frame.index.dtype.kind == "f"
    )


def _read_frame(
    frame: pd.DataFrame, channels: list[str] | None, sampling_rate: SamplingRate, irregular: str
) -> Recording:
    names = name_channels([str(name) for name in frame.columns])
    is_number = [_is_number(dtype) for dtype in frame.dtypes]
    if channels is None:
        selected = [i for i, found in enumerate(is_number) if found]
    else:
        selected = select_channels(channels, names)
    for i in selected:
        if not is_number[i]:
            raise RecordingError(
                f"Column {names[i]!r} has the dtype {frame.dtypes.iloc[i]}; expected numbers."
            )
    notes = []
    if left_out := [names[i] for i, found in enumerate(is_number) if not found and not channels]:
        notes.append(f"Columns that are not numbers are left out: {', '.join(left_out)}.")
    values = {names[i]: frame.iloc[:, i].to_numpy(np.float64, na_value=np.nan) for i in selected}
    if not _has_times(frame):
        if not isinstance(frame.index, pd.RangeIndex) or frame.index.step != 1:
            raise RecordingError(
                f"The index is a {type(frame.index).__name__} of {frame.index.dtype}; expected a "
                "DatetimeIndex, a TimedeltaIndex or seconds as floats, or reset_index(drop=True) "
                "and sampling_rate in Hz."
            )
        return Recording(_with_rates(values, sampling_rate), notes=tuple(notes))
    index, start_time = frame.index, None
    if isinstance(index, pd.DatetimeIndex) and len(index) and not pd.isna(index[0]):
        start_time = index[0].to_pydatetime(warn=False)
    if index.dtype.kind == "f":
        notes.append("The index is taken as seconds.")
    given = scalar_rate({name: rate_of(sampling_rate, name) for name in values})
    seconds = _seconds(index)  # from the first time, if it has a date
    timeline = read_timeline(seconds, given, irregular=irregular)
    first = float(seconds[0]) if len(seconds) else 0.0
    return Recording(
        {
            name: Channel(
                start_at(timeline.place(column), first, timeline.sampling_rate),
                timeline.sampling_rate,
            )
            for name, column in values.items()
        },
        start_time=start_time,
        notes=tuple(notes),
    )


def _is_number(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not (
        pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_complex_dtype(dtype)
    )


def _seconds(index: pd.Index) -> FloatArray:
    """Return seconds of an index, from its first time if it has dates."""
    if index.dtype.kind == "f":
        return index.to_numpy(np.float64)
    since = pd.TimedeltaIndex(index - index[0] if isinstance(index, pd.DatetimeIndex) else index)
    return since.total_seconds().to_numpy(np.float64)


def _read_mapping(
    arrays: Mapping[Any, Any], channels: list[str] | None, sampling_rate: SamplingRate
) -> Recording:
    if other := [name for name in arrays if not isinstance(name, str)]:
        raise RecordingError(f"{other[0]!r} is not the name of a channel; expected text.")
    names = list(arrays)
    selected = [names[i] for i in select_channels(channels, names)]
    return Recording(_with_rates({name: arrays[name] for name in selected}, sampling_rate))


def _with_rates(arrays: Mapping[str, Any], sampling_rate: SamplingRate) -> dict[str, Channel]:
    channels = {}
    for name, values in arrays.items():
        rate = rate_of(sampling_rate, name)
        if isinstance(values, Channel):
            channels[name] = values
        elif rate is None:
            raise RecordingError(
                f"Channel {name!r} has no sampling rate; pass sampling_rate in Hz."
            )
        else:
            try:
                channels[name] = Channel(values, rate)
            except ValueError as error:
                raise RecordingError(f"Channel {name!r}: {error}") from error
    return channels


FORMAT = Format("object", (), read, list_channels)
