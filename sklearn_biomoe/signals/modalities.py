"""Default settings for each kind of biosignal. docs/modalities.md gives the reasons."""

from dataclasses import dataclass

ValueRange = tuple[float, float] | tuple[float, float, str]  # lowest, highest, optionally "log"


@dataclass(frozen=True)
class Modality:
    """Default settings for one kind of biosignal.

    Parameters
    ----------
    representations : tuple of str
        Default images.
    band : (float or None, float or None) or None, default=None
        Lowest and highest frequency of physiological content, in Hz, for `SignalFilter`; None
        leaves a side open.
    spectrogram_window : float or None, default=None
        Segment length of spectrograms in seconds, at least two periods of the slowest rhythm of
        interest. None takes an eighth of the window.
    frequency_range : (float, float) or None, default=None
        Lowest and highest frequency of spectrograms and scalograms, in Hz. None takes all
        frequencies up to the Nyquist frequency.
    value_range : (float, float), (float, float, "log") or None, default=None
        Values at the bottom and the top of a waveform, in ``unit``, on a linear or a logarithmic
        axis. None takes the smallest and largest value of each window.
    unit : str, default=""
        Unit of ``value_range``; "" for arbitrary units.
    """

    representations: tuple[str, ...]
    band: tuple[float | None, float | None] | None = None
    spectrogram_window: float | None = None
    frequency_range: tuple[float, float] | None = None
    value_range: ValueRange | None = None
    unit: str = ""


_PULSE = Modality(
    ("spectrogram_psd",), band=(0.5, 8.0), spectrogram_window=8.0, frequency_range=(0.5, 5.0)
)

MODALITIES = {
    "eda": Modality(
        ("waveform",),
        band=(None, 1.0),
        spectrogram_window=20.0,
        frequency_range=(0.0, 0.5),
        value_range=(0.05, 20.0, "log"),
        unit="µS",
    ),
    "bvp": _PULSE,
    "ppg": _PULSE,
    "resp": Modality(
        ("waveform",), band=(0.05, 1.0), spectrogram_window=20.0, frequency_range=(0.05, 1.0)
    ),
    "resp_rate": Modality(("waveform",), value_range=(4.0, 40.0), unit="1/min"),
    "spo2": Modality(
        ("waveform",),
        band=(None, 0.2),
        spectrogram_window=20.0,
        frequency_range=(0.0, 0.5),
        value_range=(70.0, 100.0),
        unit="%",
    ),
    "ecg": Modality(
        ("scalogram",), band=(0.5, 40.0), spectrogram_window=1.0, frequency_range=(0.5, 40.0)
    ),
    "emg": Modality(
        ("spectrogram_psd",),
        band=(20.0, None),
        spectrogram_window=0.25,
        frequency_range=(20.0, 250.0),
    ),
    "eeg": Modality(
        ("spectrogram_psd",), band=(0.5, 45.0), spectrogram_window=2.0, frequency_range=(0.5, 45.0)
    ),
    "generic": Modality(("waveform",)),
}
