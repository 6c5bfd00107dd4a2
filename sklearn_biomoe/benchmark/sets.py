"""Data sets of the benchmark: windows, targets, subjects, and the protocol of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._files import check_folder_type
from .._typing import Array, FloatArray, Rows
from ..datasets import (
    fetch_bidmc,
    fetch_cogwear,
    fetch_fmov,
    fetch_freihaut,
    fetch_stress_predict,
)
from ..recordings import read_recording

SKIPPED = ["subject", "path", "reason"]  # columns
DataHome = str | os.PathLike[str] | None
EEGMAT_CHANNELS = {"eeg": ["EEG F3", "EEG F4", "EEG P3", "EEG P4"], "ecg": ["ECG ECG"]}
EEGMAT_SECONDS, EEGMAT_RATE, EEGMAT_SUBJECTS = 10, 500, 8
EEGMAT_HELP = (
    "Get the files Subject00_1.edf to Subject07_2.edf from "
    "https://physionet.org/content/eegmat/1.0.0, and pass their folder as data_home or in the "
    "environment variable SKLEARN_BIOMOE_DATA."
)
AGREED = 2.0  # 1/min between two annotators of the same breaths


def _no_subjects() -> pd.DataFrame:
    return pd.DataFrame(columns=SKIPPED)


@dataclass(frozen=True)
class BenchmarkSet:
    """Windows of a data set, and what is predicted from them.

    Parameters
    ----------
    windows : dict of str to ndarray of shape (n_windows, n_channels, n_times)
        By signal.
    signals : dict of str to (str, float)
        Modality and sampling rate in Hz of each signal.
    target : ndarray of shape (n_rows,)
        Classes or numbers; with pairs, 1 if the later window is the one under stress, else 0.
    groups : ndarray of shape (n_rows,)
        Subjects.
    rows : ndarray of shape (n_rows,) or (n_rows, 2), int
        The window of each target, or the earlier and the later window.
    elapsed_time : ndarray of shape (n_windows,)
        Seconds since the start of the recording.
    protocol : {"windows", "transitions", "pairs"}, default="windows"
        What is predicted: the target of a window; the target of a pair, from the difference of its
        windows; or which window of a pair is the one under stress, whatever their order.
    task : {"classification", "regression"}, default="classification"
    chosen_on : frozenset of subjects, default=frozenset()
        Subjects on which methods were chosen; the others are also scored without them.
    scored : frozenset of subjects, default=None
        Subjects that are tested, if not all; the others are always in training.
    estimate : int, default=None
        Column of the features of NeuroKit2 that is an estimate of the target.
    skipped : DataFrame
        Subjects that were left out: columns subject, path and reason.
    """

    windows: dict[str, FloatArray]
    signals: dict[str, tuple[str, float]]
    target: Array
    groups: Array
    rows: Rows
    elapsed_time: FloatArray
    protocol: str = "windows"
    task: str = "classification"
    chosen_on: frozenset[Any] = frozenset()
    scored: frozenset[Any] | None = None
    estimate: int | None = None
    skipped: pd.DataFrame = field(default_factory=_no_subjects)

    def first_subjects(self, n_subjects: int) -> BenchmarkSet:
        """Return the windows of the first subjects, in their sorted order."""
        kept = np.isin(self.groups, np.unique(self.groups)[:n_subjects])
        used, rows = np.unique(self.rows[kept], return_inverse=True)
        return replace(
            self,
            windows={name: each[used] for name, each in self.windows.items()},
            target=self.target[kept],
            groups=self.groups[kept],
            rows=rows.reshape(self.rows[kept].shape),
            elapsed_time=self.elapsed_time[used],
        )


def _stack(data: pd.DataFrame, names: list[str]) -> dict[str, FloatArray]:
    return {name: np.stack(list(data[name])).astype(np.float64)[:, None] for name in names}


def _stress_predict(data_home: DataHome, on_error: str) -> BenchmarkSet:
    found = fetch_stress_predict(data_home=data_home, protocol="transitions", on_error=on_error)
    return BenchmarkSet(
        _stack(found.data, ["eda", "bvp"]),
        {name: (name, found.sampling_rates[name]) for name in ("eda", "bvp")},
        found.target,
        found.groups,
        found.pairs,
        found.elapsed_time,
        "transitions",
        chosen_on=frozenset(range(2, 19)),
        skipped=found.skipped,
    )


def _cogwear(data_home: DataHome, on_error: str) -> BenchmarkSet:
    found = fetch_cogwear(data_home=data_home, protocol="transitions", on_error=on_error)
    return BenchmarkSet(
        _stack(found.data, ["eda", "bvp"]),
        {name: (name, found.sampling_rates[name]) for name in ("eda", "bvp")},
        found.target,
        found.groups,
        found.pairs,
        found.elapsed_time,
        "pairs",
        chosen_on=frozenset(range(0, 25, 2)),
        skipped=found.skipped,
    )


def _freihaut(data_home: DataHome, on_error: str) -> BenchmarkSet:
    found = fetch_freihaut(data_home=data_home, on_error=on_error)
    return BenchmarkSet(
        _stack(found.data, ["eda"]),
        {"eda": ("eda", found.sampling_rates["eda"])},
        found.target,
        found.groups,
        found.pairs,
        found.elapsed_time,
        "pairs",
        skipped=found.skipped,
    )


def _fmov(data_home: DataHome, on_error: str) -> BenchmarkSet:
    found = fetch_fmov(data_home=data_home, on_error=on_error)
    # Rectified values are envelopes, which are drawn as signals without a known unit.
    muscles = ["rectified_zygomaticus", "rectified_corrugator"]
    signals = dict.fromkeys(muscles, "generic") | {"eda": "eda"}
    return BenchmarkSet(
        _stack(found.data, list(signals)),
        {name: (modality, found.sampling_rates[name]) for name, modality in signals.items()},
        found.target,
        found.groups,
        np.arange(len(found.target)),
        found.elapsed_time,
        skipped=found.skipped,
    )


def _eegmat(data_home: DataHome, on_error: str) -> BenchmarkSet:
    """Cut as many windows of 10 s of the rest, spread evenly, as there are of arithmetic."""
    folder = _find_eegmat(data_home)
    windows: dict[str, list[FloatArray]] = {name: [] for name in EEGMAT_CHANNELS}
    target, groups, times, skipped = [], [], [], []
    length = EEGMAT_SECONDS * EEGMAT_RATE
    for subject in range(EEGMAT_SUBJECTS):
        paths = [folder / f"Subject{subject:02d}_{part}.edf" for part in (1, 2)]
        try:
            parts = [read_recording(path) for path in paths]
        except (OSError, ValueError) as error:
            if on_error == "raise":
                error.add_note(EEGMAT_HELP)
                raise
            skipped.append({"subject": subject, "path": str(folder), "reason": str(error)})
            continue
        n_windows = [len(part["ECG ECG"].samples) // length for part in parts]
        offset = 0.0
        for label, part, n in zip(("rest", "arithmetic"), parts, n_windows, strict=True):
            starts = np.linspace(0, n - 1, min(n_windows)).round().astype(int) * length
            for name, channels in EEGMAT_CHANNELS.items():
                samples = np.stack([part[channel].samples for channel in channels])
                windows[name] += [samples[:, start : start + length] for start in starts]
            target += [label] * len(starts)
            groups += [subject] * len(starts)
            times += list(offset + starts / EEGMAT_RATE)
            offset += len(part["ECG ECG"].samples) / EEGMAT_RATE
    if not target:
        raise ValueError(f"No subject of EEGMAT in {folder} can be read. {EEGMAT_HELP}")
    return BenchmarkSet(
        {name: np.stack(each) for name, each in windows.items()},
        {name: (name, float(EEGMAT_RATE)) for name in EEGMAT_CHANNELS},
        np.array(target),
        np.array(groups),
        np.arange(len(target)),
        np.array(times),
        skipped=pd.DataFrame(skipped, columns=SKIPPED),
    )


def _find_eegmat(data_home: DataHome) -> Path:
    if data_home is not None:
        check_folder_type("data_home", data_home, " or None")
    homes = [home for home in (data_home, os.environ.get("SKLEARN_BIOMOE_DATA")) if home]
    folders = [Path(home, inside).expanduser() for home in homes for inside in ("", "eegmat")]
    for folder in folders:
        if any(folder.glob("Subject??_1.edf")):
            return folder
    searched = f" in {' or '.join(map(str, folders))}" if folders else ""
    raise FileNotFoundError(f"There is no Subject00_1.edf{searched}. {EEGMAT_HELP}")


def _bidmc(quantity: str, estimate: int) -> Callable[[DataHome, str], BenchmarkSet]:
    def load(data_home: DataHome, on_error: str) -> BenchmarkSet:
        found = fetch_bidmc(data_home=data_home, on_error=on_error)
        truth = found.target[quantity] if quantity in found.target else _breaths(found.target)
        rows = np.flatnonzero(truth.notna())
        even = frozenset(each for each in found.groups.tolist() if each % 2 == 0)
        return BenchmarkSet(
            _stack(found.data, ["ppg"]),
            {"ppg": ("ppg", found.sampling_rates["ppg"])},
            truth.to_numpy()[rows],
            found.groups[rows],
            rows,
            found.elapsed_time,
            task="regression",
            chosen_on=even,  # the preset of pulse was
            scored=even,
            estimate=estimate,
            skipped=found.skipped,
        )

    return load


def _breaths(target: pd.DataFrame) -> pd.Series:
    """Return the mean breathing rate of both annotators where they agree, else NaN."""
    rates = target[["breathing_rate_1", "breathing_rate_2"]]
    apart = (rates.iloc[:, 1] - rates.iloc[:, 0]).abs()
    return rates.mean(axis=1).where(apart <= AGREED)


SETS: dict[str, Callable[[DataHome, str], BenchmarkSet]] = {
    "freihaut": _freihaut,
    "cogwear": _cogwear,
    "fmov": _fmov,
    "eegmat": _eegmat,
    "bidmc_heart_rate": _bidmc("heart_rate", 0),
    "bidmc_breathing_rate": _bidmc("annotated", 1),
    "stress_predict": _stress_predict,
}
# Sets of stress against rest, or high against low stress, between which models are transferred.
TRANSFER_SETS = ("stress_predict", "cogwear", "freihaut")
