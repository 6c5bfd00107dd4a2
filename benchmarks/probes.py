"""Linear probes: which known quantities can be read from the embedding of an image.

Ridge regression on the frozen embeddings of one image, or of two side by side, against quantities
that are known: on real recordings by held-out person (BIDMC: heart rate, breathing rate and SpO2 of
the monitor and annotated breaths; Stress-Predict: pulse rate and skin conductance responses as
found by NeuroKit2), and on simulated windows every parameter of the simulators. Compared with
random weights and other weights (``--also``), both of the images of the preset alone,
statistics, catch22 and the training mean. Images are embedded in bfloat16, which is faster.
Embeddings are stored in a folder, so that interrupted runs resume. They are of about 170,000
images, which take more than an hour on two cores; with ``--windows 400``, of 50,000. A choice of
weights, presets or image settings needs both tables: what can be read from simulated windows need
not be readable from real ones.
"""

import argparse
import hashlib
import importlib.metadata
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import comparison
import environment
import neurokit2 as nk
import numpy as np
import pandas as pd
import torch
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.benchmark.methods import describe_channels
from sklearn_biomoe.datasets import fetch_bidmc, fetch_stress_predict
from sklearn_biomoe.pretraining.simulators import KINDS, simulate
from sklearn_biomoe.signals.modalities import MODALITIES
from sklearn_biomoe.weights import weights_sha256

RESULTS = Path(__file__).parent / "results"
PROBE = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
SEED = 987654  # of simulated windows; pretraining draws from others
PRECISION = "bfloat16"
STEP = 4  # every fourth window of Stress-Predict
N_BOOTSTRAPS = 2000
MOST_APART = 2  # 1/min, two annotators of the same breaths
PULSE = {
    **{name: ("ppg", name, "preset") for name in comparison.REPRESENTATIONS},
    "spectrogram_psd, 0.05-1 Hz": ("resp", "spectrogram_psd", "preset"),
    "scalogram, 0.05-1 Hz": ("resp", "scalogram", "preset"),
}
WINDOW_AXIS = "waveform, axis of the window"
PAIRS = {
    "eda": [("waveform", WINDOW_AXIS), ("waveform", "scalogram"), ("waveform", "composite")],
    "bvp": [("scalogram", "waveform"), ("scalogram", "scalogram, 0.05-1 Hz")],
    "ppg": [("scalogram", "waveform"), ("scalogram", "scalogram, 0.05-1 Hz")],
    "ecg": [("scalogram", "waveform"), ("waveform", "spectrogram_psd")],
    "resp": [("waveform", "spectrogram_psd"), ("waveform", "scalogram")],
    "spo2": [("waveform", WINDOW_AXIS), ("waveform", "scalogram")],
    "emg": [("spectrogram_psd", "waveform")],
    "eeg": [("spectrogram_psd", "waveform"), ("spectrogram_psd", "scalogram")],
}  # fmt: skip


@dataclass
class Source:
    """Windows of one modality and what is known about them."""

    name: str
    modality: str
    sampling_rate: float
    signals: np.ndarray  # (n_windows, n_times)
    targets: dict[str, np.ndarray]  # by quantity and unit, NaN if unknown
    groups: np.ndarray | None = None  # person; None for simulated windows
    scored: np.ndarray = field(default_factory=lambda: np.array([]))  # persons whose errors count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("probes_results"))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--windows", type=int, default=2000, help="simulated, of each modality")
    parser.add_argument("--sources", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=FILE", help="other weights")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    given.output.mkdir(parents=True, exist_ok=True)
    others = dict(each.split("=", 1) for each in given.also)
    started = time.perf_counter()
    sources = [each for name in given.sources for each in SOURCES[name](given.windows)]
    rows = [row for source in sources for row in probe_source(source, others, given.folder)]
    table = pd.DataFrame(rows)
    table.to_csv(given.output / "probes.csv", index=False)
    environment.write(
        given.output / "probes.json",
        probes="ridge regression on embeddings of one image, or two side by side",
        error="real recordings: mean absolute error over held-out persons (BIDMC: the "
        "even-numbered patients; the model is fitted on all other patients) and 95 % interval from "
        f"{N_BOOTSTRAPS} bootstraps over persons. Simulated windows: R2 over five folds, and 95 % "
        "interval from bootstraps over windows. difference_low, difference_high: interval of the "
        "paired difference from the preset with the open weights",
        sources=given.sources,
        n_simulated=given.windows,
        seed=SEED,
        aeon=importlib.metadata.version("aeon"),
        neurokit2=nk.__version__,
        minutes_of_last_call=round((time.perf_counter() - started) / 60, 1),
        precision=PRECISION,
        weights_sha256={
            name: weights_sha256(value) for name, value in {"open": "open", **others}.items()
        },
    )


# Windows


def bidmc(_: int) -> list[Source]:
    windows = fetch_bidmc()
    patients = windows.groups
    scored = np.unique(patients[patients % 2 == 0])
    annotated = windows.target[["breathing_rate_1", "breathing_rate_2"]]
    agreed = (annotated.diff(axis=1).iloc[:, 1].abs() <= MOST_APART).to_numpy()
    known = {
        "heart rate, 1/min": windows.target["heart_rate"].to_numpy(),
        "breathing rate of the monitor, 1/min": windows.target["breathing_rate"].to_numpy(),
        "annotated breathing rate, 1/min": np.where(agreed, annotated.mean(axis=1), np.nan),
        "SpO2, %": windows.target["spo2"].to_numpy(),
    }
    breathing = [name for name in known if "breathing" in name]
    asked = {"ppg": list(known), "ecg": ["heart rate, 1/min", *breathing], "resp": breathing}
    return [
        Source(
            "BIDMC",
            modality,
            windows.sampling_rates[modality],
            np.stack(list(windows.data[modality])),
            {name: known[name] for name in names},
            patients,
            scored,
        )
        for modality, names in asked.items()
    ]


def stress_predict(_: int) -> list[Source]:
    windows = fetch_stress_predict(protocol="transitions")
    data = windows.data.iloc[::STEP]
    people = data["subject"].to_numpy()
    sources = []
    for modality, name, find in [
        ("bvp", "heart rate, 1/min", heart_rate),
        ("eda", "responses in 60 s", n_responses),
    ]:
        rate = windows.sampling_rates[modality]
        signals = np.stack(list(data[modality])).astype(float)
        truth = np.array([find(signal, rate) for signal in signals])
        source = Source(
            "Stress-Predict", modality, rate, signals, {name: truth}, people, np.unique(people)
        )
        sources.append(source)
    return sources


def heart_rate(signal: np.ndarray, rate: float) -> float:
    """Return beats per minute from the median pulse interval; NaN if few pulses are found."""
    clean = nk.ppg_clean(signal, sampling_rate=rate)
    peaks = nk.ppg_findpeaks(clean, sampling_rate=rate)["PPG_Peaks"]
    return 60 * rate / float(np.median(np.diff(peaks))) if len(peaks) > 20 else np.nan


def n_responses(signal: np.ndarray, rate: float) -> float:
    """Return the number of responses of at least 0.01 µS in a window."""
    phasic = nk.eda_phasic(signal, sampling_rate=rate, method="highpass")["EDA_Phasic"].to_numpy()
    found = nk.eda_findpeaks(phasic, sampling_rate=rate, method="neurokit")
    return float(np.sum(found["SCR_Height"] > 0.01))


def simulated(n_windows: int) -> list[Source]:
    """Simulate windows of each modality, with the parameters that vary among them."""
    sources = []
    for modality, kind in KINDS.items():
        generator = torch.Generator().manual_seed(SEED)
        rate = kind.sampling_rates[0]
        made = simulate(
            modality, n_windows, sampling_rate=rate, duration=kind.durations[1], generator=generator
        )
        parameters = {name: value.double().numpy() for name, value in made.parameters.items()}
        varying = {
            name: value for name, value in parameters.items()
            if np.isfinite(value).sum() > n_windows // 4 and np.nanstd(value) > 0
        }  # fmt: skip
        signals = made.signals.double().numpy()
        sources.append(Source("simulated", modality, rate, signals, varying))
    return sources


SOURCES = {"BIDMC": bidmc, "Stress-Predict": stress_predict, "simulated": simulated}


# Features


def images_of(modality: str) -> dict[str, tuple[str, str, str]]:
    """Return the images that are compared: modality to draw as, representation and value range."""
    if modality in ("ppg", "bvp"):
        return PULSE
    images = {name: (modality, name, "preset") for name in comparison.REPRESENTATIONS}
    if MODALITIES[modality].value_range is not None:
        images[WINDOW_AXIS] = (modality, "waveform", "window")
    return images


def embeddings(
    source: Source, image: tuple[str, str, str], weights: str, folder: Path
) -> np.ndarray:
    """Return the embeddings of an image of each window, from the folder if they are there."""
    modality, representation, value_range = image
    digest = hashlib.sha256(np.ascontiguousarray(source.signals).tobytes())
    digest.update(repr((image, source.sampling_rate, weights_sha256(weights, 0))).encode())
    path = folder / f"{source.name}_{source.modality}_{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        embedder = TinyBioMoEEmbedder(weights, precision=PRECISION, random_state=0)
        embed = make_biosignal_embedder(
            modality, source.sampling_rate, representations=[representation], embedder=embedder
        ).set_params(image__value_range=value_range)
        values = embed.fit_transform(source.signals)
        incomplete = path.with_suffix(".part.npy")
        np.save(incomplete, values)
        incomplete.rename(path)
    return np.load(path)


def features_of(source: Source, others: dict[str, str], folder: Path):
    """Yield the name of each method with its features."""
    yield "mean of training", np.zeros((len(source.signals), 1))
    yield "statistics", describe_channels(source.signals[:, None])
    shape = comparison.catch22(source.signals[:, None])
    sizes = np.column_stack([source.signals.mean(axis=1), source.signals.std(axis=1)])
    yield "catch22, mean and spread", np.hstack([shape, sizes])
    images = images_of(source.modality)
    each = {image: embeddings(source, images[image], "open", folder) for image in images}
    for image, values in each.items():
        yield f"open: {image}", values
    for pair in PAIRS.get(source.modality, []):
        yield f"open: {' and '.join(pair)}", np.hstack([each[image] for image in pair])
    preset = MODALITIES[source.modality].representations
    for name, file in {**others, "random": "random"}.items():
        values = [embeddings(source, images[image], file, folder) for image in preset]
        yield f"{name}: {' and '.join(preset)}", np.hstack(values)


# Probes


def probe_source(source: Source, others: dict[str, str], folder: Path) -> list[dict]:
    """Return a row for each method and quantity, with the difference from the preset."""
    rows, resampled = [], {}
    for method, values in features_of(source, others, folder):
        for quantity, truth in source.targets.items():
            row = {"source": source.name, "modality": source.modality, "quantity": quantity}
            found, scores = probe(source, values, truth, method)
            resampled[quantity, method] = scores
            rows.append(row | {"method": method} | found)
            print(rows[-1], flush=True)
    preset = f"open: {' and '.join(MODALITIES[source.modality].representations)}"
    for row in rows:  # of the same persons or windows in each bootstrap, so differences are paired
        quantity = row["quantity"]
        differences = resampled[quantity, row["method"]] - resampled[quantity, preset]
        low, high = np.quantile(differences, [0.025, 0.975])
        row |= {"difference_low": round(float(low), 4), "difference_high": round(float(high), 4)}
    return rows


def probe(
    source: Source, values: np.ndarray, truth: np.ndarray, method: str
) -> tuple[dict, np.ndarray]:
    """Return the error on held-out windows of known truth with its interval, and bootstraps."""
    known = np.isfinite(truth)
    truth, values = truth[known], values[known]
    model = DummyRegressor() if method == "mean of training" else PROBE
    random = np.random.default_rng(0)
    if source.groups is None:
        folds = KFold(5, shuffle=True, random_state=0)
        found = cross_val_predict(model, values, truth, cv=folds)
        resampled = random.integers(len(truth), size=(N_BOOTSTRAPS, len(truth)))
        scores = [_r2(truth[rows], found[rows]) for rows in resampled]
        measured, name, n = _r2(truth, found), "R2", len(truth)
    else:
        groups = source.groups[known]
        errors = []
        for person in np.intersect1d(groups, source.scored):
            tested = groups == person
            found = model.fit(values[~tested], truth[~tested]).predict(values[tested])
            errors.append(np.abs(found - truth[tested]).mean())
        errors = np.array(errors)
        scores = errors[random.integers(len(errors), size=(N_BOOTSTRAPS, len(errors)))].mean(axis=1)
        measured, name, n = errors.mean(), "mean absolute error", len(errors)
    low, high = np.quantile(scores, [0.025, 0.975])
    row = {
        "measure": name, "value": round(float(measured), 4),
        "low": round(float(low), 4), "high": round(float(high), 4), "n": n,
    }  # fmt: skip
    return row, np.asarray(scores)


def _r2(truth: np.ndarray, found: np.ndarray) -> float:
    return 1 - float(((truth - found) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # neurokit2, for windows with few beats
    main()
