"""Representations: ways from a window to a map, one small batched function each, in a registry.

A function takes ``signals``, float64 of shape (n_windows, n_times), and returns float64 maps of
shape (n_windows, n_rows, n_columns); the registry says how a map becomes a picture.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from .signals import MODALITIES, Modality, check_known

N_SCALES = 64  # rows of a scalogram
BANDWIDTH = 1.5  # of its wavelet: B of a complex Morlet wavelet, whose centre frequency C is 1
LONGEST_SERIES = 224  # samples that a map of pairs compares, the side of a picture
NEAR = 0.2  # share of a window's largest distance below which two samples recur
N_BINS = 8  # of a Markov transition field
PHASE_FLOOR = 1e-12  # of a window's largest magnitude: what is below has no phase but rounding's


def waveform(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Return the signal itself, as a map of one row: shape (n_windows, 1, n_times)."""
    return signals[:, None, :]


def spectrogram_psd(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Power spectral density over time, in signal units squared per Hz.

    .. math:: P(f, t) = c_f \, |Z(f, t)|^2

    with Z from `short_time_fourier` and c = 2 but at 0 Hz and the Nyquist limit, where it is 1.

    Matches ``scipy.signal.spectrogram(x, r, "hann", nperseg, noverlap, nfft)``.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times), float64
    sampling_rate : float
        In Hz.
    modality : Modality

    Returns
    -------
    power : Tensor of shape (n_windows, n_frequencies, n_pieces), float64
        Lowest frequency first.
    """
    transform, frequencies = short_time_fourier(signals, sampling_rate, modality)
    one_sided = torch.where((frequencies > 0) & (frequencies < sampling_rate / 2), 2.0, 1.0)
    return squared_magnitude(transform) * one_sided[:, None]


def spectrogram_angle(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Phase of the short-time Fourier transform, in radians from -pi to pi.

    Each piece counts its phase from its own first sample. Where the magnitude is zero, or within
    rounding of it (1e-12 of the window's largest), so is the phase.

    Matches ``scipy.signal.spectrogram(x, r, "hann", nperseg, noverlap, nfft, "constant",
    mode="angle")``.

    Returns
    -------
    angles : Tensor of shape (n_windows, n_frequencies, n_pieces), float64
        Lowest frequency first.
    """
    transform, _ = short_time_fourier(signals, sampling_rate, modality)
    magnitude = transform.abs()
    rounding = PHASE_FLOOR * magnitude.amax(dim=(1, 2), keepdim=True)
    return torch.where(magnitude > rounding, transform.angle(), 0.0)


def spectrogram_phase(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Phase of the short-time Fourier transform unwrapped along time, in radians.

    Matches ``numpy.unwrap(angles, axis=-1)`` of `spectrogram_angle`: whole turns are added so that
    no step from a piece to the next is longer than pi. (``scipy.signal.spectrogram`` with
    ``mode="phase"`` unwraps from frequency to frequency instead.)

    Returns
    -------
    phases : Tensor of shape (n_windows, n_frequencies, n_pieces), float64
        Lowest frequency first.
    """
    angles = spectrogram_angle(signals, sampling_rate, modality)
    steps = angles.diff(dim=2)
    turns = torch.floor((steps + math.pi) / (2 * math.pi))
    # A step of exactly half a turn up stays one up, as numpy has it.
    turns = torch.where(steps == math.pi, 0.0, turns)
    phases = angles.clone()
    phases[..., 1:] -= 2 * math.pi * turns.cumsum(dim=2)
    return phases


def short_time_fourier(
    signals: Tensor, sampling_rate: float, modality: Modality
) -> tuple[Tensor, Tensor]:
    r"""Fourier transforms of overlapping pieces of each window.

    .. math:: Z(f, t) = \frac{1}{\sqrt{r \sum_i w_i^2}}
              \sum_i w_i \, (x_{t+i} - \bar x_t) \, e^{-2 \pi j f i / r}

    with sampling rate r and Hann window w. Pieces last ``modality.spectrogram_window`` seconds (at
    most the whole window) and start every eighth of that. Each is padded with zeros to a power of
    two that gives 16 or more frequencies in ``modality.frequency_range``, those that are returned.

    Returns
    -------
    transform : Tensor of shape (n_windows, n_frequencies, n_pieces), complex128
        Its squared magnitude is a two-sided power density. Constant windows have zeros.
    frequencies : Tensor of shape (n_frequencies,), float64
        In Hz, ascending.
    """
    piece = spectrogram_piece(signals.shape[1], sampling_rate, modality)
    low, high = modality.frequency_range or (0.0, sampling_rate / 2)
    n_fft = 1 << (max(piece, round(16 * sampling_rate / (high - low))) - 1).bit_length()
    # Shifting by the first sample changes no spectrum, and makes those of constant windows zero.
    signals = signals - signals[:, :1]
    pieces = signals.unfold(1, piece, max(1, piece // 8))  # (n_windows, n_pieces, piece)
    pieces = pieces - pieces.mean(dim=2, keepdim=True)
    taper = torch.hann_window(piece, dtype=signals.dtype, device=signals.device)
    taper = taper / (sampling_rate * taper.square().sum()).sqrt()
    # Products and quotients with a power of two are exact: the Nyquist limit is met to the bit.
    frequencies = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sampling_rate / n_fft
    first, last = (frequencies >= low).nonzero()[0], (frequencies <= high).nonzero()[-1]
    shown = slice(int(first), int(last) + 1)
    transform = torch.fft.rfft(pieces * taper, n=n_fft)[..., shown]
    return transform.transpose(1, 2), frequencies[shown].to(signals.device)


def squared_magnitude(values: Tensor) -> Tensor:
    """Squares of complex numbers' magnitudes, without the detour by a square root."""
    return values.real.square() + values.imag.square()


def spectrogram_piece(n_times: int, sampling_rate: float, modality: Modality) -> int:
    """Length of a spectrogram's pieces in samples, at most the window's."""
    if modality.spectrogram_window is None:
        return max(1, n_times // 8)
    return min(n_times, max(1, round(modality.spectrogram_window * sampling_rate)))


def scalogram(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Power of the continuous wavelet transform over time, in signal units squared.

    .. math:: P(s, t) = \Big| \frac{1}{\sqrt{s}} \int (x_u - \bar x) \,
              \overline{\psi \Big( \frac{u - t}{s} \Big)} \, du \Big|^2,
              \quad \psi(u) = \frac{1}{\sqrt{\pi B}} \, e^{-u^2 / B} \, e^{2 \pi j u}

    with B = 1.5, time in samples and 64 scales s = r / f at sampling rate r. The frequencies f are
    spaced evenly on a logarithmic scale over ``modality.frequency_range``, or up to the Nyquist
    limit where it is None; where it has no lower bound above 0 Hz, from two cycles per window.

    Beyond its ends a window is taken to stay at its mean, and powers near an end are those of less
    than the whole wavelet (the cone of influence). At frequency f its amplitude falls to 1/e within
    sqrt(1.5) / f seconds, which is 24 s at 0.05 Hz and 1.2 s at 1 Hz, and to 1e-4 within three
    times that.

    Matches ``abs(pywt.cwt(x - x.mean(), s, "cmor1.5-1.0")[0]) ** 2``; the mean itself tells only
    near the ends, where without subtracting it a step up from zero would outshine the signal.

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
    # One scale at a time: all at once would hold n_windows x 64 complex spectra.
    for row, response in enumerate(filters):
        power[:, row] = squared_magnitude(torch.fft.ifft(spectra * response)[:, :n_times])
    return power


def scalogram_frequencies(n_times: int, sampling_rate: float, modality: Modality) -> list[float]:
    """Frequencies of a scalogram's rows in Hz, ascending."""
    low, high = modality.frequency_range or (0.0, sampling_rate / 2)
    low = low or min(2 * sampling_rate / n_times, high)
    return np.geomspace(low, high, N_SCALES).tolist()


@lru_cache(maxsize=8)
def wavelet_filters(n_times: int, sampling_rate: float, frequencies: tuple[float, ...]) -> Tensor:
    """Frequency responses that filter ``n_times`` samples by wavelets.

    Like pywt, the wavelet is sampled at 4096 points from -8 to 8, summed up, and differences of
    that integral, picked at the scale's step, weigh the samples.

    Returns
    -------
    responses : Tensor of shape (n_frequencies, n_fft), complex128
        n_fft is long enough for a circular convolution to leave the first n_times samples alone.
    """
    points = np.linspace(-8, 8, 4096)
    wavelet = np.exp(-(points**2) / BANDWIDTH + 2j * np.pi * points) / np.sqrt(np.pi * BANDWIDTH)
    step = points[1] - points[0]
    integral = np.conj(np.cumsum(wavelet) * step)
    scales = [sampling_rate / frequency for frequency in frequencies]
    reach = min(n_times - 1, math.ceil(8 * max(scales)) + 1)  # samples either side that count
    weights = np.zeros((len(scales), next_fast_len(n_times + reach)), dtype=complex)
    for row, scale in zip(weights, scales, strict=True):
        picked = (np.arange(scale * 16 + 1) / (scale * step)).astype(int)
        picked = picked[picked < len(points)]
        taps = -np.sqrt(scale) * np.diff(integral[picked[::-1]], prepend=0, append=0)
        offsets = np.arange(len(taps)) - len(picked) // 2
        near = np.abs(offsets) <= reach
        row[offsets[near]] = taps[near]  # those before the sample wrap around to the end
    return torch.fft.fft(torch.from_numpy(weights))


def recurrence(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Distances between all pairs of samples, in signal units.

    .. math:: D_{ij} = |x_i - x_j|

    of the window averaged to at most 224 samples, see `shorten`. Matches
    ``pyts.image.RecurrencePlot()`` of that.

    Returns
    -------
    distances : Tensor of shape (n_windows, n_samples, n_samples), float64

    References
    ----------
    Eckmann, Kamphorst and Ruelle (1987), "Recurrence plots of dynamical systems".
    """
    series = shorten(signals)
    return (series[:, :, None] - series[:, None, :]).abs_()


def recurrence_thresholded(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Which pairs of samples are closer than 20 % of the largest distance: ones and zeros.

    Matches ``pyts.image.RecurrencePlot(threshold="distance", percentage=20)`` of the window
    averaged to at most 224 samples. Like there, a constant window has zeros: nothing is closer
    than no distance.

    Returns
    -------
    recurrent : Tensor of shape (n_windows, n_samples, n_samples), float64
    """
    distances = recurrence(signals, sampling_rate, modality)
    return (distances < NEAR * distances.amax(dim=(1, 2), keepdim=True)).to(distances.dtype)


def gasf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Gramian angular summation field, without unit.

    .. math:: G_{ij} = \cos(\phi_i + \phi_j), \quad \cos \phi_i = \tilde x_i

    where the window, averaged to at most 224 samples by `shorten`, is scaled so that its smallest
    value is -1 and its largest 1. A constant window is scaled to 0, and its field is -1.

    Matches ``pyts.image.GramianAngularField(method="summation")`` of the averaged window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float64

    References
    ----------
    Wang and Oates (2015), "Encoding time series as images for visual inspection and classification
    using tiled convolutional neural networks".
    """
    cosine, sine = polar(signals)
    field = cosine[:, :, None] * cosine[:, None, :]
    return field.sub_(sine[:, :, None] * sine[:, None, :])


def gadf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Gramian angular difference field, without unit.

    .. math:: G_{ij} = \sin(\phi_i - \phi_j)

    with the angles of `gasf`. The field of a constant window is 0. Matches
    ``pyts.image.GramianAngularField(method="difference")`` of the averaged window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float64
    """
    cosine, sine = polar(signals)
    field = sine[:, :, None] * cosine[:, None, :]
    return field.sub_(cosine[:, :, None] * sine[:, None, :])


def polar(signals: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles of Gramian fields: each (n_windows, n_samples)."""
    series = shorten(signals)
    lowest = series.amin(dim=1, keepdim=True)
    span = series.amax(dim=1, keepdim=True) - lowest
    cosine = torch.where(span > 0, 2 * ((series - lowest) / span) - 1, 0.0)
    return cosine, (1 - cosine.square()).clamp(min=0).sqrt()


def mtf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Markov transition field: probabilities from 0 to 1.

    .. math:: M_{ij} = P(q_{t + 1} = q(x_j) \mid q_t = q(x_i))

    where q is the eighth of the window's values that a sample lies in, a value at an edge counting
    down, and P how often one eighth follows the other among neighbouring samples. The window is
    averaged to at most 224 samples first, see `shorten`. The field of a constant window is 1; that
    of a single sample, which has no neighbours, is 0.

    Matches ``pyts.image.MarkovTransitionField(n_bins=8, strategy="quantile")`` of the averaged
    window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float64

    References
    ----------
    Wang and Oates (2015), as for `gasf`.
    """
    series = shorten(signals)
    n_samples = series.shape[1]
    bins = torch.searchsorted(quantiles(series), series)  # (n_windows, n_samples)
    transitions = bins[:, :-1] * N_BINS + bins[:, 1:]
    counts = series.new_zeros(len(series), N_BINS**2)
    counts = counts.scatter_add_(1, transitions, series.new_ones(transitions.shape))
    counts = counts.unflatten(1, (N_BINS, N_BINS))
    probabilities = counts / counts.sum(dim=2, keepdim=True).clamp(min=1)
    from_each = probabilities.gather(1, bins[:, :, None].expand(-1, -1, N_BINS))
    return from_each.gather(2, bins[:, None, :].expand(-1, n_samples, -1))


def quantiles(series: Tensor) -> Tensor:
    """Edges between the N_BINS equally frequent ranges of values: (n_windows, N_BINS - 1).

    Interpolates linearly between the two nearest samples, as `numpy.quantile` does. (torch's own
    function refuses more than 16 million values.)
    """
    ordered = series.sort(dim=1).values
    share = torch.arange(1, N_BINS, dtype=series.dtype, device=series.device) / N_BINS
    position = share * (series.shape[1] - 1)
    below, above = position.floor().long(), position.ceil().long()
    return torch.lerp(ordered[:, below], ordered[:, above], position - below)


def shorten(signals: Tensor) -> Tensor:
    """Average windows to at most 224 samples, so that a map of pairs has the size of a picture.

    Piecewise aggregate approximation: the window is cut into 224 segments whose lengths differ by
    at most one, and each is averaged. Matches ``pyts.approximation.PiecewiseAggregateApproximation(
    window_size=None, output_size=224, overlapping=False)``, which pyts' own images use.

    Returns
    -------
    series : Tensor of shape (n_windows, min(n_times, 224)), float64
    """
    n_times = signals.shape[1]
    if n_times <= LONGEST_SERIES:
        return signals
    # Rounded down from inexact numbers, as pyts does: exact ones differ in 3 % of all lengths.
    edges = torch.from_numpy(np.linspace(0, n_times, LONGEST_SERIES + 1).astype(np.int64))
    edges = edges.to(signals.device)
    lengths = edges.diff()
    index = edges[:-1, None] + torch.arange(int(lengths.max()), device=signals.device)
    # Summing deviations from a segment's first sample leaves a plateau's value as it is. What is
    # over in shorter segments repeats that first sample: it deviates by nothing.
    index = torch.where(index < edges[1:, None], index, edges[:-1, None])
    first = signals[:, edges[:-1]]
    return first + (signals[:, index] - first[..., None]).sum(dim=2) / lengths


@dataclass(frozen=True)
class Representation:
    """One way from a window to a picture.

    Parameters
    ----------
    to_map : callable
        ``to_map(signals, sampling_rate, modality) -> maps``, as described in this module.
    rendering : str
        How the map is drawn, a name in `sklearn_biomoe.rendering.RENDERINGS`.
    uses_sampling_rate : bool
        Whether the picture depends on it, so that it has to be given.
    """

    to_map: Callable[[Tensor, float, Modality], Tensor]
    rendering: str
    uses_sampling_rate: bool


REPRESENTATIONS = {
    "waveform": Representation(waveform, rendering="line", uses_sampling_rate=False),
    "spectrogram_psd": Representation(spectrogram_psd, rendering="power", uses_sampling_rate=True),
    "spectrogram_angle": Representation(
        spectrogram_angle, rendering="angle", uses_sampling_rate=True
    ),
    "spectrogram_phase": Representation(
        spectrogram_phase, rendering="linear", uses_sampling_rate=True
    ),
    "scalogram": Representation(scalogram, rendering="power", uses_sampling_rate=True),
    "recurrence": Representation(recurrence, rendering="grey", uses_sampling_rate=False),
    "recurrence_thresholded": Representation(
        recurrence_thresholded, rendering="ink", uses_sampling_rate=False
    ),
    "gasf": Representation(gasf, rendering="signed", uses_sampling_rate=False),
    "gadf": Representation(gadf, rendering="signed", uses_sampling_rate=False),
    "mtf": Representation(mtf, rendering="linear", uses_sampling_rate=False),
}


def check_representations(
    names: Sequence[str], sampling_rate: float | None, modality_name: str
) -> None:
    """Raise ValueError where a representation is unknown or cannot be drawn at this rate.

    Examples
    --------
    >>> check_representations(["wave_form"], None, "eda")
    Traceback (most recent call last):
    ...
    ValueError: Unknown representation 'wave_form'; expected one of
    ['gadf', 'gasf', 'mtf', 'recurrence', 'recurrence_thresholded', 'scalogram',
    'spectrogram_angle', 'spectrogram_phase', 'spectrogram_psd', 'waveform']. Did you mean
    'waveform'?
    """
    for name in names:
        check_known("representation", name, list(REPRESENTATIONS))
        if not REPRESENTATIONS[name].uses_sampling_rate:
            continue
        if sampling_rate is None:
            raise ValueError(
                f"Representation {name!r} needs the sampling rate of the signals; "
                "pass sampling_rate= in Hz."
            )
        frequency_range = MODALITIES[modality_name].frequency_range
        if frequency_range is not None and frequency_range[1] > sampling_rate / 2:
            raise ValueError(
                f"Representation {name!r} of modality {modality_name!r} shows frequencies up to "
                f"{frequency_range[1]:g} Hz, above the Nyquist limit of {sampling_rate / 2:g} Hz "
                f"that sampling_rate={sampling_rate:g} can carry; use modality='generic', which "
                "shows what there is."
            )
