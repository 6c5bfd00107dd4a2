"""Spectrograms: power and phase of the short-time Fourier transform."""

import math

import torch
from torch import Tensor

from ..signals.modalities import Modality

PHASE_FLOOR = 1e-12  # of a window's largest magnitude; below it, phases are rounding errors


def spectrogram_psd(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute the power spectral density over time, in signal units squared per Hz.

    .. math:: P(f, t) = c_f \, |Z(f, t)|^2

    with Z from `short_time_fourier`, c = 1 at 0 Hz and the Nyquist limit, and c = 2 elsewhere.

    Matches ``scipy.signal.spectrogram(x, r, "hann", nperseg, noverlap, nfft)``.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float64
    sampling_rate : float
        In Hz.
    modality : Modality

    Returns
    -------
    power : Tensor of shape (n_windows, n_frequencies, n_segments), float64
        Lowest frequency first.
    """
    transform, shown = short_time_fourier(signals, sampling_rate, modality)
    one_sided = torch.full((transform.shape[1], 1), 2.0, device=signals.device)
    one_sided[[0, -1]] = 1.0
    return squared_magnitude(transform[:, shown]) * one_sided[shown]


def spectrogram_angle(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Compute the phase of the short-time Fourier transform, in radians from -pi to pi.

    The phase of a segment is relative to its first sample. It is zero if the magnitude is at most
    1e-12 of the largest in the window.

    Matches ``scipy.signal.spectrogram(x, r, "hann", nperseg, noverlap, nfft, "constant",
    mode="angle")``.

    Returns
    -------
    angles : Tensor of shape (n_windows, n_frequencies, n_segments), float64
        Lowest frequency first.
    """
    transform, shown = short_time_fourier(signals, sampling_rate, modality)
    return transform_angle(transform)[:, shown]


def spectrogram_phase(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Compute the phase of the short-time Fourier transform, unwrapped along frequency, in radians.

    Whole turns are added to `spectrogram_angle` from 0 Hz upwards, so that no step between
    neighbouring frequencies exceeds pi. The phase of a segment then decreases with frequency,
    faster if its energy is later in the segment.

    Matches ``scipy.signal.spectrogram(x, r, "hann", nperseg, noverlap, nfft, "constant",
    mode="phase")``.

    Returns
    -------
    phases : Tensor of shape (n_windows, n_frequencies, n_segments), float64
        Lowest frequency first.
    """
    transform, shown = short_time_fourier(signals, sampling_rate, modality)
    angles = transform_angle(transform)
    steps = angles.diff(dim=1)
    turns = torch.floor((steps + math.pi) / (2 * math.pi))
    # A step of exactly half a turn up stays, as in numpy.unwrap.
    turns = torch.where(steps == math.pi, 0.0, turns)
    angles[:, 1:] -= 2 * math.pi * turns.cumsum(dim=1)
    return angles[:, shown]


def transform_angle(transform: Tensor) -> Tensor:
    """Return angles of complex numbers; zero if the magnitude is a rounding error."""
    magnitude = transform.abs()
    rounding = PHASE_FLOOR * magnitude.amax(dim=(1, 2), keepdim=True)
    return torch.where(magnitude > rounding, transform.angle(), 0.0)


def short_time_fourier(
    signals: Tensor, sampling_rate: float, modality: Modality
) -> tuple[Tensor, slice]:
    r"""Compute Fourier transforms of overlapping segments of each window.

    .. math:: Z(f, t) = \frac{1}{\sqrt{r \sum_i w_i^2}}
              \sum_i w_i \, (x_{t+i} - \bar x_t) \, e^{-2 \pi j f i / r}

    with sampling rate r and Hann window w. Pieces last ``modality.spectrogram_window`` seconds
    and start every eighth of that. Each is padded with zeros to a power of two that gives 16 or
    more frequencies in ``modality.frequency_range``.

    Returns
    -------
    transform : Tensor of shape (n_windows, n_frequencies, n_segments), complex128
        From 0 Hz to the Nyquist limit. Its squared magnitude is a two-sided power density. Constant
        windows have zeros.
    shown : slice
        Of the frequencies: those in ``modality.frequency_range``.
    """
    segment = segment_length(signals.shape[1], sampling_rate, modality)
    n_fft, shown = spectrogram_bins(segment, sampling_rate, modality)
    # Subtracting the first sample makes the spectra of constant windows exactly zero.
    signals = signals - signals[:, :1]
    segments = signals.unfold(
        1, segment, spectrogram_hop(segment)
    )  # (n_windows, n_segments, segment)
    segments = segments - segments.mean(dim=2, keepdim=True)
    taper = torch.hann_window(segment, dtype=signals.dtype, device=signals.device)
    taper = taper / (sampling_rate * taper.square().sum()).sqrt()
    return torch.fft.rfft(segments * taper, n=n_fft).transpose(1, 2), shown


def spectrogram_bins(segment: int, sampling_rate: float, modality: Modality) -> tuple[int, slice]:
    """Return the length n_fft of padded segments, and which bins are shown.

    Bin k is at k * sampling_rate / n_fft Hz. Bins are shown from the one nearest to the lowest
    frequency to the one nearest to the highest.

    Examples
    --------
    >>> from sklearn_biomoe.signals import MODALITIES
    >>> spectrogram_bins(80, 4.0, MODALITIES["eda"])  # from 0 to 0.5 Hz
    (128, slice(0, 17, None))
    """
    low, high = modality.frequency_range or (0.0, sampling_rate / 2)
    n_fft = 1 << (max(segment, round(16 * sampling_rate / (high - low))) - 1).bit_length()
    first, last = (round(frequency * n_fft / sampling_rate) for frequency in (low, high))
    return n_fft, slice(first, last + 1)


def spectrogram_hop(segment: int) -> int:
    """Count the samples from the start of one segment to the next."""
    return max(1, segment // 8)


def squared_magnitude(values: Tensor) -> Tensor:
    """Return squared magnitudes of complex numbers, without computing square roots."""
    squares = torch.view_as_real(values).square()
    return squares[..., 0] + squares[..., 1]


def segment_length(n_times: int, sampling_rate: float, modality: Modality) -> int:
    """Return the length of a spectrogram's segments in samples, the least length of a window."""
    if modality.spectrogram_window is None:
        return max(1, n_times // 8)
    return max(1, round(modality.spectrogram_window * sampling_rate))
