"""Measures of single windows, which the checks compare with physiology."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.fft import next_fast_len

from ..._typing import Array, FloatArray, Mask
from ..modalities import MODALITIES
from ..windows import Windows

SAMPLES_AT_ONCE = 2**22
PULSE_BAND = (0.6, 3.5)  # Hz: 36 to 210 beats per minute
BREATHING_BAND = (0.08, 0.7)  # Hz: 5 to 42 breaths per minute
# Bands to filter, with the overtones of the shortest period; and of periods that are searched.
PULSE_SEARCH = ((0.4, 8.0), (0.4, 5.0))
BREATHING_SEARCH = ((0.05, 2.0), (0.05, 1.5))
PULSE_PIECE, BREATHING_PIECE = 10.0, 40.0  # seconds
QRS_BAND = (5.0, 20.0)  # Hz
MAINS = (50.0, 60.0)  # Hz
SAME_PEAK = 0.85  # of the highest peak of an autocorrelation: the shortest such lag is the period
CONDUCTANCE_RANGE = (0.05, 60.0)  # µS
STEEPEST_CONDUCTANCE = 10.0  # µS/s

Rhythm = tuple[FloatArray, FloatArray]


def measure_windows(windows: Windows, modality: str, sampling_rate: float) -> pd.DataFrame:
    """Measure each channel of each window that is not missing.

    Parameters
    ----------
    windows : Windows
        Not all of them missing.
    modality : str
    sampling_rate : float
        In Hz.

    Returns
    -------
    measures : DataFrame
        A row for each channel of each window, with the columns

        - row, channel: position of the window and of the channel;
        - seconds: length; nan: share of samples that are NaN or infinite;
        - lowest, highest, median, mean, deviation (standard), spread (from the 1st to the 99th
          percentile): of the samples; integer: whether all are;
        - negative: share of samples below 0;
        - constant: longest run of equal samples without gaps, as a share of the window;
        - at_lowest, at_highest: share of samples inside runs of 3 or more at that extreme;
        - outside: share of samples beyond the value range of the modality's preset;
        - invalid: share of samples of skin conductance that are out of range or change too fast;
        - skewness: of the change over a second, from quantiles, -1 to 1;
        - pulse, breathing: frequency of the rhythm in Hz; pulse_strength, breathing_strength: of
          its autocorrelation one period later; pulse_share, breathing_share: of the power in
          `PULSE_BAND` and `BREATHING_BAND`; qrs_share: of the power in `PULSE_BAND` and `QRS_BAND`
          that is in the latter;
        - line: share of the power that is interference of the mains, of EMG and EEG;
        - counter: whether all samples increase by the same step.

    References
    ----------
    Invalid skin conductance, 0.05 to 60 µS and 10 µS/s: Kleckner et al. 2018, IEEE Trans. Biomed.
    Eng. 65(7):1460, doi:10.1109/TBME.2017.2758643. Share of the power of an ECG that is in QRS
    complexes: Zhao and Zhang 2018, Front. Physiol. 9:727, doi:10.3389/fphys.2018.00727, where it is
    called pSQI. Interference of the mains by interpolation of the spectrum: Abser et al. 2011,
    CMBES Proc. 34.
    """
    tables = []
    for rows, values in windows.by_length():
        present = ~windows.missing[rows]
        parts = _split(rows[present], values[present])
        tables += [_measure(*part, modality, sampling_rate) for part in parts]
    return pd.concat(tables, ignore_index=True)


def _split(rows: Array, values: Array) -> Iterator[tuple[Array, Array]]:
    size = max(1, SAMPLES_AT_ONCE // max(1, values[:1].size))
    for start in range(0, len(rows), size):
        yield rows[start : start + size], values[start : start + size]


def _measure(rows: Array, values: Array, modality: str, rate: float) -> pd.DataFrame:
    n_windows, n_channels, n_times = values.shape
    samples = values.reshape(-1, n_times).astype(np.float64)
    columns: dict[str, Array] = {
        "row": np.repeat(rows, n_channels),
        "channel": np.tile(np.arange(n_channels), n_windows),
        "seconds": np.full(len(samples), n_times / rate),
        "nan": (~np.isfinite(samples)).mean(axis=1),
    }
    gaps = ~np.isfinite(samples)
    samples = fill_gaps(samples)
    columns |= _levels(samples) | _faults(samples, gaps, modality, rate)
    columns |= _rhythms(samples, modality, rate)
    return pd.DataFrame(columns)


def fill_gaps(samples: FloatArray) -> FloatArray:
    """Replace NaN and infinity by the median of the window."""
    gaps = ~np.isfinite(samples)
    if not gaps.any():
        return samples
    samples = np.where(gaps, np.nan, samples)
    medians = np.zeros(len(samples))
    some = ~gaps.all(axis=1)
    medians[some] = np.nanmedian(samples[some], axis=1)
    return np.where(gaps, medians[:, None], samples)


def _levels(samples: FloatArray) -> dict[str, Array]:
    low, median, high = np.percentile(samples, [1, 50, 99], axis=1)
    return {
        "lowest": samples.min(axis=1),
        "highest": samples.max(axis=1),
        "median": median,
        "mean": samples.mean(axis=1),
        "deviation": samples.std(axis=1),
        "spread": high - low,
        "integer": (samples == np.round(samples)).all(axis=1),
    }


def _faults(samples: FloatArray, gaps: Mask, modality: str, rate: float) -> dict[str, Array]:
    steps = np.diff(samples, axis=1)
    lowest, highest = samples.min(axis=1), samples.max(axis=1)
    value_range = MODALITIES[modality].value_range
    outside = np.zeros(len(samples))
    if value_range is not None:
        outside = ((samples < value_range[0]) | (samples > value_range[1])).mean(axis=1)
    invalid = np.zeros(len(samples))
    if modality == "eda":  # the first two rules of Kleckner et al.
        low, high = CONDUCTANCE_RANGE
        wrong = (samples < low) | (samples > high)
        wrong[:, 1:] |= np.abs(steps) * rate > STEEPEST_CONDUCTANCE
        invalid = wrong.mean(axis=1)
    tolerance = 1e-6 * np.abs(steps).max(axis=1, initial=0)
    is_counter = (steps.min(axis=1, initial=np.inf) > 0) & (np.ptp(steps, axis=1) <= tolerance)
    return {
        "negative": (samples < 0).mean(axis=1),
        "constant": _longest_run((steps == 0) & ~gaps[:, 1:]) / samples.shape[1],
        "at_lowest": _share_in_runs((samples == lowest[:, None]) & ~gaps),
        "at_highest": _share_in_runs((samples == highest[:, None]) & ~gaps),
        "outside": outside,
        "invalid": invalid,
        "skewness": _skewness_of_changes(samples, rate),
        "counter": is_counter if samples.shape[1] > 2 else np.zeros(len(samples), dtype=bool),
    }


def _longest_run(equal: Mask) -> FloatArray:
    """Return the number of samples in the longest run of equal ones, of (n, n_times - 1) steps."""
    counts = np.cumsum(equal, axis=1)
    before = np.maximum.accumulate(np.where(equal, 0, counts), axis=1)
    longest = (counts - before).max(axis=1, initial=0)
    return np.where(longest > 0, longest + 1.0, 0.0)


def _share_in_runs(at_extreme: Mask) -> FloatArray:
    middle = at_extreme[:, :-2] & at_extreme[:, 1:-1] & at_extreme[:, 2:]
    return middle.sum(axis=1) / at_extreme.shape[1]


def _skewness_of_changes(samples: FloatArray, rate: float) -> FloatArray:
    """Return (fastest rise - fastest fall) / (rise + fall) over a second, at 98th percentiles."""
    lag = max(1, round(rate))
    if samples.shape[1] < 4 * lag:
        return np.zeros(len(samples))
    changes = samples[:, lag:] - samples[:, :-lag]
    fall, middle, rise = np.percentile(changes, [2, 50, 98], axis=1)
    spread = rise - fall
    return np.divide(rise + fall - 2 * middle, spread, out=np.zeros(len(samples)), where=spread > 0)


def _rhythms(samples: FloatArray, modality: str, rate: float) -> dict[str, Array]:
    beats, beats_rate = samples, rate
    if modality == "ecg":
        beats, beats_rate = _qrs_envelope(samples, rate)
    pulse, pulse_strength = find_rhythm(beats, beats_rate, PULSE_SEARCH, PULSE_PIECE)
    breathing, breathing_strength = find_rhythm(samples, rate, BREATHING_SEARCH, BREATHING_PIECE)
    power = _power(samples)
    pulse_power, qrs_power = (_band_power(power, rate, band) for band in (PULSE_BAND, QRS_BAND))
    breathing_power = _band_power(power, rate, BREATHING_BAND)
    total = power.sum(axis=1)
    return {
        "pulse": pulse,
        "pulse_strength": pulse_strength,
        "pulse_share": _divide(pulse_power, total),
        "qrs_share": _divide(qrs_power, qrs_power + pulse_power),
        "line": _line_share(power, rate) if modality in ("emg", "eeg") else np.zeros(len(power)),
        "breathing": breathing,
        "breathing_strength": breathing_strength,
        "breathing_share": _divide(breathing_power, total),
    }


def _power(samples: FloatArray) -> FloatArray:
    """Return the power spectrum of samples without their linear trend, padded to twice as many."""
    n_times = samples.shape[-1]
    times = np.arange(n_times) - (n_times - 1) / 2
    slope = samples @ times / max(1.0, times @ times)
    straight = samples - samples.mean(axis=-1, keepdims=True) - slope[..., None] * times
    return np.abs(np.fft.rfft(straight, 2 * next_fast_len(n_times, real=True))) ** 2


def _bins(power: FloatArray, rate: float, band: tuple[float, float]) -> tuple[int, int]:
    """Return the first bin of a band, and the first one after it."""
    spacing = rate / (2 * (power.shape[-1] - 1))
    start, stop = (int(np.ceil(edge / spacing)) for edge in band)
    return min(start, power.shape[-1]), min(stop + 1, power.shape[-1])


def _band_power(power: FloatArray, rate: float, band: tuple[float, float]) -> FloatArray:
    start, stop = _bins(power, rate, band)
    return power[:, start:stop].sum(axis=1)


def _line_share(power: FloatArray, rate: float) -> FloatArray:
    """Return the share of power within 1 Hz of the mains that its neighbours do not explain."""
    shares = np.zeros(len(power))
    for mains in MAINS:
        if mains + 3 > rate / 2:
            continue
        around = _band_power(power, rate, (mains - 3, mains + 3))
        at = _band_power(power, rate, (mains - 1, mains + 1))
        excess = np.maximum(at - (around - at) / 2, 0)  # the neighbours are twice as wide
        shares = np.maximum(shares, _divide(excess, power.sum(axis=1)))
    return shares


def _divide(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


def find_rhythm(
    samples: FloatArray,
    rate: float,
    search: tuple[tuple[float, float], tuple[float, float]],
    segment: float,
) -> Rhythm:
    """Return the frequency of the rhythm of each window, and its strength.

    The strength is the autocorrelation one period later, of the signal within a band: 1 for a
    periodic signal, about 0 for noise. It is a mean over segments of the window, each of which is
    scaled to variance 1, so that a short artefact has little influence.

    Parameters
    ----------
    samples : ndarray of shape (n_windows, n_times)
    rate : float
    search : (float, float), (float, float)
        The band to keep, and the frequencies to search.
    segment : float
        Length of the segments in seconds.

    Returns
    -------
    frequency, strength : ndarray of shape (n_windows,)
        0 if the window is shorter than two periods, or the sampling rate too low.

    References
    ----------
    Autocorrelation as an index of the quality of breathing: Birrenkott et al., A robust fusion
    model for estimating respiratory rate, IEEE Trans. Biomed. Eng. 2018.
    """
    kept, searched = search
    n_windows, n_times = samples.shape
    nothing = np.zeros(n_windows), np.zeros(n_windows)
    size = min(n_times, max(1, round(segment * rate)))
    n_segments = n_times // size
    if size < 8 or min(kept[1], rate / 2) < 3 * kept[0]:
        return nothing
    segments = samples[:, : n_segments * size].reshape(n_windows * n_segments, size)
    power = _power(segments)
    start, stop = _bins(power, rate, kept)
    if stop - start < 3:
        return nothing
    banded = np.zeros((len(power), stop))
    banded[:, start:] = power[:, start:stop]
    n_lags = next_fast_len(8 * stop, real=True)
    lag_seconds = 2 * (power.shape[1] - 1) / rate / n_lags
    first = max(1, int(1 / searched[1] / lag_seconds))
    last = int(min(1 / searched[0], size / rate / 2) / lag_seconds)
    if last - first < 3:
        return nothing
    lags = np.arange(first - 1, last + 2)
    correlation = np.fft.irfft(banded, n_lags, axis=1)
    unbiased = 1 - lags * lag_seconds * rate / size
    correlation = _divide(correlation[:, lags], correlation[:, :1] * unbiased)
    correlation = correlation.reshape(n_windows, n_segments, len(lags)).mean(axis=1)
    return _first_peak(correlation, lags * lag_seconds)


def _first_peak(correlation: FloatArray, periods: FloatArray) -> Rhythm:
    """Return the frequency and the height of the first of the highest peaks of each row."""
    middle = correlation[:, 1:-1]
    is_peak = (middle > correlation[:, :-2]) & (middle >= correlation[:, 2:])
    peaks = np.where(is_peak, middle, 0.0)
    strength = peaks.max(axis=1)
    period = periods[1:-1][(peaks >= SAME_PEAK * strength[:, None]).argmax(axis=1)]
    return np.where(strength > 0, 1 / period, 0.0), strength


def find_any_rhythm(samples: FloatArray, *, differences: bool) -> Rhythm:
    """Return the rhythm of windows of unknown sampling rate, in cycles per sample.

    Parameters
    ----------
    samples : ndarray of shape (n_windows, n_times)
    differences : bool
        Use differences of samples, so that slow drifts of the signal do not hide a fast rhythm.

    Returns
    -------
    frequency, strength : ndarray of shape (n_windows,)
        As from `find_rhythm`; 4 or more periods fit into a window.
    """
    if differences:
        samples = np.diff(samples, axis=1)
    n_times = samples.shape[1]
    searched = (4 / n_times, 0.2)
    return find_rhythm(samples, 1.0, ((searched[0], 0.4), searched), n_times)


def _qrs_envelope(samples: FloatArray, rate: float) -> tuple[FloatArray, float]:
    """Return the size of QRS complexes over time, and its sampling rate."""
    spectrum = np.fft.rfft(samples - samples.mean(axis=1, keepdims=True), axis=1)
    spacing = rate / samples.shape[1]
    start, stop = int(QRS_BAND[0] / spacing), int(QRS_BAND[1] / spacing) + 1
    if stop > spectrum.shape[1] or stop - start < 3:
        return np.abs(np.diff(samples, axis=1, prepend=samples[:, :1])), rate
    spectrum = spectrum[:, :stop]
    spectrum[:, :start] = 0
    n_times = 4 * stop  # fewer samples are enough below the upper edge
    return np.abs(np.fft.irfft(spectrum, n_times, axis=1)), n_times * spacing
