"""Representations: ways from a window to a map, one small batched function each, in a registry.

A function takes ``signals``, float64 of shape (n_windows, n_times), and returns float64 maps of
shape (n_windows, n_rows, n_columns); the registry says how a map becomes a picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .signals import MODALITIES, Modality, check_known


def waveform(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Return the signal itself, as a map of one row: shape (n_windows, 1, n_times)."""
    return signals[:, None, :]


def spectrogram_psd(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Power spectral density over time, in signal units squared per Hz.

    .. math:: P(f, t) = \frac{c_f}{r \sum_i w_i^2}
              \Big| \sum_i w_i \, (x_{t+i} - \bar x_t) \, e^{-2 \pi j f i / r} \Big|^2

    with sampling rate r, Hann window w, and c = 2 but at 0 Hz and the Nyquist limit, where it is 1.
    Pieces last ``modality.spectrogram_window`` seconds (at most the whole window) and start every
    eighth of that. Each is padded with zeros to a power of two that gives 16 or more frequencies
    in ``modality.frequency_range``, the rows that are returned.

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
    piece = spectrogram_piece(signals.shape[1], sampling_rate, modality)
    low, high = modality.frequency_range or (0.0, sampling_rate / 2)
    n_fft = 1 << (max(piece, round(16 * sampling_rate / (high - low))) - 1).bit_length()
    # Shifting by the first sample changes no spectrum, and makes those of constant windows zero.
    signals = signals - signals[:, :1]
    pieces = signals.unfold(1, piece, max(1, piece // 8))  # (n_windows, n_pieces, piece)
    pieces = pieces - pieces.mean(dim=2, keepdim=True)
    taper = torch.hann_window(piece, dtype=signals.dtype, device=signals.device)
    power = torch.fft.rfft(pieces * taper, n=n_fft).abs().square()
    power = power / (sampling_rate * taper.square().sum())
    power[..., 1 : (n_fft + 1) // 2] *= 2  # one-sided: all but 0 Hz and the Nyquist limit
    frequencies = torch.fft.rfftfreq(n_fft, 1 / sampling_rate, dtype=torch.float64)
    first, last = (frequencies >= low).nonzero()[0], (frequencies <= high).nonzero()[-1]
    return power[..., int(first) : int(last) + 1].transpose(1, 2)


def spectrogram_piece(n_times: int, sampling_rate: float, modality: Modality) -> int:
    """Length of a spectrogram's pieces in samples, at most the window's."""
    if modality.spectrogram_window is None:
        return max(1, n_times // 8)
    return min(n_times, max(1, round(modality.spectrogram_window * sampling_rate)))


@dataclass(frozen=True)
class Representation:
    """One way from a window to a picture.

    Parameters
    ----------
    to_map : callable
        ``to_map(signals, sampling_rate, modality) -> maps``, as described in this module.
    rendering : str
        How the map is drawn: "line" draws each row as a curve, "power" colours it on a decibel
        scale; see `sklearn_biomoe.rendering`.
    uses_sampling_rate : bool
        Whether the picture depends on it, so that it has to be given.
    """

    to_map: Callable[[Tensor, float, Modality], Tensor]
    rendering: str
    uses_sampling_rate: bool


REPRESENTATIONS = {
    "waveform": Representation(waveform, rendering="line", uses_sampling_rate=False),
    "spectrogram_psd": Representation(spectrogram_psd, rendering="power", uses_sampling_rate=True),
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
    ['spectrogram_psd', 'waveform']. Did you mean 'waveform'?
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
