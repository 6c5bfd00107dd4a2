"""Linear probes of the open weights, scores with few labelled subjects, and effect of float16.

Probes: ridge regression on frozen embeddings of the heart rate and number of skin conductance
responses in windows of Stress-Predict, and of the breathing rate in other recordings, on held-out
subjects (recordings, for breathing). The reference values are computed by neurokit2 from the same
signal. Few labels: stress or rest, transitions protocol, trained on few subjects and tested on all
others. Both use the features that `stress_predict.py` stored in its folder, so run it first.
Storage: with ``--checkpoint``, the difference between embeddings by the packaged float16 weights
and by the float32 weights.
"""

import argparse
import os
import warnings
from pathlib import Path

import comparison
import environment
import neurokit2 as nk
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.weights import weights_sha256

RESULTS = Path(__file__).parent / "results"
PROBE = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
N_SUBJECTS, N_DRAWS = (2, 4, 8, 16), 20
# Recordings of breathing: file, column, sampling rate in Hz.
BREATHING = [
    ("neurokit_csv/bio_eventrelated_100hz.csv", "RSP", 100),
    ("neurokit_csv/bio_resting_5min_100hz.csv", "RSP", 100),
    ("neurokit_csv/bio_resting_8min_100hz.csv", "RSP", 100),
    ("wfdb_samples/bidmc_01_Signals.csv", " RESP", 125),
]
RATE, SECONDS, STEP = 25, 60, 15  # in Hz and s, for windows of breathing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("stress_predict_results"))
    parser.add_argument(
        "--checkpoint", type=Path, help="checkpoint of the run that trained the open weights"
    )
    given = parser.parse_args()
    folder = given.folder / "open" / "transitions"
    windows = fetch_stress_predict(protocol="transitions")
    few_labels(windows, folder).to_csv(RESULTS / "few_labels.csv", index=False)
    probes(windows, folder).to_csv(RESULTS / "probes.csv", index=False)
    environment.write(
        RESULTS / "open_weights.json",
        probes="mean absolute error of a ridge regression on frozen embeddings, mean and standard "
        "deviation over held-out subjects (recordings for breathing); reference values by "
        f"neurokit2 {nk.__version__} from the same signal. No data of held-out subjects were used",
        few_labels="Stress-Predict, transitions: balanced accuracy over all subjects that were not "
        f"drawn for training, mean and standard deviation over {N_DRAWS} draws",
        storage=storage(windows, given.checkpoint) if given.checkpoint else "not measured",
        weights="open",
        weights_sha256=weights_sha256("open"),
    )


# Storage


def storage(windows, checkpoint: Path) -> dict[str, float]:
    """Compare embeddings by the packaged weights with those by the original float32 weights."""
    packaged, original = (
        np.vstack([
            comparison.embedding_of(modality, rate, name, str(weights), None)(
                np.stack(windows.data[modality].iloc[::40])[:, None]
            )
            for modality, rate in windows.sampling_rates.items()
            for name in comparison.REPRESENTATIONS
        ])
        for weights in ("open", checkpoint)
    )  # fmt: skip
    a, b = (values - original.mean(axis=0) for values in (packaged, original))
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {
        "n_images": len(original),
        "largest_difference": float(np.abs(packaged - original).max()),
        "smallest_centred_cosine": float(cosines.min()),
    }


def read(folder: Path, kind: str, modality: str) -> np.ndarray:
    with np.load(folder / f"{modality}_{kind}.npz") as stored:
        return stored["values"]


# Few labels


def few_labels(windows, folder: Path) -> pd.DataFrame:
    """Evaluate methods trained on few subjects."""
    earlier, later = windows.pairs.T
    kinds = {
        "open weights": comparison.REPRESENTATIONS,
        "untrained": [comparison.UNTRAINED + name for name in comparison.REPRESENTATIONS],
        "statistics": ["statistics"],
        "catch22": ["catch22"],
        "open weights + catch22": [*comparison.REPRESENTATIONS, "catch22"],
    }
    rows = []
    for method, names in kinds.items():
        values = np.hstack([read(folder, name, m) for m in ("eda", "bvp") for name in names])
        values = values[later] - values[earlier]
        for n_subjects in N_SUBJECTS:
            scores = [
                score(values, windows.target, windows.groups, n_subjects, seed)
                for seed in range(N_DRAWS)
            ]
            rows.append(
                {
                    "method": method,
                    "n_training_subjects": n_subjects,
                    "mean": round(float(np.mean(scores)), 4),
                    "sd_over_draws": round(float(np.std(scores)), 4),
                }
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def score(values, target, groups, n_subjects: int, seed: int) -> float:
    """Return the mean balanced accuracy of the subjects that were not drawn for training."""
    drawn = np.random.default_rng(seed).permutation(np.unique(groups))[:n_subjects]
    training = np.isin(groups, drawn)
    model = clone(comparison.CLASSIFIER).fit(values[training], target[training])
    found = model.predict(values)
    others = np.setdiff1d(groups, drawn)
    return float(
        np.mean([
            recall_score(target[groups == s], found[groups == s], average="macro") for s in others
        ])
    )  # fmt: skip


# Probes


def probes(windows, folder: Path) -> pd.DataFrame:
    """Estimate properties of signals from their embeddings."""
    owners = windows.data["subject"].to_numpy()
    rows = []
    for modality, quantity, unit, find in [
        ("bvp", "heart rate", "1/min", heart_rate),
        ("eda", "responses", "in 60 s", n_responses),
    ]:
        rate = windows.sampling_rates[modality]
        truth = np.array([find(np.asarray(cell, float), rate) for cell in windows.data[modality]])
        for prefix in ("", comparison.UNTRAINED):
            each = {name: read(folder, prefix + name, modality)
                    for name in comparison.REPRESENTATIONS}  # fmt: skip
            each["all representations"] = np.hstack(list(each.values()))
            for name, values in each.items():
                rows.append(probe(quantity, unit, prefix + name, values, truth, owners))
        rows.append(baseline(quantity, unit, truth, owners))
    signals, truth, owners = breathing()
    for prefix, weights in (("", "open"), (comparison.UNTRAINED, "random")):
        for name in ("waveform", "composite"):
            embed = comparison.embedding_of("resp", RATE, name, weights, folder)
            values = embed(signals[:, None])
            rows.append(probe("breathing rate", "1/min", prefix + name, values, truth, owners))
    rows.append(baseline("breathing rate", "1/min", truth, owners))
    return pd.DataFrame(rows)


def probe(quantity: str, unit: str, method: str, values, truth, owners, model=PROBE) -> dict:
    """Return the mean absolute error on held-out groups, without windows of unknown truth."""
    known = np.isfinite(truth)
    truth, owners = truth[known], owners[known]
    found = cross_val_predict(model, values[known], truth, groups=owners, cv=LeaveOneGroupOut())
    errors = pd.Series(np.abs(found - truth)).groupby(owners).mean()
    row = {
        "quantity": quantity, "unit": unit, "method": method,
        "mean_absolute_error": round(errors.mean(), 3), "sd": round(errors.std(ddof=0), 3),
        "n_left_out": len(errors), "n_windows": len(truth),
    }  # fmt: skip
    print(row, flush=True)
    return row


def baseline(quantity: str, unit: str, truth, owners) -> dict:
    constant = np.zeros((len(truth), 1))
    return probe(quantity, unit, "mean of training", constant, truth, owners, DummyRegressor())


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


def breathing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return windows of breathing, breaths per minute, and the recording of each window."""
    signals, truth, owners = [], [], []
    for name, column, rate in BREATHING:
        path = Path(os.environ["SKLEARN_BIOMOE_DATA"]) / name
        signal = nk.signal_resample(
            pd.read_csv(path)[column].to_numpy(float), sampling_rate=rate,
            desired_sampling_rate=RATE, method="poly",
        )  # fmt: skip
        for start in range(0, len(signal) - SECONDS * RATE + 1, STEP * RATE):
            window = signal[start : start + SECONDS * RATE]
            clean = nk.rsp_clean(window, sampling_rate=RATE)
            peaks = nk.rsp_findpeaks(clean, sampling_rate=RATE)["RSP_Peaks"]
            signals.append(window)
            truth.append(60 * RATE / np.median(np.diff(peaks)) if len(peaks) > 3 else np.nan)
            owners.append(name)
    return np.stack(signals), np.array(truth), np.array(owners)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # neurokit2, for windows with few beats
    main()
