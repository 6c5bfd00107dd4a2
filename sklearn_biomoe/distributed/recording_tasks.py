"""Recordings that a task cuts into windows and embeds."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from .._typing import FloatArray
from ..recordings import read_recording
from ..signals import cut_windows
from .tasks import Columns, Part, SourceFile

# URL of the recording, and start of the window in seconds.
IDS = pa.schema([("recording", pa.string()), ("start_time", pa.float64())])


@dataclass(frozen=True)
class Cutting:
    """How recordings are cut into windows: durations in seconds, rates in Hz."""

    channels: tuple[str, ...]
    duration: float
    step: float
    sampling_rate: float | None = None  # of files that do not hold their rate
    resample_to: float | None = None
    rate: float | None = None  # of every recording once it is resampled; None if not known yet


@dataclass(frozen=True, kw_only=True)
class RecordingPart(Part):
    """The windows of a recording, with a column of cells for each channel."""

    cutting: Cutting

    @property
    def settings(self) -> dict[str, Any]:
        """How windows are cut."""
        return asdict(self.cutting)

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read the recording, and return at most ``batch_rows`` windows at a time."""
        windows, start_times = self._cut()
        for first in range(0, len(windows), batch_rows):
            rows = slice(first, first + batch_rows)
            starts = pa.array(start_times[rows])
            ids = [pa.array([self.source.url] * len(starts)), starts]
            cells = [_to_cells(windows[rows, channel]) for channel in range(windows.shape[1])]
            names = [*IDS.names, *self.cutting.channels]
            yield pa.RecordBatch.from_arrays([*ids, *cells], names=names)

    def _cut(self) -> tuple[FloatArray, FloatArray]:
        """Return windows of shape (n_windows, n_channels, n_times), and their starts in seconds.

        Windows in which a sample is missing are NaN throughout.
        """
        signals, rate = _read(self.source, self.cutting)
        if rate != self.cutting.rate:
            raise ValueError(
                f"its channels are at {rate:g} Hz, those of the first recording at "
                f"{self.cutting.rate:g} Hz; pass resample_to= to resample all to one rate."
            )
        name: Any = "+".join(self.cutting.channels)
        bunch = cut_windows(
            {self.source.url: {name: signals}},
            {name: rate},
            duration=self.cutting.duration,
            step=self.cutting.step,
        )
        windows = np.stack(bunch.data[name].to_list())
        windows[np.isnan(windows).any(axis=(1, 2))] = np.nan
        return windows, bunch.start_times


def plan_recordings(files: Sequence[SourceFile], cutting: Cutting) -> list[RecordingPart]:
    """Make each file a part; all must have the sampling rate of the first."""
    _, rate = _read(files[0], cutting)
    cutting = replace(cutting, rate=rate)
    columns = Columns(cutting.channels, tuple(IDS.names))
    return [
        RecordingPart(
            source=file, columns=columns, id_schema=IDS, place="recording", cutting=cutting
        )
        for file in files
    ]


def _read(source: SourceFile, cutting: Cutting) -> tuple[FloatArray, float]:
    """Return the channels, of shape (n_channels, n_times), and their rate in Hz."""
    recording = read_recording(
        source.url.removeprefix("file://"),
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
            f"its channels have different rates or lengths: {found}; pass resample_to=."
        )
    signals = np.stack([channel.samples for channel in channels])
    return signals, recording[cutting.channels[0]].sampling_rate


def _to_cells(windows: FloatArray) -> pa.Array:
    values = pa.array(np.ascontiguousarray(windows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, windows.shape[1])
