"""Times of samples: the sampling rate that they state, and their places on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray, Rows
from .formats import RecordingError, join_segments, place_segments

LARGEST_JITTER = 0.5  # of a sampling period
GAP = 1.5  # sampling periods from one sample to the next


@dataclass(frozen=True)
class Timeline:
    """Places of samples on a regular grid that begins at the first of them.

    Parameters
    ----------
    sampling_rate : float
        In Hz.
    times : ndarray of shape (n_times,), float64
        Seconds from the first sample.
    positions : ndarray of shape (n_times,), int64, or None
        Of the samples on the grid; None for irregular times, whose samples are interpolated.
    n_samples : int
        Of the grid, gaps included.
    largest_step : float
        Seconds between samples that have no gap between them.
    """

    sampling_rate: float
    times: FloatArray
    positions: Rows | None
    n_samples: int
    largest_step: float = np.inf

    def place(self, values: FloatArray) -> FloatArray:
        """Place one value per time on the grid, with NaN in gaps."""
        samples = np.full(self.n_samples, np.nan)
        if self.positions is not None:
            samples[self.positions] = values
            return samples
        there = ~np.isnan(values)
        if not there.any():
            return samples
        times, values = self.times[there], values[there]
        grid = np.arange(self.n_samples) / self.sampling_rate
        after = np.searchsorted(times, grid).clip(1, max(len(times) - 1, 1))
        distance = times[np.minimum(after, len(times) - 1)] - times[after - 1]
        inside = (grid >= times[0]) & (grid - times[-1] <= 1e-6 / self.sampling_rate)
        inside &= distance <= self.largest_step
        samples[inside] = np.interp(grid[inside], times, values)
        return samples


def read_timeline(
    times: FloatArray, sampling_rate: float | None = None, *, irregular: str = "error"
) -> Timeline:
    """Find the sampling rate of times, and gaps between them.

    Parameters
    ----------
    times : ndarray of shape (n_times,), float64
        In seconds, one for each sample, increasing.
    sampling_rate : float, default=None
        In Hz, as the user gives it. It is taken if the times agree with it to their precision, and
        is required for a single sample; otherwise the rate is the one of the times.
    irregular : {"error", "interpolate"}, default="error"
        For times that deviate by more than half a sampling period from a regular grid:
        "interpolate" places the values along straight lines between samples.

    Returns
    -------
    timeline : Timeline

    Raises
    ------
    RecordingError
        For times that are missing or do not increase, and irregular ones. Rows count from 0.

    Notes
    -----
    Samples more than 1.5 median periods apart have a gap between them. The rate is the mean rate
    outside of gaps, rounded to a whole number of Hz, or of seconds for rates below 1 Hz, if that is
    within the precision of the times.

    Examples
    --------
    >>> timeline = read_timeline(np.array([10.0, 10.25, 10.5, 11.25]))
    >>> timeline.sampling_rate, timeline.place(np.array([1.0, 2.0, 3.0, 4.0]))
    (4.0, array([ 1.,  2.,  3., nan, nan,  4.]))
    """
    _check_order(times)
    if len(times) < 2:
        if sampling_rate is None:
            raise RecordingError(
                f"The sampling rate of {len(times)} samples is unknown; pass sampling_rate in Hz."
            )
        return Timeline(sampling_rate, times - times[:1], np.arange(len(times)), len(times))
    seconds = times - times[0]
    steps = np.diff(seconds)
    largest_step = float(GAP * np.quantile(steps, 0.5, method="lower"))
    is_gap = steps > largest_step
    rate = _choose_rate(steps[~is_gap], sampling_rate)
    starts = np.flatnonzero(np.append(True, is_gap))
    lengths = np.diff(np.append(starts, len(seconds)))
    run_starts = np.repeat(seconds[starts], lengths)
    counts = np.arange(len(seconds)) - np.repeat(starts, lengths)
    jitter = np.abs((seconds - run_starts) * rate - counts)
    if jitter.max() > LARGEST_JITTER:
        if irregular == "interpolate":
            return Timeline(rate, seconds, None, int(seconds[-1] * rate + 1e-6) + 1, largest_step)
        row = int(jitter.argmax())
        raise RecordingError(
            f"The times are irregular: at {rate:.6g} Hz on average, row {row} at {times[row]:.10g} "
            f"s is {jitter[row]:.3g} periods from a regular grid (steps of {steps.min():g} to "
            f"{steps[~is_gap].max():g} s); pass irregular='interpolate' to interpolate them."
        )
    firsts, n_samples = place_segments(seconds[starts].tolist(), lengths.tolist(), rate)
    return Timeline(rate, seconds, np.repeat(firsts, lengths) + counts, n_samples)


def _check_order(times: FloatArray) -> None:
    if not np.isfinite(times).all():
        raise RecordingError(f"Row {int((~np.isfinite(times)).argmax())} has no time.")
    backward = np.diff(times) <= 0
    if backward.any():
        row = int(backward.argmax()) + 1
        raise RecordingError(
            f"The time of row {row}, {times[row]:.10g} s, is not after that of the row before, "
            f"{times[row - 1]:.10g} s ({backward.sum()} such rows); the times have to increase."
        )


def _choose_rate(steps: FloatArray, sampling_rate: float | None) -> float:
    """Return the mean rate, or a rounder one that the steps agree with."""
    rate = len(steps) / steps.sum()
    # A time is off by its rounding, which is as large as half the difference of two steps.
    precision = max(np.ptp(steps) / steps.sum(), 1e-7)
    whole = round(rate) if rate >= 0.75 else 1 / round(1 / rate)
    for candidate in (sampling_rate, whole):
        if candidate and abs(candidate / rate - 1) <= precision:
            return float(candidate)
    return float(rate)


def start_at(samples: FloatArray, first: float, sampling_rate: float) -> FloatArray:
    """Put NaN before samples whose first time is not 0 s, so that events keep their times.

    Examples
    --------
    >>> start_at(np.array([1.0, 2.0]), 0.5, 4.0)
    array([nan, nan,  1.,  2.])
    """
    if first < -0.5 / sampling_rate:
        raise RecordingError(
            f"The first time is {first:g} s, before the start of the recording at 0 s; add "
            f"{-first:g} s to the times and to the onsets of events."
        )
    return join_segments([(max(first, 0.0), samples)], sampling_rate)
