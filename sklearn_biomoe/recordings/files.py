"""Recordings read from files of CSV, Parquet, EDF and WFDB, by the names of their channels.

EDF and WFDB need ``pip install 'sklearn-biomoe[recordings]'``.
"""

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..signals import SignalFilter

Signal = tuple[NDArray[np.float64], float]  # samples and Hz
READER = "{format} files need {package}: pip install 'sklearn-biomoe[recordings]'."


def read_recording(
    path: str | PathLike[str],
    channels: Sequence[str],
    *,
    sampling_rate: float | None = None,
    resample_to: float | None = None,
) -> tuple[NDArray[np.float64], float]:
    r"""Read some channels of a recording in their physical units, at one rate.

    Parameters
    ----------
    path : path
        A ".csv" file, or a ".parquet" file, with a column for each channel; an ".edf" file; or the
        ".hea" file of a WFDB record.
    channels : sequence of str
        Names of columns, or labels in the file.
    sampling_rate : float, default=None
        In Hz, of CSV and Parquet, which do not tell it.
    resample_to : float, default=None
        In Hz. Channels of different rates need it.

    Returns
    -------
    signals : ndarray of shape (n_channels, n_times), float64
        NaN where a sample is missing, and around it where the recording was resampled.
    sampling_rate : float
        In Hz.

    Raises
    ------
    ValueError
        For another suffix, a file that cannot be read, channels that it lacks or holds twice, that
        are no numbers or differ in rate or length, and a rate that is missing or told twice.
    FileNotFoundError
        Where there is no such file.
    ImportError
        Without the library that reads the format.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "S1.csv")
    >>> _ = path.write_text("eda,bvp\n0.5,10\n0.6,11\n0.7,12\n")
    >>> read_recording(path, ["eda"], sampling_rate=4)
    (array([[0.5, 0.6, 0.7]]), 4.0)
    """
    path = Path(fspath(path))
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path} is none of {', '.join(READERS)}; convert it to one of them.")
    tells_rate = path.suffix.lower() in (".edf", ".hea")
    if tells_rate == (sampling_rate is not None):
        told = (
            "tells its sampling rate itself; leave it out"
            if tells_rate
            else ("tells no sampling rate; give it, in Hz")
        )
        raise ValueError(f"{path} {told}.")
    try:
        columns = READERS[path.suffix.lower()](path, channels)
    except (OSError, ImportError, UnknownChannel):
        raise
    except Exception as error:  # readers raise whatever comes to them from a damaged file
        raise ValueError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    signals = [_to_rate(*_with_rate(column, sampling_rate), resample_to) for column in columns]
    shapes = {(samples.shape, rate) for samples, rate in signals}
    if len(shapes) > 1:
        told = ", ".join(
            f"{name} {len(samples)} samples at {rate:g} Hz"
            for name, (samples, rate) in zip(channels, signals, strict=True)
        )
        raise ValueError(f"{path} has channels of different rates or lengths: {told}; resample.")
    return np.stack([samples for samples, _ in signals]), signals[0][1]


class UnknownChannel(ValueError):
    """A channel that is not in a file, or in it twice."""


def _check_channels(path: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    for name in wanted:
        if list(there).count(name) != 1:
            found = "twice or more" if name in there else "not"
            raise UnknownChannel(
                f"{path}: channel {name!r} is {found} there; there are "
                f"{', '.join(map(repr, there[:30]))}."
            )


def _with_rate(column: Any, sampling_rate: float | None) -> Signal:
    return (column, float(sampling_rate)) if sampling_rate is not None else column


def _to_rate(samples: NDArray[Any], rate: float, resample_to: float | None) -> Signal:
    samples = np.asarray(samples, dtype=np.float64)
    if resample_to is None or resample_to == rate:
        return samples, rate
    filtered = SignalFilter(rate, resample_to=resample_to, missing="interpolate")
    resampled = filtered.fit_transform(samples[None])[0]
    gaps = np.isnan(samples)
    if gaps.any():  # filled to be filtered, and taken out again
        at = np.minimum(np.arange(len(resampled)) * rate / resample_to, len(samples) - 1)
        resampled[gaps[np.floor(at).astype(int)] | gaps[np.ceil(at).astype(int)]] = np.nan
    return resampled, resample_to


def _read_csv(path: Path, channels: Sequence[str]) -> list[Any]:
    _check_channels(path, channels, list(pd.read_csv(path, nrows=0).columns))
    # The default parser is off by a last bit.
    frame = pd.read_csv(
        path, usecols=list(channels), dtype=np.float64, float_precision="round_trip"
    )
    return [frame[name].to_numpy() for name in channels]


def _read_parquet(path: Path, channels: Sequence[str]) -> list[Any]:
    import pyarrow.parquet as pq

    _check_channels(path, channels, pq.read_schema(path).names)
    table = pq.ParquetFile(path).read(columns=list(channels))
    return [table[name].to_numpy() for name in channels]


def _read_edf(path: Path, channels: Sequence[str]) -> list[Any]:
    try:
        from edfio import read_edf
    except ImportError as error:
        raise ImportError(READER.format(format="EDF", package="edfio")) from error
    recording = read_edf(path)
    _check_channels(path, channels, list(recording.labels))
    signals = [recording.get_signal(name) for name in channels]
    return [(signal.data, float(signal.sampling_frequency)) for signal in signals]


def _read_wfdb(path: Path, channels: Sequence[str]) -> list[Any]:
    try:
        import wfdb
    except ImportError as error:
        raise ImportError(READER.format(format="WFDB", package="wfdb")) from error
    name = str(path.with_suffix(""))
    header = wfdb.rdheader(name)
    there = header.sig_name or []
    _check_channels(path, channels, there)
    # Each at its own rate, where a record's channels differ in it.
    record = wfdb.rdrecord(name, smooth_frames=False, channels=[there.index(c) for c in channels])
    rates = [record.fs * per_frame for per_frame in record.samps_per_frame]
    return list(zip(record.e_p_signal, map(float, rates), strict=True))


READERS: dict[str, Callable[[Path, Sequence[str]], list[Any]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".edf": _read_edf,
    ".hea": _read_wfdb,
}
