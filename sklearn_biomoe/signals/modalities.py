"""The kinds of biosignal we know, and how each is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class Modality:
    """How one kind of biosignal is looked at.

    Parameters
    ----------
    spectrogram_window : float or None
        Length of the pieces whose spectra make a spectrogram, in seconds: long enough for two or
        more periods of the slowest rhythm of interest. None takes an eighth of the window.
    frequency_range : (float, float) or None
        Frequencies that a spectrogram shows, in Hz. None shows all up to the Nyquist limit.
    """

    spectrogram_window: float | None
    frequency_range: tuple[float, float] | None


MODALITIES = {
    # Sympathetic activity modulates skin conductance below 0.25 Hz, and 0.4 Hz under load.
    "eda": Modality(spectrogram_window=20.0, frequency_range=(0.0, 0.5)),
    # A pulse of 40 to 180 beats per minute, with the second harmonic that shapes it.
    "bvp": Modality(spectrogram_window=8.0, frequency_range=(0.5, 5.0)),
    "ppg": Modality(spectrogram_window=8.0, frequency_range=(0.5, 5.0)),
    # 3 to 60 breaths per minute.
    "resp": Modality(spectrogram_window=20.0, frequency_range=(0.05, 1.0)),
    # Saturation follows breathing: nothing in it is faster.
    "spo2": Modality(spectrogram_window=20.0, frequency_range=(0.0, 0.5)),
    # The QRS complex is under 100 ms long and has its power at 5 to 30 Hz.
    "ecg": Modality(spectrogram_window=1.0, frequency_range=(0.5, 40.0)),
    # Motor unit potentials are 5 to 15 ms long; below 20 Hz lies movement.
    "emg": Modality(spectrogram_window=0.25, frequency_range=(20.0, 250.0)),
    # Delta to low gamma.
    "eeg": Modality(spectrogram_window=2.0, frequency_range=(0.5, 45.0)),
    "generic": Modality(spectrogram_window=None, frequency_range=None),
}


def check_known(kind: str, name: object, known: Sequence[str]) -> None:
    """Raise ValueError where ``name`` is none of ``known``, with the nearest spelling."""
    if name in known:
        return
    nearest = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(f"Unknown {kind} {name!r}; expected one of {sorted(known)}.{hint}")


def check_hertz(name: str, value: Any, hint: str = "", *, given: Any = None) -> None:
    """Raise ValueError where ``value``, part of ``given``, is no positive, finite number."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if number and 0 < value < inf:
        return
    unit = "" if name == "notch_quality" else " in Hz"
    shown = value if given is None else given
    raise ValueError(f"{name}={shown!r}; expected positive, finite numbers{unit}.{hint}")
