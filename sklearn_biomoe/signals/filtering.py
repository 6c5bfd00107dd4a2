"""Steps on equally long windows, each scipy's: small functions that transformers put in order.

Signals have shape (n_windows, n_channels, n_times) and dtype float64; rates and frequencies are in
Hz. Nothing is checked here.
"""

from fractions import Fraction
from typing import Literal

import numpy as np
import scipy  # which loads scipy.signal at first use: importing it takes time

from .._typing import Array

NOTCH_PADDING = 9  # samples that `filtfilt` adds at each end: three times the coefficients


def remove_trend(signals: Array, kind: Literal["constant", "linear"]) -> Array:
    """Subtract each window's mean ("constant") or its line of least squares ("linear")."""
    return scipy.signal.detrend(signals, type=kind)


def band_pass(signals: Array, sections: Array) -> Array:
    """Run second-order sections forth and back."""
    return scipy.signal.sosfiltfilt(sections, signals)


def band_sections(
    band: tuple[float | None, float | None], order: int, sampling_rate: float
) -> Array:
    """Return second-order sections of a Butterworth filter; None leaves a side of ``band`` open."""
    low, high = band
    if low is None:
        return scipy.signal.butter(order, np.array(high), "lowpass", fs=sampling_rate, output="sos")
    if high is None:
        return scipy.signal.butter(order, np.array(low), "highpass", fs=sampling_rate, output="sos")
    return scipy.signal.butter(
        order, np.array([low, high]), "bandpass", fs=sampling_rate, output="sos"
    )


def band_padding(sections: Array) -> int:
    """Count the samples that `sosfiltfilt` adds at each end, after its documentation."""
    n_zeros = min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum())
    return int(3 * (2 * len(sections) + 1 - n_zeros))


def remove_frequency(
    signals: Array, frequency: float, quality: float, sampling_rate: float
) -> Array:
    """Run a notch filter forth and back."""
    numerator, denominator = scipy.signal.iirnotch(frequency, quality, fs=sampling_rate)
    return scipy.signal.filtfilt(numerator, denominator, signals)


def resample(signals: Array, ratio: Fraction) -> Array:
    """Resample by a polyphase filter; beyond its ends a window is taken to go on along a line."""
    return scipy.signal.resample_poly(
        signals, ratio.numerator, ratio.denominator, axis=-1, padtype="line"
    )


def resampling_ratio(resample_to: float, sampling_rate: float) -> Fraction:
    """Return the fraction nearest to the ratio of two rates, with a denominator up to 1000."""
    ratio = Fraction(resample_to / sampling_rate).limit_denominator(1000)
    return max(ratio, Fraction(1, 1000))


def fill_gaps(signals: Array) -> Array:
    """Fill NaN along straight lines, and at the ends by the nearest sample.

    Parameters
    ----------
    signals : ndarray of shape (..., n_times), float
        With one sample or more that is not NaN in each channel.

    Returns
    -------
    filled : ndarray of the same shape
        Equal to `numpy.interp` over the samples that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> fill_gaps(np.array([[np.nan, 1.0, np.nan, 2.0, np.nan]]))
    array([[1. , 1. , 1.5, 2. , 2. ]])
    """
    n_times = signals.shape[-1]
    at = np.arange(n_times)
    known = ~np.isnan(signals)
    before = np.maximum.accumulate(np.where(known, at, -1), axis=-1)
    after = np.where(known, at, n_times)[..., ::-1]
    after = np.minimum.accumulate(after, axis=-1)[..., ::-1]
    before = np.where(before < 0, after, before)
    after = np.where(after == n_times, before, after)
    left, right = (np.take_along_axis(signals, index, axis=-1) for index in (before, after))
    share = (at - before) / np.maximum(after - before, 1)
    return left + share * (right - left)
