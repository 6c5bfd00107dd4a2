"""Scores with a missing sensor: pulse is deleted from an increasing share of windows.

Blood volume pulse is deleted, because skin conductance alone scores lower. Data: simulated signals,
and subjects 2 to 18 of Stress-Predict (transitions; pulse is missing in a pair if it is missing in
either window). Untrained backbone, leave-one-subject-out, five random deletions. Writes a table, a
figure and the environment.
"""

import warnings
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from comparison import CLASSIFIER
from matplotlib.figure import Figure
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from stress_predict import seed_of_random_weights

from sklearn_biomoe import TinyBioMoEEmbedder, make_multimodal_embedder
from sklearn_biomoe.datasets import fetch_stress_predict, make_biosignal_windows
from sklearn_biomoe.evaluation import run_study
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier
from sklearn_biomoe.weights import weights_sha256

RESULTS = Path(__file__).parent / "results" / "missing_sensors"
SHARES = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9]
SEEDS = range(5)
IMAGES = {"eda": ["waveform"], "bvp": ["spectrogram_psd"]}
EDA, BVP, BOTH, MISSING = slice(0, 192), slice(192, 384), slice(0, 384), [384]
METHODS = {
    "early": make_pipeline(
        # as in make_multimodal_embedder(impute=True)
        ColumnTransformer(
            [("impute", SimpleImputer(), BOTH), ("indicator", "passthrough", MISSING)]
        ),
        *CLASSIFIER,
    ),
    "additive": make_pipeline(
        ColumnTransformer([("both", "passthrough", BOTH)]), AdditiveFusion(), *CLASSIFIER
    ),
    "late, mean": LateFusionClassifier([("eda", CLASSIFIER, EDA), ("bvp", CLASSIFIER, BVP)]),
    "late, weighted": LateFusionClassifier(
        [("eda", CLASSIFIER, EDA), ("bvp", CLASSIFIER, BVP)], fusion="weighted"
    ),
    "eda alone": make_pipeline(ColumnTransformer([("eda", "passthrough", EDA)]), *CLASSIFIER),
}


def main() -> None:
    warnings.simplefilter("ignore")  # untrained weights, electrodes without contact
    rows = []
    for source, (embeddings, pairs, target, groups) in {
        "simulated signals": simulated(),
        "Stress-Predict, subjects 2 to 18": stress_predict(),
    }.items():
        for share in SHARES:
            for seed in SEEDS if share else [0]:
                deleted = np.random.default_rng(seed).random(len(embeddings)) < share
                X = embeddings.copy()
                X[deleted, BVP] = np.nan
                if pairs is not None:
                    X = X[pairs[:, 1]] - X[pairs[:, 0]]
                X = np.column_stack([X, np.isnan(X[:, -1])])
                study = run_study(METHODS, X, target, groups, n_jobs=2)
                rows += [
                    {"source": source, "share": share, "seed": seed, "method": name, "score": score}
                    for name, score in study.scores.groupby("method")["balanced_accuracy"]
                    .mean()
                    .items()
                ]
            print(source, share, flush=True)
    table = pd.DataFrame(rows)
    columns = ["source", "share", "method"]
    table = table.groupby(columns)["score"].agg(["mean", "min", "max"]).reset_index()
    table.round(6).to_csv(RESULTS.with_suffix(".csv"), index=False)
    plot(table)
    environment.write(
        RESULTS.with_suffix(".json"),
        scores="mean over held-out subjects of balanced accuracy; mean, minimum and maximum over "
        "five random deletions",
        weights="random",
        weights_sha256=weights_sha256("random", seed_of_random_weights()),
    )


def simulated():
    windows = make_biosignal_windows(12, 20, modalities=list(IMAGES), random_state=0)
    return embed(windows), None, windows.target, windows.groups


def stress_predict():
    windows = fetch_stress_predict(protocol="transitions")
    chosen = np.isin(windows.groups, range(2, 19))
    pairs = windows.pairs[chosen]
    used = np.unique(pairs)
    windows.data = windows.data.iloc[used]
    return (
        embed(windows), np.searchsorted(used, pairs), windows.target[chosen], windows.groups[chosen]
    )  # fmt: skip


def embed(windows) -> np.ndarray:
    embedder = make_multimodal_embedder(
        windows.sampling_rates, representations=IMAGES, embedder=TinyBioMoEEmbedder("random")
    )
    # in the order of IMAGES
    embedder.transformers.sort(key=lambda branch: list(IMAGES).index(branch[0]))
    return np.asarray(embedder.fit_transform(windows.data), dtype=np.float64)


def plot(table: pd.DataFrame) -> None:
    figure = Figure(figsize=(9, 4), layout="constrained")
    sources = list(table["source"].unique())
    for axis, source in zip(figure.subplots(1, len(sources), sharey=True), sources, strict=True):
        for method in METHODS:
            own = table[(table["source"] == source) & (table["method"] == method)]
            style = {"color": "0.5", "linestyle": "--"} if method == "eda alone" else {}
            (line,) = axis.plot(100 * own["share"], own["mean"], marker=".", label=method, **style)
            axis.fill_between(
                100 * own["share"], own["min"], own["max"], alpha=0.15, color=line.get_color()
            )
        axis.axhline(0.5, color="0.7", linewidth=0.8)
        axis.set_title(source, fontsize="medium")
        axis.set_xlabel("windows without pulse (%)")
    figure.axes[0].set_ylabel("balanced accuracy, mean over subjects")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(RESULTS.with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main()
