"""Files and objects read as recordings by the reader of their format."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._validation.parameters import check_number
from . import (
    acqknowledge,
    bids,
    edf,
    empatica,
    objects,
    opensignals,
    parquet_tables,
    text_tables,
    wfdb_records,
)
from .formats import Format, RecordingError, SamplingRate, rate_of, select_channels
from .recording import Channel, Recording
from .resampling import resample

FORMATS: list[Format] = [
    empatica.FORMAT,
    bids.FORMAT,
    opensignals.FORMAT,
    text_tables.FORMAT,
    parquet_tables.FORMAT,
    edf.FORMAT,
    wfdb_records.FORMAT,
    acqknowledge.FORMAT,
]
SUFFIXES = tuple(suffix for format_ in FORMATS for suffix in format_.suffixes)
RATE_TOLERANCE = 1e-3


def read_recording(
    source: Any,
    channels: str | Sequence[str] | None = None,
    *,
    sampling_rate: SamplingRate = None,
    resample_to: float | None = None,
    **options: Any,
) -> Recording:
    r"""Read a recording, or some of its channels, in physical units.

    Parameters
    ----------
    source : path, mne.io.Raw, DataFrame, mapping of str to array, or Recording
        The format of a file is found by the suffix, in any case: ".csv", ".tsv", ".txt",
        ".csv.gz", ".parquet", ".edf", ".bdf", ".hea" for WFDB records, ".acq" for AcqKnowledge,
        "_physio.tsv.gz" of BIDS. Folders and zip files of the Empatica E4, and text files of
        OpenSignals, are recognized by their content. A frame's index is its times: a DatetimeIndex,
        a TimedeltaIndex or floats in seconds. The values of an `mne.io.Raw` are in SI units, such
        as V.
    channels : str or sequence of str, default=None
        Names as `list_channels` lists them, in the order wanted; a str is one name. None reads all
        channels. Of channels with the same label the name ends in " #1", " #2", ...
    sampling_rate : float or mapping of channel to float, default=None
        In Hz. Required for files that do not give one. A rate that the file gives is compared with
        it: it has to agree within 0.1 %, and the channel then has the rate passed here, so that
        recordings of 255.9998 Hz and 256 Hz have the same one. If the difference would move the
        last sample by half a sample or more, the channel is resampled.
    resample_to : float, default=None
        In Hz. Brings all channels to this rate.
    **options
        For EDF and BDF: ``decimal=","`` for headers with decimal commas, ``annotations=False`` if
        annotations are damaged, ``incomplete="keep"`` for truncated files. For WFDB: ``annotator``,
        the suffix of the annotation file ("atr" if there is one), ``annotations=False``, and
        ``incomplete="keep"`` if segments are missing. For AcqKnowledge: ``annotations=False`` if
        markers are damaged. For frames: ``irregular="interpolate"`` for irregular times.

        For text tables, where the default detects, or refuses what may mean two things:
        ``separator``, ``decimal``, ``thousands``, ``encoding``; ``skip_rows``, the number of lines
        before the names; ``names`` of the columns of files without them; ``blank_lines``, "missing"
        for missing samples or "skip". For text tables and Parquet: ``time``, the column of times,
        False if none holds times; its ``time_unit`` ("s", "ms", "us", "ns", "min", "h") or
        ``time_format`` (as for `datetime.datetime.strptime`); ``timezone`` of dates without one,
        such as "Europe/Berlin"; and ``irregular``. For the Empatica E4: ``ibi=True`` adds the
        intervals between beats to the annotations. For BIDS: ``annotations=False`` leaves the
        events out. For OpenSignals: ``incomplete="keep"`` if samples were lost.

    Returns
    -------
    recording : Recording

    Raises
    ------
    RecordingError
        A ValueError: if the file cannot be read completely, a channel is missing or its name is
        ambiguous, the sampling rate is missing or contradicts the file, or the suffix is unknown.
    FileNotFoundError
        If the file does not exist.
    ImportError
        If the library that reads the format is not installed.
    TypeError
        For options that the format does not have.

    See Also
    --------
    list_channels : Names, rates and units without reading the samples.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "S1.csv")
    >>> _ = path.write_text("eda,bvp\n0.5,10\n0.6,11\n0.7,12\n")
    >>> recording = read_recording(path, "eda", sampling_rate=4)
    >>> recording["eda"].samples, recording["eda"].sampling_rate
    (array([0.5, 0.6, 0.7]), 4.0)
    """
    names = _check_names(channels)
    _check_rates(sampling_rate)
    if resample_to is not None:
        check_number("resample_to", resample_to, above=0, unit="Hz", alternative="None")
    source, place, format_ = find_format(source)
    _check_options(format_, options)
    recording = _call_reader(
        format_, place, lambda: format_.read(source, names, sampling_rate=sampling_rate, **options)
    )
    if isinstance(sampling_rate, Mapping):
        there = list(recording.channels)
        _call_reader(format_, place, lambda: select_channels(list(sampling_rate), there))
    read = {}
    for name in names or recording.channels:
        channel = recording.channels[name]
        given = rate_of(sampling_rate, name)
        if given is not None:
            channel = with_rate(channel, given, f"{place}: channel {name!r}")
        read[name] = channel if resample_to is None else _resample(channel, resample_to)
    return replace(recording, channels=read, source=recording.source or place)


def list_channels(source: Any) -> pd.DataFrame:
    r"""List the channels of a file without reading all samples.

    Parameters
    ----------
    source : path or object
        As `read_recording` takes it.

    Returns
    -------
    channels : DataFrame
        Columns name, sampling_rate (Hz), unit, duration (seconds, gaps included) and n_samples.
        Rate and duration are NaN if the file does not give a rate.

    Raises
    ------
    RecordingError, FileNotFoundError, ImportError
        As `read_recording` raises them.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "S1.csv")
    >>> _ = path.write_text("eda,bvp\n0.5,10\n0.6,11\n0.7,12\n")
    >>> list_channels(path)
      name  sampling_rate unit  duration  n_samples
    0  eda            NaN            NaN          3
    1  bvp            NaN            NaN          3
    """
    source, place, format_ = find_format(source)
    headers = _call_reader(format_, place, lambda: format_.list_channels(source))
    frame = pd.DataFrame(
        [asdict(header) for header in headers],
        columns=["name", "sampling_rate", "unit", "n_samples"],
    )
    frame.insert(3, "duration", frame["n_samples"] / frame["sampling_rate"].astype(np.float64))
    return frame


def find_format(source: Any) -> tuple[Any, str, Format]:
    """Return a path or object, its name in messages, and its format."""
    if not isinstance(source, str | PathLike):
        return source, type(source).__name__, objects.FORMAT
    path = Path(source)
    if not path.exists() and path.with_name(f"{path.name}.hea").is_file():
        path = path.with_name(f"{path.name}.hea")  # WFDB records are named without a suffix
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    for format_ in FORMATS:
        if format_.matches is not None and format_.matches(path):
            return path, str(path), format_
    for format_ in FORMATS:
        if path.is_file() and path.suffix.lower() in format_.suffixes:
            return path, str(path), format_
    kind = "folder" if path.is_dir() else f"file with the suffix {path.suffix!r}"
    raise RecordingError(
        f"{path} is a {kind}, which no reader takes; expected one of {', '.join(SUFFIXES)}. "
        "Read it with another library, and pass mne.io.read_raw(path), a DataFrame or "
        "{channel: samples}."
    )


def _call_reader(format_: Format, place: str, function: Any) -> Any:
    """Call a reader; put the path into its errors."""
    try:
        return function()
    except RecordingError as error:
        raise RecordingError(f"{place}: {error}") from error
    except (OSError, ImportError):
        raise
    except Exception as error:  # libraries raise anything for damaged files
        raise RecordingError(
            f"{place} cannot be read as {format_.name}: {type(error).__name__}: {error}"
        ) from error


def _check_names(channels: str | Sequence[str] | None) -> list[str] | None:
    if channels is None:
        return None
    names = [channels] if isinstance(channels, str) else list(channels)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"channels={channels!r}; expected a name, several names, or None for all.")
    if len(set(names)) < len(names):
        raise ValueError(f"channels={channels!r} names a channel more than once.")
    return names


def _check_rates(sampling_rate: SamplingRate) -> None:
    rates = sampling_rate if isinstance(sampling_rate, Mapping) else {None: sampling_rate}
    for name, rate in rates.items():
        if rate is not None:
            parameter = "sampling_rate" if name is None else f"sampling_rate[{name!r}]"
            check_number(parameter, rate, above=0, unit="Hz", alternative="None")


def options_of(format_: Format) -> list[str]:
    """Return the names of the options of a format."""
    parameters = inspect.signature(format_.read).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "sampling_rate"
    ]


def _check_options(format_: Format, options: Mapping[str, Any]) -> None:
    known = options_of(format_)
    for name in options:
        if name not in known:
            expected = f"expected {', '.join(known)}" if known else "it has none"
            raise TypeError(f"{name!r} is not an option for {format_.name}; {expected}.")


def with_rate(channel: Channel, given: float, place: str) -> Channel:
    """Give a channel the rate that the user passed, which has to be the file's."""
    rate = channel.sampling_rate
    if rate == given:
        return channel
    if abs(given / rate - 1) > RATE_TOLERANCE:
        raise RecordingError(
            f"{place} is recorded at {rate:.10g} Hz, but sampling_rate is {given:.10g} Hz; leave "
            f"it out, or pass resample_to={given:.10g} to resample."
        )
    if len(channel.samples) * abs(given / rate - 1) < 0.5:
        return replace(channel, sampling_rate=given)
    return _resample(channel, given)


def _resample(channel: Channel, resample_to: float) -> Channel:
    if channel.sampling_rate == resample_to:
        return channel
    samples = resample(channel.samples, channel.sampling_rate, resample_to)
    return replace(channel, samples=samples, sampling_rate=resample_to)
