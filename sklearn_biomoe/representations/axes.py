"""Axes: which times and frequencies are at the borders of an image."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .._typing import FloatArray
from ..signals.modalities import Modality
from .scalograms import scalogram_frequencies
from .spectrograms import segment_length, spectrogram_bins, spectrogram_hop


@dataclass(frozen=True)
class ImageAxes:
    """What is at the borders of an image.

    Parameters
    ----------
    vertical : {"value", "frequency", "time"}
        What the vertical axis shows.
    times : (float, float)
        At the left and the right border, in seconds; in samples if the sampling rate is unknown.
    frequencies : (float, float) or None, default=None
        At the bottom and the top, in Hz, if the vertical axis shows frequency.
    logarithmic : bool, default=False
        Whether frequencies are spaced evenly on a logarithmic scale.
    """

    vertical: str
    times: tuple[float, float]
    frequencies: tuple[float, float] | None = None
    logarithmic: bool = False

    def time_at(self, share: ArrayLike) -> FloatArray:
        """Return the time at shares of the width, from 0 at the left border to 1 at the right."""
        left, right = self.times
        return left + (right - left) * np.asarray(share, dtype=np.float64)

    def frequency_at(self, share: ArrayLike) -> FloatArray:
        """Return the frequency at shares of the height, from 0 at the bottom to 1 at the top."""
        assert self.frequencies is not None
        low, high = self.frequencies
        share = np.asarray(share, dtype=np.float64)
        return low * (high / low) ** share if self.logarithmic else low + (high - low) * share

    def moved(self, seconds: float) -> "ImageAxes":
        """Return the axes of an image that begins later."""
        left, right = self.times
        return replace(self, times=(left + seconds, right + seconds))


# Of a window: n_times, sampling_rate in Hz and modality. The pixels of a map are as wide as what
# they represent, so the borders are half a pixel before its first and after its last value.
AxesOf = Callable[[int, float, Modality], ImageAxes]


def curve_axes(n_times: int, sampling_rate: float, modality: Modality) -> ImageAxes:
    """Axes of a waveform, which reaches from its first sample to its last."""
    last = (n_times - 1) / sampling_rate
    half = 0.5 / sampling_rate
    return ImageAxes("value", (0.0, last) if n_times > 1 else (-half, half))


def pair_axes(n_times: int, sampling_rate: float, modality: Modality) -> ImageAxes:
    """Axes of a map of pairs of samples: time to the right and upwards."""
    return ImageAxes("time", (-0.5 / sampling_rate, (n_times - 0.5) / sampling_rate))


def spectrogram_axes(n_times: int, sampling_rate: float, modality: Modality) -> ImageAxes:
    """Axes of a spectrogram, whose pixels are segments and frequency bins."""
    segment = segment_length(n_times, sampling_rate, modality)
    hop = spectrogram_hop(segment)
    n_segments = (n_times - segment) // hop + 1
    start, stop = segment / 2 - hop / 2, segment / 2 + (n_segments - 0.5) * hop  # in samples
    n_fft, bins = spectrogram_bins(segment, sampling_rate, modality)
    low, high = ((edge - 0.5) * sampling_rate / n_fft for edge in (bins.start, bins.stop))
    return ImageAxes("frequency", (start / sampling_rate, stop / sampling_rate), (low, high))


def scalogram_axes(n_times: int, sampling_rate: float, modality: Modality) -> ImageAxes:
    """Axes of a scalogram, whose frequencies are spaced evenly on a logarithmic scale."""
    shown = scalogram_frequencies(n_times, sampling_rate, modality)
    low, high = shown[0], shown[-1]
    half_row = (high / low) ** (0.5 / (len(shown) - 1)) if high > low else 2.0
    times = pair_axes(n_times, sampling_rate, modality).times
    return ImageAxes("frequency", times, (low / half_row, high * half_row), logarithmic=True)
