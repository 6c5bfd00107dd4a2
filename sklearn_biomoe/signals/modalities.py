"""The kinds of biosignal we know, and how each is looked at. Reasons: docs/modalities.md."""

from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

ValueRange = tuple[float, float] | tuple[float, float, str]  # lowest, highest, and perhaps "log"


@dataclass(frozen=True)
class Modality:
    """How one kind of biosignal is looked at.

    Parameters
    ----------
    representations : tuple of str
        Images that show what is known to matter in this signal.
    band : (float or None, float or None) or None, default=None
        Frequencies that carry physiology, in Hz, for `SignalFilter`; None leaves a side open.
    spectrogram_window : float or None, default=None
        Length of the pieces whose spectra make a spectrogram, in seconds: long enough for two or
        more periods of the slowest rhythm of interest. None takes an eighth of the window.
    frequency_range : (float, float) or None, default=None
        Frequencies that spectrograms and scalograms show, in Hz. None shows all up to the Nyquist
        limit.
    value_range : (float, float), (float, float, "log") or None, default=None
        Values at the bottom and the top of a waveform, in ``unit``, on a linear or a logarithmic
        axis. None takes each window's smallest and largest value.
    unit : str, default=""
        Of ``value_range``; "" where recordings come in arbitrary units.
    """

    representations: tuple[str, ...]
    band: tuple[float | None, float | None] | None = None
    spectrogram_window: float | None = None
    frequency_range: tuple[float, float] | None = None
    value_range: ValueRange | None = None
    unit: str = ""


MODALITIES = {
    "eda": Modality(
        representations=("waveform",),
        band=(None, 1.0),
        spectrogram_window=20.0,
        frequency_range=(0.0, 0.5),
        value_range=(0.05, 20.0, "log"),
        unit="µS",
    ),
    "bvp": Modality(
        representations=("spectrogram_psd",),
        band=(0.5, 8.0),
        spectrogram_window=8.0,
        frequency_range=(0.5, 5.0),
    ),
    "ppg": Modality(
        representations=("spectrogram_psd",),
        band=(0.5, 8.0),
        spectrogram_window=8.0,
        frequency_range=(0.5, 5.0),
    ),
    "resp": Modality(
        representations=("waveform",),
        band=(0.05, 1.0),
        spectrogram_window=20.0,
        frequency_range=(0.05, 1.0),
    ),
    "resp_rate": Modality(representations=("waveform",), value_range=(4.0, 40.0), unit="1/min"),
    "spo2": Modality(
        representations=("waveform",),
        band=(None, 0.2),
        spectrogram_window=20.0,
        frequency_range=(0.0, 0.5),
        value_range=(70.0, 100.0),
        unit="%",
    ),
    "ecg": Modality(
        representations=("scalogram",),
        band=(0.5, 40.0),
        spectrogram_window=1.0,
        frequency_range=(0.5, 40.0),
    ),
    "emg": Modality(
        representations=("spectrogram_psd",),
        band=(20.0, None),
        spectrogram_window=0.25,
        frequency_range=(20.0, 250.0),
    ),
    "eeg": Modality(
        representations=("spectrogram_psd",),
        band=(0.5, 45.0),
        spectrogram_window=2.0,
        frequency_range=(0.5, 45.0),
    ),
    "generic": Modality(representations=("waveform",)),
}


def check_hertz(name: str, value: Any, hint: str = "", *, given: Any = None) -> None:
    """Raise ValueError where ``value``, part of ``given``, is no positive, finite number."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if number and 0 < value < inf:
        return
    unit = "" if name == "notch_quality" else " in Hz"
    shown = value if given is None else given
    raise ValueError(f"{name}={shown!r}; expected positive, finite numbers{unit}.{hint}")
