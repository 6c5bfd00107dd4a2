"""Axes: which time and which frequency lie at the borders of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..representations import (
    REPRESENTATIONS,
    scalogram_frequencies,
    spectrogram_bins,
    spectrogram_hop,
    spectrogram_piece,
)
from ..signals import Modality


@dataclass(frozen=True)
class ImageAxes:
    """What lies at the borders of an image.

    Parameters
    ----------
    times : (float, float)
        At the left and the right border, in seconds; in samples where the sampling rate is unknown.
    frequencies : (float, float) or None, default=None
        At the bottom and the top, in Hz; None where the vertical axis shows something else.
    logarithmic : bool, default=False
        Whether frequencies are spaced evenly on a logarithmic scale.
    """

    times: tuple[float, float]
    frequencies: tuple[float, float] | None = None
    logarithmic: bool = False

    def time_at(self, share: ArrayLike) -> NDArray[np.float64]:
        """Return the time at shares of the width, from 0 at the left border to 1 at the right."""
        left, right = self.times
        return left + (right - left) * np.asarray(share, dtype=np.float64)

    def frequency_at(self, share: ArrayLike) -> NDArray[np.float64]:
        """Return the frequency at shares of the height, from 0 at the bottom to 1 at the top."""
        assert self.frequencies is not None
        low, high = self.frequencies
        share = np.asarray(share, dtype=np.float64)
        return low * (high / low) ** share if self.logarithmic else low + (high - low) * share


def image_axes(
    representation: str,
    n_times: int,
    sampling_rate: float | None,
    modality: Modality,
    first: int = 0,
) -> ImageAxes:
    """Tell what lies at the borders of an image.

    A waveform reaches from its first sample to its last. The pixels of a map are as wide as what
    they stand for, so that half of them lies before their first time and below their lowest
    frequency.

    Parameters
    ----------
    representation : str
        A name in the registry. Of a composite, the axes of its curve.
    n_times : int
        Samples shown.
    sampling_rate : float or None
        In Hz; None counts times in samples.
    modality : Modality
        Of the (first) channel.
    first : int, default=0
        Position in the window of the first sample shown.

    Returns
    -------
    axes : ImageAxes

    Examples
    --------
    >>> from sklearn_biomoe.signals import MODALITIES
    >>> image_axes("spectrogram_psd", 3840, 64.0, MODALITIES["bvp"])  # pieces of 8 s, 1 s apart
    ImageAxes(times=(3.5, 56.5), frequencies=(0.4375, 5.0625), logarithmic=False)
    """
    rate = sampling_rate or 1.0
    frequencies = None
    start, stop = -0.5, n_times - 0.5  # around samples, in samples
    kind = REPRESENTATIONS[representation].axes
    if kind in ("value", "several") and n_times > 1:
        start, stop = 0, n_times - 1
    elif kind == "frequency":
        piece = spectrogram_piece(n_times, rate, modality)
        hop = spectrogram_hop(piece)
        n_pieces = (n_times - piece) // hop + 1
        start, stop = piece / 2 - hop / 2, piece / 2 + (n_pieces - 0.5) * hop
        n_fft, bins = spectrogram_bins(piece, rate, modality)
        frequencies = ((bins.start - 0.5) * rate / n_fft, (bins.stop - 0.5) * rate / n_fft)
    elif kind == "scale":
        shown = scalogram_frequencies(n_times, rate, modality)
        low, high = shown[0], shown[-1]
        half_row = (high / low) ** (0.5 / (len(shown) - 1)) if high > low else 2.0
        frequencies = (low / half_row, high * half_row)
    return ImageAxes(
        ((first + start) / rate, (first + stop) / rate), frequencies, logarithmic=kind == "scale"
    )
