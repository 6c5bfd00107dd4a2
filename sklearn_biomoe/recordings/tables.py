"""Tables with a column for each channel, and perhaps one of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .formats import ChannelHeader, RecordingError, SamplingRate, rate_of, select_channels
from .recording import Channel, Recording
from .time_columns import Column, TimeOptions, Times, find_times, scalar_rate
from .timelines import Timeline, read_timeline


@dataclass(frozen=True)
class Table:
    """Columns of one length.

    Parameters
    ----------
    columns : sequence of Column
    n_rows : int
    place : callable
        Returns the name of a row in messages, such as "line 7".
    notes : tuple of str, default=()
    unplaced : str, default=""
        Why rows without times are not read; empty if they are.
    """

    columns: Sequence[Column]
    n_rows: int
    place: Callable[[int], str]
    notes: tuple[str, ...] = ()
    unplaced: str = ""

    def read(
        self, channels: list[str] | None, sampling_rate: SamplingRate, options: TimeOptions
    ) -> Recording:
        """Return columns of numbers as channels, on the grid of their times if there are any."""
        times, columns, notes = self._find_times(sampling_rate, options)
        selected = [columns[i] for i in select_channels(channels, [c.name for c in columns])]
        if channels is None:
            if left_out := [c.name for c in columns if c.problem and not c.has_numbers]:
                notes.append(f"Columns without numbers are left out: {', '.join(left_out)}.")
            selected = [column for column in columns if column.name not in left_out]
        for column in selected:
            if column.problem:
                raise RecordingError(column.problem)
        if not selected:
            raise RecordingError("There is no column of numbers.")
        rates = {column.name: rate_of(sampling_rate, column.name) for column in selected}
        values = {column.name: np.asarray(column.values, np.float64) for column in selected}
        if times is not None and times.seconds is not None:
            timeline = self._read_timeline(times, scalar_rate(rates), options)
            values = {name: timeline.place(samples) for name, samples in values.items()}
            rates = dict.fromkeys(values, timeline.sampling_rate)
        read = {}
        for column in selected:
            if (rate := rates[column.name]) is None:
                raise RecordingError(
                    f"There is no column of times, and channel {column.name!r} has no sampling "
                    "rate; pass sampling_rate in Hz, or time, the name of the column of times."
                )
            read[column.name] = Channel(values[column.name], rate, column.unit)
        return Recording(
            read, start_time=times.start_time if times else None, notes=(*self.notes, *notes)
        )

    def list_channels(self, options: TimeOptions) -> list[ChannelHeader]:
        """List the columns that have numbers; the rate is NaN without times."""
        times, columns, _ = self._find_times(None, options)
        rate, n_samples = np.nan, self.n_rows
        if times is not None and times.seconds is not None:
            timeline = self._read_timeline(times, None, options)
            rate, n_samples = timeline.sampling_rate, timeline.n_samples
        return [
            ChannelHeader(column.name, rate, column.unit, n_samples)
            for column in columns
            if not column.problem or column.has_numbers
        ]

    def _find_times(
        self, sampling_rate: SamplingRate, options: TimeOptions
    ) -> tuple[Times | None, list[Column], list[str]]:
        """Return the times, the other columns, and notes."""
        times, notes = find_times(self.columns, options, scalar_rate(sampling_rate), self.place)
        if times is None:
            columns = list(self.columns)
        else:
            columns = [column for column in self.columns if column.name != times.column]
            notes.append(times.note)
        if self.unplaced and (times is None or times.seconds is None):
            raise RecordingError(self.unplaced)
        return times, columns, notes

    def _read_timeline(
        self, times: Times, sampling_rate: float | None, options: TimeOptions
    ) -> Timeline:
        assert times.seconds is not None
        try:
            return read_timeline(times.seconds, sampling_rate, irregular=options.irregular)
        except RecordingError as error:
            raise RecordingError(
                f"Column {times.column!r}: {error} Row 0 is {self.place(0)}."
            ) from error
