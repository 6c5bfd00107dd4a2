"""Representations: ways from a window to an image, in a registry.

A map is computed by a batched function from ``signals``, float64 of shape (n_windows, n_times),
to maps of shape (n_windows, n_rows, n_columns), float64, or float32 if that keeps 1e-5 of their
size. A second function scales it from 0 to 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor

from .._function_code import describe_function, without_addresses
from .._validation.parameters import check_option
from ..signals.modalities import Modality, ValueRange
from .axes import (
    AxesOf,
    ImageAxes,
    curve_axes,
    pair_axes,
    scalogram_axes,
    spectrogram_axes,
)
from .pairs import (
    distance_levels,
    gadf,
    gasf,
    mtf,
    near_levels,
    recurrence,
    recurrence_thresholded,
    transition_levels,
)
from .scaling import (
    scale_angle,
    scale_distance,
    scale_power,
    scale_signed,
    scale_span,
)
from .scalograms import scalogram
from .spectrograms import (
    segment_length,
    spectrogram_angle,
    spectrogram_phase,
    spectrogram_psd,
)

__all__ = [
    "REPRESENTATIONS",
    "ImageAxes",
    "Representation",
    "check_representations",
    "image_axes",
]

Bands = list[tuple[float, float]]  # pixels at the top and the bottom of each curve


@dataclass(frozen=True)
class Representation:
    """One way from a window to an image: as curves, as a map, or of several parts.

    Parameters
    ----------
    axes : callable
        ``axes(n_times, sampling_rate, modality)`` returns an `ImageAxes`.
    bands : callable or None, default=None
        For curves: ``bands(n_curves, size)`` returns the vertical extent of each channel's curve.
    to_map : callable or None, default=None
        For maps: ``to_map(signals, sampling_rate, modality)`` returns maps.
    scale : callable or None, default=None
        For maps: ``scale(maps, size, limits)`` returns (n_windows, size, size) from 0 to 1, with
        the first row of the maps at the bottom.
    levels : callable or None, default=None
        For maps of pairs: ``levels(series)`` returns what `to_map` and `scale` do if a pair of
        samples is a pixel, as uint8 (n_windows, size, size), in a fraction of the time.
    parts : tuple of str, default=()
        Representations whose grey images are the red, green and blue of this one.
    joins_channels : bool, default=False
        Whether one image shows all channels.
    needs_sampling_rate : bool, default=False
        Whether the image depends on the sampling rate.
    shortest : callable or None, default=None
        ``shortest(n_times, sampling_rate, modality)`` returns how many samples a window needs.
    colormap : str or None, default=None
        Used instead of the user's.
    """

    axes: AxesOf
    bands: Callable[[int, int], Bands] | None = None
    to_map: Callable[[Tensor, float, Modality], Tensor] | None = None
    scale: Callable[[Tensor, int, ValueRange | None], Tensor] | None = None
    levels: Callable[[Tensor], Tensor] | None = None
    parts: tuple[str, ...] = ()
    joins_channels: bool = False
    needs_sampling_rate: bool = False
    shortest: Callable[[int, float, Modality], int] | None = None
    colormap: str | None = None

    @property
    def has_values(self) -> bool:
        """Whether a curve is shown, so that a value range applies."""
        return self.to_map is None

    @property
    def has_powers(self) -> bool:
        """Whether powers are shown, so that a power range applies."""
        return self.scale is scale_power


def full_height(n_curves: int, size: int) -> Bands:
    """Curves over each other, each of the full height."""
    return [(0.0, float(size))] * n_curves


def stacked_bands(n_curves: int, size: int) -> Bands:
    """Curves in bands of equal height, the first at the top."""
    return list(pairwise(np.linspace(0, size, n_curves + 1).tolist()))


def _spectrogram(to_map: Callable[..., Tensor], scale: Callable[..., Tensor]) -> Representation:
    return Representation(
        spectrogram_axes,
        to_map=to_map,
        scale=scale,
        needs_sampling_rate=True,
        shortest=segment_length,
    )


REPRESENTATIONS = {
    "waveform": Representation(curve_axes, full_height),
    "waveform_stacked": Representation(curve_axes, stacked_bands, joins_channels=True),
    "waveform_overlaid": Representation(curve_axes, full_height, joins_channels=True),
    "spectrogram_psd": _spectrogram(spectrogram_psd, scale_power),
    "spectrogram_angle": _spectrogram(spectrogram_angle, scale_angle),
    "spectrogram_phase": _spectrogram(spectrogram_phase, scale_span),
    "scalogram": Representation(
        scalogram_axes, to_map=scalogram, scale=scale_power, needs_sampling_rate=True
    ),
    "recurrence": Representation(
        pair_axes, to_map=recurrence, scale=scale_distance, levels=distance_levels, colormap="gray"
    ),
    "recurrence_thresholded": Representation(
        pair_axes,
        to_map=recurrence_thresholded,
        scale=scale_distance,
        levels=near_levels,
        colormap="binary",
    ),
    "gasf": Representation(pair_axes, to_map=gasf, scale=scale_signed),
    "gadf": Representation(pair_axes, to_map=gadf, scale=scale_signed),
    "mtf": Representation(pair_axes, to_map=mtf, scale=scale_span, levels=transition_levels),
    "composite": Representation(
        curve_axes,
        parts=("waveform", "spectrogram_psd", "scalogram"),
        needs_sampling_rate=True,
        shortest=segment_length,
    ),
}

_BUILT_IN = dict(REPRESENTATIONS)


def own_representations() -> list[str]:
    """List the entries that are not those of the package."""
    return [name for name, each in REPRESENTATIONS.items() if each != _BUILT_IN.get(name)]


def identify_representation(name: str) -> str:
    """Return the name, with the code of the functions of an entry that is not the package's.

    Examples
    --------
    >>> identify_representation("waveform")
    'waveform'
    """
    parts = [name, *REPRESENTATIONS[name].parts]
    own = [each for each in own_representations() if each in parts]
    values = [value for each in own for value in vars(REPRESENTATIONS[each]).values()]
    described = (describe_function(value) or repr(value) for value in values)
    return without_addresses(" ".join([name, *described]))


def image_axes(
    representation: str,
    n_times: int,
    sampling_rate: float | None,
    modality: Modality,
    first: int = 0,
) -> ImageAxes:
    """Return the axes of an image.

    Parameters
    ----------
    representation : str
        A name in the registry. A composite has the axes of its curve.
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
    >>> image_axes("spectrogram_psd", 3840, 64.0, MODALITIES["bvp"])  # segments of 8 s, 1 s apart
    ImageAxes(vertical='frequency', times=(3.5, 56.5), frequencies=(0.4375, 5.0625),
              logarithmic=False)
    """
    rate = sampling_rate or 1.0
    return REPRESENTATIONS[representation].axes(n_times, rate, modality).moved(first / rate)


def check_representations(
    names: Sequence[str], sampling_rate: float | None, modality_name: str, modality: Modality
) -> None:
    """Raise ValueError if a representation is unknown or impossible at this sampling rate.

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
        if not REPRESENTATIONS[name].needs_sampling_rate:
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
                f"{high:g} Hz, above the Nyquist limit of {sampling_rate / 2:g} Hz at "
                f"sampling_rate={sampling_rate:g}; pass frequency_range="
                f"({min(low, sampling_rate / 4):g}, {sampling_rate / 2:g}), or None for all "
                "frequencies."
            )
