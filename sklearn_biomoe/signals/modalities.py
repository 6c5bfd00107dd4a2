"""Default settings for each kind of biosignal. docs/modalities.md gives the reasons."""

import unicodedata
from dataclasses import dataclass

from .._validation.parameters import check_option

ValueRange = tuple[float, float] | tuple[float, float, str]  # lowest, highest, optionally "log"


@dataclass(frozen=True)
class Modality:
    """Default settings for one kind of biosignal.

    Parameters
    ----------
    representations : tuple of str
        Images of the preset.
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
    ("scalogram",), band=(0.5, 8.0), spectrogram_window=8.0, frequency_range=(0.5, 5.0)
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
        ("waveform", "scalogram"),
        band=(0.05, 1.0),
        spectrogram_window=20.0,
        frequency_range=(0.05, 1.0),
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

# Names in use, in lower case without spaces, hyphens and underscores.
_ALIASES = {
    "electrodermalactivity": "eda",
    "gsr": "eda",
    "galvanicskinresponse": "eda",
    "sc": "eda",
    "scl": "eda",
    "scr": "eda",
    "skinconductance": "eda",
    "bloodvolumepulse": "bvp",
    "photoplethysmogram": "ppg",
    "photoplethysmography": "ppg",
    "pleth": "ppg",
    "breathing": "resp",
    "respiration": "resp",
    "rsp": "resp",
    "breathingrate": "resp_rate",
    "respirationrate": "resp_rate",
    "respiratoryrate": "resp_rate",
    "resprate": "resp_rate",
    "rr": "resp_rate",
    "oxygensaturation": "spo2",
    "sao2": "spo2",
    "ekg": "ecg",
    "electrocardiogram": "ecg",
    "electromyogram": "emg",
    "electroencephalogram": "eeg",
}


def find_modality(name: str) -> str:
    """Return the name in `MODALITIES` for a modality in any case, or an alias of it.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> [find_modality(name) for name in ("EDA", "gsr", "Skin conductance", "SpO₂", "breathing")]
    ['eda', 'eda', 'eda', 'spo2', 'resp']
    """
    if name in MODALITIES or not isinstance(name, str):
        plain = name
    else:  # NFKC turns subscripts into digits
        plain = unicodedata.normalize("NFKC", name).casefold()
        plain = plain if plain in MODALITIES else plain.translate(str.maketrans("", "", " -_"))
        plain = _ALIASES.get(plain, plain)
    if plain not in MODALITIES:
        check_option("modality", name, list(MODALITIES))
    return plain
