"""Windows of public recordings, to measure how often checks of sound data raise findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DURATION = 60  # seconds


@dataclass(frozen=True)
class RealWindows:
    """Windows of one data set, in the form that `check_windows` takes."""

    data: pd.DataFrame
    sampling_rates: dict[str, Any]
    groups: Any
    start: Any
    target: Any = None


def read_sets(folder: Path) -> dict[str, RealWindows]:
    """Cut all recordings in the folder into windows of 60 s, by name of the data set."""
    return {
        "stress_predict": read_stress_predict(),
        "bidmc": _bundle(_read_bidmc(folder), {"resp": 125, "ppg": 125, "ecg": 125}),
        "bidmc numerics": _bundle(_read_numerics(folder), {"spo2": 1, "resp_rate": 1}),
        "cogwear": _bundle(_read_cogwear(folder), {"bvp": 64, "eda": 4}),
        "exam_stress": _bundle(_read_exam_stress(folder), {"eda": 4}),
        "oxazepam_fmov": _bundle(_read_oxazepam(folder), {"eda": 100, "emg": 100}),
        "freihaut, in µS": _bundle(_read_freihaut(folder), {"eda": 20}),
        "eegmat": _bundle(_read_eegmat(folder), {"ecg": 500, "eeg": 500}),
        "neurokit, event-related": _bundle(
            _read_neurokit(folder, "bio_eventrelated_100hz.csv", {"ECG": "ecg", "EDA": "eda"}, 5),
            {"ecg": 100, "eda": 100},
        ),
        "neurokit, 5 min": _bundle(
            _read_neurokit(folder, "bio_resting_5min_100hz.csv", {"ECG": "ecg", "PPG": "ppg",
                                                                   "RSP": "resp"}),
            {"ecg": 100, "ppg": 100, "resp": 100},
        ),
        "neurokit, 8 min": _bundle(
            _read_neurokit(folder, "bio_resting_8min_100hz.csv", {"ECG": "ecg", "RSP": "resp",
                                                                   "EDA": "eda"}),
            {"ecg": 100, "resp": 100, "eda": 100},
        ),
        "wfdb 100": _bundle(_read_wfdb(folder), {"ecg": 360}),
    }  # fmt: skip


def read_stress_predict() -> RealWindows:
    """Return the grid of windows of Stress-Predict."""
    from sklearn_biomoe.datasets import fetch_stress_predict

    loaded = fetch_stress_predict()
    return RealWindows(
        loaded.data, loaded.sampling_rates, loaded.groups, loaded.elapsed_time, loaded.target
    )


Recording = tuple[str, dict[str, Any], Any]  # subject, samples by column, target


def _bundle(recordings: Iterator[Recording], rates: Any) -> RealWindows:
    rows = []
    begin: dict[str, float] = {}  # of the next recording of a subject
    for subject, signals, target in recordings:
        seconds = min(signals[name].shape[-1] / rate for name, rate in rates.items())
        first = begin.get(subject, 0.0)
        begin[subject] = first + seconds + DURATION
        for start in range(0, int(seconds) - DURATION + 1, DURATION):
            cells = {
                name: signals[name][..., int(start * rate) : int((start + DURATION) * rate)]
                for name, rate in rates.items()
            }
            rows.append({**cells, "subject": subject, "start": first + start, "target": target})
    frame = pd.DataFrame(rows)
    target = frame["target"].to_numpy() if frame["target"].notna().all() else None
    return RealWindows(
        frame[list(rates)], rates, frame["subject"].to_numpy(), frame["start"].to_numpy(), target
    )


def _read_bidmc(folder: Path) -> Iterator[Recording]:
    for path in sorted((folder / "bidmc").glob("*_Signals.csv.gz")):
        table = pd.read_csv(path).rename(columns=str.strip)
        ecg = table["II"] if "II" in table else table.iloc[:, -1]
        yield path.name[6:8], {
            "resp": table["RESP"].to_numpy(), "ppg": table["PLETH"].to_numpy(),
            "ecg": ecg.to_numpy(),
        }, None  # fmt: skip


def _read_numerics(folder: Path) -> Iterator[Recording]:
    for path in sorted((folder / "bidmc").glob("*_Numerics.csv")):
        table = pd.read_csv(path).rename(columns=str.strip)
        if {"SpO2", "RESP"} <= set(table):
            yield path.name[6:8], {
                "spo2": table["SpO2"].to_numpy(float), "resp_rate": table["RESP"].to_numpy(float)
            }, None  # fmt: skip


def _read_cogwear(folder: Path) -> Iterator[Recording]:
    for path in sorted((folder / "cogwear").rglob("empatica_bvp.csv.gz")):
        part, subject = path.parent, path.relative_to(folder / "cogwear").parts[1]
        eda = pd.read_csv(part / "empatica_eda.csv")["eda"].to_numpy()
        bvp = pd.read_csv(path).iloc[:, 0].to_numpy()
        yield subject, {"bvp": bvp, "eda": eda}, part.name


def _read_exam_stress(folder: Path) -> Iterator[Recording]:
    for path in sorted((folder / "exam_stress").rglob("EDA.csv.gz")):
        samples = pd.read_csv(path, header=None)[0].to_numpy()[2:]
        yield path.relative_to(folder).parts[1], {"eda": samples[4 * 60 : 4 * 1860]}, None


def _read_oxazepam(folder: Path) -> Iterator[Recording]:
    for path in sorted((folder / "oxazepam_fmov/FMOV").glob("*.gz")):
        table = np.loadtxt(path, usecols=(0, 1))
        yield path.name[:2], {"eda": table[:, 0], "emg": table[:, 1]}, None


def _read_freihaut(folder: Path) -> Iterator[Recording]:
    """Yield conductance; the files have resistance in kOhm, and 0 where contact was lost."""
    for path in sorted((folder / "freihaut_mouse_stress/eda").glob("*.csv.gz")):
        table = pd.read_csv(path, sep=";", encoding="utf-8-sig")
        ohm = table["EDA"].to_numpy(float)
        yield path.name[:6], {"eda": 1000 / np.where(ohm > 0, ohm, np.nan)}, None


def _read_eegmat(folder: Path) -> Iterator[Recording]:
    from sklearn_biomoe.recordings import read_recording

    for path in sorted((folder / "eegmat").rglob("*.edf")):
        recording = read_recording(path)
        signals = {name: channel.samples for name, channel in recording.channels.items()}
        ecg = next(name for name in signals if "ECG" in name)
        eeg = [values for name, values in signals.items() if name.startswith("EEG")][:4]
        yield path.stem[:9], {"ecg": signals[ecg], "eeg": np.stack(eeg)}, path.stem[-1]


def _read_neurokit(
    folder: Path, name: str, columns: dict[str, str], shortest: int = DURATION
) -> Iterator[Recording]:
    table = pd.read_csv(folder / "neurokit_csv" / name)
    signals = {modality: table[column].to_numpy() for column, modality in columns.items()}
    if shortest < DURATION:  # a recording of 150 s counts as two subjects
        half = len(table) // 2
        for part, rows in enumerate((slice(None, half), slice(half, None))):
            yield str(part), {key: values[rows] for key, values in signals.items()}, None
    else:
        yield "one", signals, None


def _read_wfdb(folder: Path) -> Iterator[Recording]:
    from sklearn_biomoe.recordings import read_recording

    for path in sorted((folder / "wfdb_samples").rglob("100.hea")):
        recording = read_recording(path)
        first = next(iter(recording.channels.values()))
        yield "100", {"ecg": first.samples}, None
