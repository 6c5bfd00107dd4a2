"""Scalograms: power of the continuous wavelet transform."""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from ..signals.modalities import Modality
from .spectrograms import squared_magnitude

N_SCALES = 64  # rows of a scalogram
VALUES_AT_ONCE = 2**15  # complex ones, half a megabyte
BANDWIDTH = 1.5  # B of a complex Morlet wavelet, whose centre frequency C is 1


def scalogram(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute the power of the continuous wavelet transform, in signal units squared.

    .. math:: P(s, t) = \Big| \frac{1}{\sqrt{s}} \int (x_u - \bar x) \,
              \overline{\psi \Big( \frac{u - t}{s} \Big)} \, du \Big|^2,
              \quad \psi(u) = \frac{1}{\sqrt{\pi B}} \, e^{-u^2 / B} \, e^{2 \pi j u}

    with B = 1.5, time in samples and 64 scales s = r / f at sampling rate r. The frequencies f are
    spaced evenly on a logarithmic scale over ``modality.frequency_range``, or up to the Nyquist
    limit if it is None. Without a lower bound above 0 Hz, they start at two cycles per window.

    Beyond its ends a window is continued with its mean, so powers near an end are those of a part
    of the wavelet (the cone of influence). At frequency f the amplitude of the wavelet falls to 1/e
    within sqrt(1.5) / f seconds, which is 24 s at 0.05 Hz and 1.2 s at 1 Hz, and to 1e-4 within
    three times that.

    Matches ``abs(pywt.cwt(x - x.mean(), s, "cmor1.5-1.0")[0]) ** 2``. Without subtracting the mean,
    the step from zero at both ends would dominate the signal.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float64
    sampling_rate : float
        In Hz.
    modality : Modality

    Returns
    -------
    power : Tensor of shape (n_windows, 64, n_times), float64
        Lowest frequency first.
    """
    n_times = signals.shape[1]
    frequencies = tuple(scalogram_frequencies(n_times, sampling_rate, modality))
    filters = wavelet_filters(n_times, sampling_rate, frequencies).to(signals.device)
    signals = signals - signals[:, :1]
    signals = signals - signals.mean(dim=1, keepdim=True)
    spectra = torch.fft.fft(signals, n=filters.shape[1])
    power = signals.new_empty(len(signals), len(filters), n_times)
    # n_windows x 64 complex spectra at once do not fit into the caches of a CPU.
    n_scales = max(1, VALUES_AT_ONCE // spectra.numel())
    for rows, responses in zip(power.split(n_scales, 1), filters.split(n_scales), strict=True):
        rows.copy_(squared_magnitude(torch.fft.ifft(spectra[:, None] * responses))[..., :n_times])
    return power


def scalogram_frequencies(n_times: int, sampling_rate: float, modality: Modality) -> list[float]:
    """Return the frequencies of a scalogram's rows in Hz, ascending."""
    low, high = modality.frequency_range or (0.0, sampling_rate / 2)
    low = low or min(2 * sampling_rate / n_times, high)
    return np.geomspace(low, high, N_SCALES).tolist()


@lru_cache(maxsize=8)
def wavelet_filters(n_times: int, sampling_rate: float, frequencies: tuple[float, ...]) -> Tensor:
    """Compute frequency responses that filter ``n_times`` samples by wavelets.

    As in pywt, the wavelet is sampled at 4096 points from -8 to 8 and integrated. Differences of
    the integral at the step of the scale are the weights of the samples.

    Returns
    -------
    responses : Tensor of shape (n_frequencies, n_fft), complex128
        n_fft is long enough that a circular convolution does not affect the first n_times samples.
    """
    points = np.linspace(-8, 8, 4096)
    wavelet = np.exp(-(points**2) / BANDWIDTH + 2j * np.pi * points) / np.sqrt(np.pi * BANDWIDTH)
    step = points[1] - points[0]
    integral = np.conj(np.cumsum(wavelet) * step)
    scales = [sampling_rate / frequency for frequency in frequencies]
    reach = min(n_times - 1, math.ceil(8 * max(scales)) + 1)  # samples on each side with a weight
    weights = np.zeros((len(scales), next_fast_len(n_times + reach)), dtype=complex)
    for row, scale in zip(weights, scales, strict=True):
        picked = (np.arange(scale * 16 + 1) / (scale * step)).astype(int)
        picked = picked[picked < len(points)]
        taps = -np.sqrt(scale) * np.diff(integral[picked[::-1]], prepend=0, append=0)
        offsets = np.arange(len(taps)) - len(picked) // 2
        near = np.abs(offsets) <= reach
        row[offsets[near]] = taps[near]  # earlier ones wrap around to the end
    return torch.fft.fft(torch.from_numpy(weights))
