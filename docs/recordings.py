"""One real window per modality, for docs/images.md.

The windows were selected manually: typical signals without large artefacts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recording:
    """A window of one signal.

    Parameters
    ----------
    signal : ndarray of shape (n_times,), float64
    sampling_rate : float
        In Hz.
    unit : str
        "counts" are raw values of the converter; "a.u." if no unit is documented.
    source : str
        Data set, subject, time range and licence.
    """

    signal: Array
    sampling_rate: float
    unit: str
    source: str


def read_recordings(folder: Path) -> dict[str, Recording]:
    """Read one window per modality.

    Parameters
    ----------
    folder : Path
        The folder in SKLEARN_BIOMOE_DATA, with ``stress_predict``, ``neurokit_csv``, ``eegmat`` and
        ``biosignalsnotebooks_h5``, with the original file names.

    Returns
    -------
    recordings : dict of modality to Recording

    Raises
    ------
    FileNotFoundError
        If the folder or a file in it is missing.

    Notes
    -----
    ``"spo2"`` is an uncalibrated estimate, not the output of an oximeter, see
    `estimate_saturation`. The file does not document which channel is red. The channel with the
    weaker pulse relative to its level is used as red, because the other assignment gives a median
    of 62 % instead of 97 %. Both channels drift during the fall and rise of the estimate, so a
    change of pressure on the sensor, or of venous blood, could also explain them.
    """
    recordings = {}
    for modality, (read, name, channel, start, stop, unit, source) in _WINDOWS.items():
        path = Path(folder) / name
        if not path.is_file():
            raise FileNotFoundError(
                f"No {modality} recording at {path}. Set the environment variable "
                "SKLEARN_BIOMOE_DATA to the folder of recordings that holds it."
            )
        signal, rate = read(path, channel)
        window = signal[round(start * rate) : round(stop * rate)]
        recordings[modality] = Recording(window, rate, unit, source)
    return recordings


def read_empatica(path: Path, channel: str) -> tuple[Array, float]:
    """Read the signal and sampling rate of an Empatica file; rows 0 and 1 are start and rate."""
    rows = np.loadtxt(path)
    return rows[2:], float(rows[1])


def read_neurokit(path: Path, channel: str) -> tuple[Array, float]:
    """Read a column of a table with a sampling rate of 100 Hz."""
    return pd.read_csv(path)[channel].to_numpy(np.float64), 100.0


def read_edf(path: Path, channel: str) -> tuple[Array, float]:
    """Read a signal of an EDF file in its physical unit, and its sampling rate."""
    import edfio

    signal = edfio.read_edf(path).get_signal(channel)
    return signal.data.astype(np.float64), float(signal.sampling_frequency)


def read_plux(path: Path, channel: str) -> tuple[Array, float]:
    """Read a channel of an OpenSignals HDF5 file in converter counts, and its sampling rate."""
    import h5py

    with h5py.File(path) as file:
        (device,) = file.values()
        counts = device["raw"][channel][:, 0]
        return counts.astype(np.float64), float(device.attrs["sampling rate"])


def read_saturation(path: Path, channel: str) -> tuple[Array, float]:
    """Estimate the saturation in % from two channels "red infrared", with its sampling rate."""
    (red, rate), (infrared, _) = (read_plux(path, name) for name in channel.split())
    started = round(rate)  # the sensor is switched on in the first second
    return estimate_saturation(red[started:], infrared[started:], rate)


def estimate_saturation(red: Array, infrared: Array, sampling_rate: float) -> tuple[Array, float]:
    """Estimate oxygen saturation by the ratio of ratios in pieces of 4 s, one every 0.25 s.

    With AC the standard deviation of the pulse (0.5 to 5 Hz) and DC the mean,
    R = (AC_red / DC_red) / (AC_infrared / DC_infrared), and the saturation is 110 - 25 R.

    Returns the saturation in %, of shape (n_pieces,), and its sampling rate in Hz. The constants
    110 and 25 are a common approximation; each type of sensor needs its own calibration.

    References
    ----------
    Webster J. G. (ed.) 1997, "Design of Pulse Oximeters", Institute of Physics Publishing.
    """
    light = np.stack([red, infrared])
    bandpass = butter(3, (0.5, 5), "bandpass", fs=sampling_rate, output="sos")
    length, hop = round(4 * sampling_rate), round(0.25 * sampling_rate)
    pulse = sliding_window_view(sosfiltfilt(bandpass, light), length, axis=1)[:, ::hop].std(axis=2)
    level = sliding_window_view(light, length, axis=1)[:, ::hop].mean(axis=2)
    red_pulse, infrared_pulse = pulse / level
    return 110 - 25 * red_pulse / infrared_pulse, sampling_rate / hop


_Window = tuple[Callable[[Path, str], tuple[Array, float]], str, str, float, float, str, str]
_RESTING = "neurokit_csv/bio_resting_5min_100hz.csv"
_HEAD_SENSOR = "biosignalsnotebooks_h5/signal_sample_single_hub_hSpO2_2018_7_6.h5"
# fmt: off
_WINDOWS: dict[str, _Window] = {  # reader, file, channel, first and last second, unit, source
    "eda": (read_empatica, "stress_predict/Raw_data/S04/EDA.csv", "EDA", 1510, 1570, "µS",
            "Stress-Predict, subject 4, seconds 1510 to 1570 (MIT)"),
    "bvp": (read_empatica, "stress_predict/Raw_data/S13/BVP.csv", "BVP", 1560, 1570, "a.u.",
            "Stress-Predict, subject 13, seconds 1560 to 1570 (MIT)"),
    "ppg": (read_neurokit, _RESTING, "PPG", 120, 130, "a.u.",
            "NeuroKit, 5 minutes of rest, seconds 120 to 130 (MIT)"),
    "resp": (read_neurokit, _RESTING, "RSP", 20, 80, "a.u.",
             "NeuroKit, 5 minutes of rest, seconds 20 to 80 (MIT)"),
    "spo2": (read_saturation, _HEAD_SENSOR, "channel_9 channel_10", 0, 57, "%",
             "biosignalsnotebooks, PLUX sensor on the head, seconds 1 to 61 (MIT); "
             "estimated from the red and infrared channels, uncalibrated"),
    "ecg": (read_edf, "eegmat/Subject00_1.edf", "ECG ECG", 30, 36, "mV",
            "EEG During Mental Arithmetic Tasks, subject 0 at rest, seconds 30 to 36 (ODC-BY)"),
    "emg": (read_plux, "biosignalsnotebooks_h5/emg_bursts.h5", "channel_3", 16.5, 22.5, "counts",
            "biosignalsnotebooks, PLUX sensor on the biceps, seconds 16.5 to 22.5 (MIT)"),
    "eeg": (read_edf, "eegmat/Subject03_1.edf", "EEG O1", 30, 38, "µV",
            "EEG During Mental Arithmetic Tasks, subject 3 at rest, O1, seconds 30 to 38 (ODC-BY)"),
}
# fmt: on
