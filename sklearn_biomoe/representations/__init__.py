"""Representations: ways from a window to a map, one small batched function each, in a registry.

A function takes ``signals``, float64 of shape (n_windows, n_times), and returns maps of shape
(n_windows, n_rows, n_columns), float64 or, where that holds them to 1e-5 of their size, float32;
the registry says how a map becomes an image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from .._validation.parameters import check_option
from ..signals import Modality
from .pairs import gadf, gasf, mtf, recurrence, recurrence_thresholded
from .scalograms import scalogram, scalogram_frequencies
from .spectrograms import (
    spectrogram_angle,
    spectrogram_bins,
    spectrogram_hop,
    spectrogram_phase,
    spectrogram_piece,
    spectrogram_psd,
)

__all__ = [
    "REPRESENTATIONS",
    "Representation",
    "check_representations",
    "scalogram_frequencies",
    "spectrogram_bins",
    "spectrogram_hop",
    "spectrogram_piece",
]


@dataclass(frozen=True)
class Representation:
    """One way from a window to an image.

    Parameters
    ----------
    to_map : callable or None
        ``to_map(signals, sampling_rate, modality) -> maps``, as described in this module. None
        where the signals themselves are drawn, as curves.
    rendering : str
        How it is drawn, a name in `sklearn_biomoe.images.rendering`: of `LAYOUTS` for curves, of
        `SCALES` for maps.
    axes : {"value", "frequency", "scale", "pairs", "several"}
        What the image's vertical axis shows: values; frequencies, evenly or logarithmically
        spaced, over the time of spectrogram pieces or of samples; or time, as the horizontal one.
    colormap : str or None, default=None
        Where the user's is not taken.
    parts : tuple of str, default=()
        Representations whose grey images are the red, green and blue of this one.
    """

    to_map: Callable[[Tensor, float, Modality], Tensor] | None
    rendering: str
    axes: str
    colormap: str | None = None
    parts: tuple[str, ...] = ()

    @property
    def has_frequencies(self) -> bool:
        """Whether the image depends on the sampling rate, so that it has to be given."""
        return self.axes in ("frequency", "scale", "several")

    @property
    def has_pieces(self) -> bool:
        """Whether spectra of pieces are shown, which a window must not be shorter than."""
        return self.axes in ("frequency", "several")

    @property
    def joins_channels(self) -> bool:
        """Whether one image shows all channels."""
        return self.rendering in ("stacked", "overlaid")


REPRESENTATIONS = {
    "waveform": Representation(None, "single", axes="value"),
    "waveform_stacked": Representation(None, "stacked", axes="value"),
    "waveform_overlaid": Representation(None, "overlaid", axes="value"),
    "spectrogram_psd": Representation(spectrogram_psd, "power", axes="frequency"),
    "spectrogram_angle": Representation(spectrogram_angle, "angle", axes="frequency"),
    "spectrogram_phase": Representation(spectrogram_phase, "span", axes="frequency"),
    "scalogram": Representation(scalogram, "power", axes="scale"),
    "recurrence": Representation(recurrence, "distance", axes="pairs", colormap="gray"),
    "recurrence_thresholded": Representation(
        recurrence_thresholded, "distance", axes="pairs", colormap="binary"
    ),
    "gasf": Representation(gasf, "signed", axes="pairs"),
    "gadf": Representation(gadf, "signed", axes="pairs"),
    "mtf": Representation(mtf, "span", axes="pairs"),
    "composite": Representation(
        None, "parts", axes="several", parts=("waveform", "spectrogram_psd", "scalogram")
    ),
}


def check_representations(
    names: Sequence[str], sampling_rate: float | None, modality_name: str, modality: Modality
) -> None:
    """Raise ValueError where a representation is unknown or cannot be drawn at this rate.

    Examples
    --------
    >>> from sklearn_biomoe.signals import MODALITIES
    >>> check_representations(["wave_form"], None, "eda", MODALITIES["eda"])
    Traceback (most recent call last):
    ...
    ValueError: Unknown representation 'wave_form'; expected one of
    ['composite', 'gadf', 'gasf', 'mtf', 'recurrence', 'recurrence_thresholded', 'scalogram',
    'spectrogram_angle', 'spectrogram_phase', 'spectrogram_psd', 'waveform', 'waveform_overlaid',
    'waveform_stacked']. Did you mean 'waveform'?
    """
    for name in names:
        check_option("representation", name, list(REPRESENTATIONS))
        if not REPRESENTATIONS[name].has_frequencies:
            continue
        if sampling_rate is None:
            raise ValueError(
                f"Representation {name!r} of modality {modality_name!r} needs the sampling rate; "
                "pass sampling_rate= in Hz, or representations without frequencies such as "
                "['waveform']."
            )
        if modality.frequency_range is None:
            continue
        low, high = modality.frequency_range
        if high > sampling_rate / 2:
            raise ValueError(
                f"Representation {name!r} of modality {modality_name!r} shows frequencies up to "
                f"{high:g} Hz, above the Nyquist limit of {sampling_rate / 2:g} Hz that "
                f"sampling_rate={sampling_rate:g} can carry; pass frequency_range="
                f"({min(low, sampling_rate / 4):g}, {sampling_rate / 2:g}), or None for all there "
                "is."
            )
