"""Channels brought to another sampling rate; gaps stay gaps."""

from fractions import Fraction
from math import ceil

import numpy as np
import scipy  # loads scipy.signal on first use

from .._typing import FloatArray

OVERSAMPLING = 4


def resample(samples: FloatArray, sampling_rate: float, resample_to: float) -> FloatArray:
    """Resample a channel, without moving anything in time.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,), float64
        NaN where nothing was recorded.
    sampling_rate, resample_to : float
        In Hz.

    Returns
    -------
    resampled : ndarray of shape (ceil(n_samples * resample_to / sampling_rate),), float64
        NaN where one of the two samples around the new one is NaN.

    Notes
    -----
    `scipy.signal.resample_poly` with the nearest fraction of the rates whose denominator is 1000 or
    less. If that is off by half a sample or more at the end, cubic interpolation of the signal at
    four times the rate corrects it.

    Examples
    --------
    >>> resample(np.array([1.0, 1.0, 1.0, np.nan, np.nan, 1.0]), 4, 2).round(6)
    array([ 1.,  1., nan])
    """
    n_resampled = int(np.ceil(round(len(samples) * resample_to / sampling_rate, 6)))
    missing = np.isnan(samples)
    if missing.all():
        return np.full(n_resampled, np.nan)
    positions = np.arange(len(samples))
    filled = np.interp(positions, positions[~missing], samples[~missing])
    ratio = resampling_ratio(sampling_rate, resample_to)
    resampled = resample_by(filled, ratio)
    reached = sampling_rate * float(ratio)
    if n_resampled * abs(reached / resample_to - 1) >= 0.5:
        resampled = _correct(resampled, reached, resample_to, n_resampled)
    resampled = np.pad(resampled, (0, max(n_resampled - len(resampled), 0)), mode="edge")
    resampled = resampled[:n_resampled]
    if missing.any():
        at = np.arange(n_resampled) * (sampling_rate / resample_to)
        at = np.minimum(np.round(at, 6), len(samples) - 1)
        before, after = np.floor(at).astype(int), np.ceil(at).astype(int)
        resampled[missing[before] | missing[after]] = np.nan
    return resampled


def resampling_ratio(sampling_rate: float, resample_to: float) -> Fraction:
    """Return the nearest fraction of two rates whose denominator is 1000 or less; above 0."""
    return max(Fraction(resample_to / sampling_rate).limit_denominator(1000), Fraction(1, 1000))


def resample_by(samples: FloatArray, ratio: Fraction) -> FloatArray:
    """Resample, padded with a line, so that values do not fall to zero at either end."""
    if ratio == 1:
        return samples.copy()
    if len(samples) == 1:  # which has no line to continue
        return np.full(ceil(ratio), samples[0])
    return scipy.signal.resample_poly(samples, ratio.numerator, ratio.denominator, padtype="line")


def _correct(samples: FloatArray, rate: float, resample_to: float, n_resampled: int) -> FloatArray:
    """Interpolate between four times as many samples, by the cubic through the four nearest."""
    fine = np.pad(resample_by(samples, Fraction(OVERSAMPLING)), (1, 2), mode="edge")
    at = np.arange(n_resampled) * (OVERSAMPLING * rate / resample_to)
    at = np.minimum(at, len(fine) - 4)
    first = at.astype(np.int64)
    t = at - first
    return (
        fine[first] * (-t * (t - 1) * (t - 2) / 6)
        + fine[first + 1] * ((t + 1) * (t - 1) * (t - 2) / 2)
        + fine[first + 2] * (-(t + 1) * t * (t - 2) / 2)
        + fine[first + 3] * ((t + 1) * t * (t - 1) / 6)
    )
