"""Recordings whose windows are cut as they are embedded."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..recordings import read_recording
from ..signals import cut_windows
from .tasks import Columns, Part, SourceFile

IDS = pa.schema([("recording", pa.string()), ("start_time", pa.float64())])


@dataclass(frozen=True)
class Cutting:
    """How windows are cut from a recording.

    Parameters
    ----------
    channels : tuple of str
    duration, step : float
        Seconds.
    sampling_rate, resample_to : float or None
        Hz, as for `sklearn_biomoe.recordings.read_recording`.
    rate : float or None
        Hz that all recordings have to have then; None before one was looked at.
    """

    channels: tuple[str, ...]
    duration: float
    step: float
    sampling_rate: float | None = None
    resample_to: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class RecordingPart(Part):
    """A recording, as its windows: a column of cells for each channel.

    Parameters
    ----------
    cutting : Cutting
    """

    cutting: Cutting

    @property
    def settings(self) -> dict[str, Any]:
        """How windows are cut."""
        return asdict(self.cutting)

    @property
    def place(self) -> str:
        """The whole recording."""
        return "recording"

    @property
    def id_schema(self) -> pa.Schema:
        """The file's URL, and the seconds at which a window starts."""
        return IDS

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read the recording, and its windows, up to so many at a time."""
        path = self.source.url.removeprefix("file://")
        windows, start_times, rate = cut_recording(path, self.cutting)
        if rate != self.cutting.rate:
            raise ValueError(
                f"its channels are at {rate:g} Hz, those of the first recording at "
                f"{self.cutting.rate:g} Hz; resample all to one rate."
            )
        for first in range(0, len(windows), batch_rows):
            rows = slice(first, first + batch_rows)
            starts = start_times[rows]
            ids = [pa.array([self.source.url] * len(starts)), pa.array(starts)]
            cells = [_cells(windows[rows, channel]) for channel in range(windows.shape[1])]
            names = [*IDS.names, *self.cutting.channels]
            yield pa.RecordBatch.from_arrays([*ids, *cells], names=names)


def plan_recordings(files: Sequence[SourceFile], cutting: Cutting) -> list[RecordingPart]:
    """Make each file a task; all have to have the first one's rate.

    Raises
    ------
    ValueError
        Where the first file cannot be read, as from `read_recording`.
    """
    path = files[0].url.removeprefix("file://")
    _, rate = _read_signals(path, cutting)
    cutting = replace(cutting, rate=rate)
    columns = Columns(cutting.channels, tuple(IDS.names))
    return [RecordingPart(file, columns, cutting) for file in files]


def cut_recording(
    path: str, cutting: Cutting
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Cut a recording into windows; those that lack samples are NaN throughout.

    Returns
    -------
    windows : ndarray of shape (n_windows, n_channels, n_times)
    start_times : ndarray of shape (n_windows,)
        In seconds.
    sampling_rate : float
        In Hz.

    Raises
    ------
    ValueError
        For a recording shorter than a window, and as from `read_recording`.
    """
    signals, rate = _read_signals(path, cutting)
    name: Any = "+".join(cutting.channels)
    bunch = cut_windows(
        {path: {name: signals}}, {name: rate}, duration=cutting.duration, step=cutting.step
    )
    windows = np.stack(bunch.data[name].to_list())
    windows[np.isnan(windows).any(axis=(1, 2))] = np.nan
    return windows, bunch.start_times, rate


def _read_signals(path: str, cutting: Cutting) -> tuple[NDArray[np.float64], float]:
    """Return signals of shape (n_channels, n_times), and their rate."""
    recording = read_recording(
        path,
        cutting.channels,
        sampling_rate=cutting.sampling_rate,
        resample_to=cutting.resample_to,
    )
    channels = recording.channels.values()
    if len({(len(channel.samples), channel.sampling_rate) for channel in channels}) > 1:
        found = ", ".join(
            f"{name!r} {len(channel.samples)} samples at {channel.sampling_rate:g} Hz"
            for name, channel in recording.channels.items()
        )
        raise ValueError(
            f"{path} has channels of different rates or lengths: {found}; resample them."
        )
    signals = np.stack([channel.samples for channel in channels])
    return signals, recording[cutting.channels[0]].sampling_rate


def _cells(windows: NDArray[np.float64]) -> pa.Array:
    values = pa.array(np.ascontiguousarray(windows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, windows.shape[1])
