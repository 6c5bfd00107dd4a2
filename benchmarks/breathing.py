"""Breathing in real and simulated pulse and ECG: how strong it is, and how much else there is.

Real windows are those of the odd-numbered patients of BIDMC on whose breaths both annotators agree;
even-numbered patients are what probes are scored on, so they are not read here. For each beat, the
baseline, the amplitude and the interval to the beat before are measured. Breathing's part in each
of these series is its regression on the respiration signal and the Hilbert transform of that, both
in a band around the breathing rate. With ``--only simulated``, no data are needed.

    python benchmarks/breathing.py                      # breathing.csv
    python benchmarks/breathing.py --plot breathing.png # windows to look at
"""

import argparse
import importlib.metadata
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import environment
import matplotlib.pyplot as plt
import neurokit2 as nk
import numpy as np
import pandas as pd
import torch
from scipy import signal as filters

from sklearn_biomoe.datasets import fetch_bidmc
from sklearn_biomoe.pretraining.cardiorespiratory import (
    electrocardiogram_and_breathing,
    pulse_and_breathing,
)
from sklearn_biomoe.pretraining.simulation import Draw

RESULTS = Path(__file__).parent / "results"
RATE, SECONDS = 125, 60  # of windows, in Hz and s
SERIES_RATE = 4.0  # Hz, of interpolated series of beats
BAND = (0.08, 0.9)  # Hz, of all changes from beat to beat
MOST_APART = 2  # 1/min, two annotators of the same breaths
FEWEST_BEATS = 25
N_SIMULATED, SEED = 400, 1
SIMULATORS = {"ppg": pulse_and_breathing, "ecg": electrocardiogram_and_breathing}
QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9]

Window = tuple[np.ndarray, np.ndarray, float]  # signal, respiration, breaths per minute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["real", "simulated"])
    parser.add_argument("--output", type=Path, default=RESULTS / "breathing.csv")
    parser.add_argument("--plot", type=Path, help="plot some windows instead")
    given = parser.parse_args()
    sources = {"real": real_windows, "simulated": simulated_windows}
    if given.plot:
        plot(given.plot)
        return
    warnings.simplefilter("ignore")  # of neurokit2, for windows with few beats
    tables = []
    for modality in SIMULATORS:
        for name in [given.only] if given.only else sources:
            found = pd.DataFrame([measured for window in sources[name](modality)
                                  if (measured := measure(modality, *window))])  # fmt: skip
            tables.append(summarize(found).assign(modality=modality, windows=name, n=len(found)))
    table = pd.concat(tables)[["modality", "windows", "n", "series", "quantity", *NAMES]]
    print(table.to_string(index=False))
    table.round(3).to_csv(given.output, index=False)
    environment.write(
        given.output.with_suffix(".json"),
        data="BIDMC, odd-numbered patients, windows of 60 s in which two annotators of breaths "
        f"differ by at most {MOST_APART} per minute; {N_SIMULATED} simulated windows, seed {SEED}",
        quantities="depth: amplitude of breathing's part, in percent of the pulse's (R wave's) "
        "median height or of the median interval; share: breathing's part of the variance between "
        f"{BAND[0]} and {BAND[1]} Hz; other: standard deviation of the rest, in percent; "
        "coherence: magnitude-squared with respiration at the breathing rate, segments of 16 s; "
        "error: of the breathing rate by the highest peak of the series' spectrum, 1/min",
        neurokit2=importlib.metadata.version("neurokit2"),
    )


NAMES = [f"{quantile:.0%}" for quantile in QUANTILES]


def summarize(found: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles over windows, one row for each series and quantity."""
    table = found.quantile(QUANTILES).T
    table.columns = pd.Index(NAMES)
    table[["series", "quantity"]] = [name.split() for name in table.index]
    return table


# Windows


def real_windows(modality: str) -> Iterator[Window]:
    bunch = fetch_bidmc(duration=SECONDS)
    rates = bunch.target[["breathing_rate_1", "breathing_rate_2"]]
    agreed = (rates.diff(axis=1).iloc[:, 1].abs() <= MOST_APART).to_numpy()
    for row in np.flatnonzero((bunch.groups % 2 == 1) & agreed):
        signal, respiration = (np.asarray(bunch.data[name][row]) for name in (modality, "resp"))
        yield signal, respiration, float(rates.iloc[row].mean())


def simulated_windows(modality: str) -> Iterator[Window]:
    generator = torch.Generator().manual_seed(SEED)
    draw = Draw(N_SIMULATED, float(RATE), float(SECONDS), generator)
    made, breathing = SIMULATORS[modality](draw)
    respiration = breathing.volume * torch.sin(2 * np.pi * breathing.phase)
    for row in range(N_SIMULATED):
        signal, breaths = (each[row].double().numpy() for each in (made.signals, respiration))
        yield signal, breaths, float(breathing.rate[row])


# Measurement


def measure(
    modality: str, signal: np.ndarray, respiration: np.ndarray, rate: float
) -> dict[str, float]:
    """Return the quantities of each series, or nothing if too few beats are found."""
    times, series = find_series(modality, signal)
    if len(times) < FEWEST_BEATS:
        return {}
    grid = np.arange(times[0], times[-1], 1 / SERIES_RATE)
    breaths = np.interp(grid, np.arange(len(respiration)) / RATE, respiration)
    around = filters.hilbert(band_pass(breaths, (0.6 * rate / 60, 1.6 * rate / 60)))
    regressors = np.column_stack([around.real, around.imag])
    found = {}
    for name, values in series.items():
        changes = band_pass(np.interp(grid, times, values), BAND)
        part = regressors @ np.linalg.lstsq(regressors, changes, rcond=None)[0]
        frequencies, coherence = filters.coherence(changes, breaths, fs=SERIES_RATE, nperseg=64)
        found |= {
            f"{name} depth": 100 * np.sqrt(2) * part.std(),
            f"{name} share": part.var() / changes.var(),
            f"{name} other": 100 * (changes - part).std(),
            f"{name} coherence": np.interp(rate / 60, frequencies, coherence),
            f"{name} error": abs(highest_peak(changes) - rate),
        }
    return found


def find_series(modality: str, signal: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the times of beats in s and, relative to medians, what is measured of each."""
    if modality == "ppg":
        clean = nk.ppg_clean(signal, sampling_rate=RATE)
        peaks = nk.ppg_findpeaks(clean, sampling_rate=RATE)["PPG_Peaks"]
    else:
        clean = nk.ecg_clean(signal, sampling_rate=RATE)
        peaks = nk.ecg_peaks(clean, sampling_rate=RATE)[1]["ECG_R_Peaks"]
    smooth = band_pass(signal, (None, 10.0 if modality == "ppg" else 40.0), RATE)
    high, low = [], []
    for before, peak in pairwise(peaks):
        high.append(smooth[max(0, peak - 6) : peak + 7].max())
        stretch = smooth[before:peak]  # the foot of a pulse, or the line before the P wave
        low.append(stretch.min() if modality == "ppg" else np.median(stretch[len(stretch) // 2 :]))
    top, bottom, intervals = np.array(high), np.array(low), np.diff(peaks) / RATE
    height = np.median(top - bottom)
    baseline = (top + bottom) / 2 if modality == "ppg" else bottom
    series = {
        "baseline": baseline / height,
        "amplitude": (top - bottom) / height,
        "interval": intervals / np.median(intervals),
    }
    return np.asarray(peaks[1:]) / RATE, series


def band_pass(
    values: np.ndarray, band: tuple[float | None, float], sampling_rate: float = SERIES_RATE
) -> np.ndarray:
    low, high = band
    edges, kind = ((low, high), "bandpass") if low else (high, "lowpass")
    sections = filters.butter(2, edges, kind, fs=sampling_rate, output="sos")
    return filters.sosfiltfilt(sections, values - values.mean())


def highest_peak(changes: np.ndarray) -> float:
    """Return the frequency of most power, from 4 to 42 per minute."""
    frequencies, power = filters.periodogram(changes, SERIES_RATE, window="hann", nfft=4096)
    inside = (frequencies > 4 / 60) & (frequencies < 42 / 60)
    return float(60 * frequencies[inside][power[inside].argmax()])


def plot(path: Path, n_rows: int = 8) -> None:
    figure, axes = plt.subplots(n_rows, 4, figsize=(26, 2 * n_rows), layout="constrained")
    columns = [(name, get) for name in SIMULATORS for get in (real_windows, simulated_windows)]
    for axis, (modality, get) in zip(axes.T, columns, strict=True):
        windows = list(get(modality))
        length = RATE * (SECONDS if modality == "ppg" else 10)
        for cell, at in zip(
            axis, np.linspace(0, len(windows) - 1, n_rows).astype(int), strict=True
        ):
            signal, _, rate = windows[at]
            cell.plot(np.arange(length) / RATE, signal[:length], linewidth=0.6)
            cell.set_title(f"{modality}, {get.__name__}, {rate:.0f} breaths per minute")
    figure.savefig(path, dpi=60)


if __name__ == "__main__":
    main()
