"""Methods of the benchmarks: embeddings, their fusions, and other features.

Features are computed once per window and stored in a folder, so that interrupted runs resume. None
of them uses labels; MiniRocket's biases are quantiles of the unlabelled windows. Methods are
classifiers that select columns of one table of features.
"""

import importlib.metadata
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environment
import numpy as np
import pandas as pd
from demo import statistics
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import TinyBioMoEEmbedder, UntrainedBackboneWarning, make_biosignal_embedder
from sklearn_biomoe.evaluation import Study
from sklearn_biomoe.evaluation.comparisons import compare_pairs
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier

REPRESENTATIONS = ["waveform", "spectrogram_psd", "scalogram", "gadf", "composite"]
UNTRAINED = "untrained "  # prefix of representations that are embedded with random weights
CLASSIFIER = make_pipeline(
    StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
)
MINIROCKET_KERNELS = 924  # per modality


@dataclass(frozen=True)
class Features:
    """Features of every window, and the time to compute them."""

    values: np.ndarray  # (n_windows, n_features)
    seconds: float


def compute_features(
    signals: dict[str, np.ndarray],
    sampling_rates: dict[str, float],
    folder: Path,
    weights: str,
    *,
    precision: str,
    untrained: bool,
) -> dict[tuple[str, str], Features]:
    """Compute features per kind and modality, or read them from the folder.

    Parameters
    ----------
    signals : dict of str to ndarray of shape (n_windows, n_channels, n_times)
    sampling_rates : dict of str to float
    folder : Path
    weights : str
        Weights of the backbone.
    precision : str
        Of the backbone.
    untrained : bool
        Whether to add features of random weights.
    """
    backbones = {"": weights} | ({UNTRAINED: "random"} if untrained and weights != "random" else {})
    folder.mkdir(parents=True, exist_ok=True)
    features = {}
    for modality, windows in signals.items():
        kinds: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            prefix + name: embedding_of(
                modality, sampling_rates[modality], name, each, folder, precision
            )
            for prefix, each in backbones.items()
            for name in REPRESENTATIONS
        }
        kinds |= {
            "statistics": statistics_of_channels,
            "catch22": catch22,
            "MiniRocket": minirocket,
        }
        for kind, compute in kinds.items():
            path = folder / f"{modality}_{kind}.npz"
            if not path.exists():
                started = time.perf_counter()
                values = compute(windows)
                seconds = time.perf_counter() - started
                incomplete = path.with_suffix(".part.npz")
                np.savez(incomplete, values=values, seconds=seconds)
                incomplete.rename(path)
                print(f"{modality} {kind}: {values.shape} in {seconds:.0f} s", flush=True)
            with np.load(path) as stored:
                features[kind, modality] = Features(stored["values"], float(stored["seconds"]))
    return features


def embedding_of(
    modality: str,
    rate: float,
    representation: str,
    weights: str,
    folder: Path | None,
    precision: str = "float32",
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that embeds windows, with a cache in the folder."""
    cache = None if folder is None else folder / "rows.sqlite"
    embedder = TinyBioMoEEmbedder(weights, precision=precision, cache=cache, progress=True)
    embed = make_biosignal_embedder(
        modality, rate, representations=[representation], embedder=embedder
    )

    def compute(windows: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UntrainedBackboneWarning)  # stated in the results
            warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
            return embed.fit_transform(windows)

    return compute


def statistics_of_channels(windows: np.ndarray) -> np.ndarray:
    return np.array([np.concatenate([statistics(channel) for channel in w]) for w in windows])


def catch22(windows: np.ndarray) -> np.ndarray:
    """Return the features of Lubba et al. 2019 of every channel, computed by aeon.

    On subjects 2 to 18 they score higher than those of the C library with standardised windows.
    """
    from aeon.transformations.collection.feature_based import Catch22

    describe = Catch22(replace_nans=True, n_jobs=-1)
    return np.asarray(describe.fit_transform(windows))


def minirocket(windows: np.ndarray) -> np.ndarray:
    from aeon.transformations.collection.convolution_based import MiniRocket

    transform = MiniRocket(n_kernels=MINIROCKET_KERNELS, random_state=0, n_jobs=-1)
    return np.asarray(transform.fit_transform(windows.astype(np.float32)))


@dataclass
class Table:
    """One table of features, and the columns of each kind and modality."""

    values: np.ndarray
    columns: dict[tuple[str, str], slice]

    @classmethod
    def of(cls, features: dict[tuple[str, str], np.ndarray]) -> "Table":
        ends = np.cumsum([0, *(values.shape[1] for values in features.values())]).tolist()
        columns = {
            key: slice(start, stop)
            for key, start, stop in zip(features, ends[:-1], ends[1:], strict=True)
        }
        return cls(np.hstack(list(features.values()), dtype=np.float64), columns)

    def select(self, *keys: tuple[str, str]) -> ColumnTransformer:
        parts = [(f"{kind} {modality}", "passthrough", self.columns[kind, modality])
                 for kind, modality in keys]  # fmt: skip
        return ColumnTransformer(parts)

    def early(self, *keys: tuple[str, str]) -> Pipeline:
        return make_pipeline(self.select(*keys), *CLASSIFIER)

    def additive(self, *keys: tuple[str, str]) -> Pipeline:
        return make_pipeline(self.select(*keys), AdditiveFusion(), *CLASSIFIER)

    def late(self, *keys: tuple[str, str], **parameters: Any) -> LateFusionClassifier:
        branches = [
            (f"{kind} {modality}", CLASSIFIER, self.columns[kind, modality])
            for kind, modality in keys
        ]
        return LateFusionClassifier(branches, **parameters)


FUSIONS = ["early", "additive", "late, mean", "late, weighted", "late, stacking"]


def make_methods(table: Table, modalities: list[str]) -> dict[str, Any]:
    """Make the methods: embeddings per modality and fusion, untrained embeddings, other features.

    The untrained network is not evaluated with late fusion, because its inner folds take most of
    the time.
    """
    methods: dict[str, Any] = {}
    final = LogisticRegression(class_weight="balanced")
    for name in REPRESENTATIONS:
        keys = [(name, modality) for modality in modalities]
        methods |= {f"{name}, {modality}": table.early((name, modality)) for modality in modalities}
        methods |= {
            f"{name}, early": table.early(*keys),
            f"{name}, additive": table.additive(*keys),
            f"{name}, late, mean": table.late(*keys),
            f"{name}, late, weighted": table.late(*keys, fusion="weighted"),
            f"{name}, late, stacking": table.late(*keys, fusion="stacking", final_estimator=final),
        }
    everything = [(name, modality) for name in REPRESENTATIONS for modality in modalities]
    methods["all representations, early"] = table.early(*everything)
    methods["all representations, additive"] = table.additive(*everything)
    methods["all representations, late, mean"] = table.late(*everything)
    for modality in modalities:
        keys = [(name, modality) for name in REPRESENTATIONS]
        methods[f"all representations, {modality}"] = table.early(*keys)
    if any(kind.startswith(UNTRAINED) for kind, _ in table.columns):
        methods |= make_untrained(table, modalities)
    for kind in ("statistics", "catch22", "MiniRocket"):
        keys = [(kind, modality) for modality in modalities]
        methods |= {f"{kind}, {modality}": table.early((kind, modality)) for modality in modalities}
        methods[f"{kind}, early"] = table.early(*keys)
    for kind in ("statistics", "catch22"):
        keys = [(kind, modality) for modality in modalities]
        methods[f"all representations + {kind}, early"] = table.early(*everything, *keys)
        methods[f"all representations + {kind}, late, mean"] = table.late(*everything, *keys)
    return methods


def make_untrained(table: Table, modalities: list[str]) -> dict[str, Any]:
    """Make the methods of the untrained network: per modality, and concatenated."""
    methods: dict[str, Any] = {}
    for name in [*REPRESENTATIONS, "all representations"]:
        parts = REPRESENTATIONS if name == "all representations" else [name]
        for label, chosen in [*((each, [each]) for each in modalities), ("early", modalities)]:
            keys = [(UNTRAINED + part, modality) for part in parts for modality in chosen]
            methods[f"{UNTRAINED}{name}, {label}"] = table.early(*keys)
    return methods


def planned_pairs(modalities: list[str]) -> list[tuple[str, str]]:
    """Return the planned comparisons: with untrained weights, other fusions and other features."""
    pairs = [("all representations, early", f"{peer}, early")
             for peer in ("statistics", "catch22", "MiniRocket")]  # fmt: skip
    pairs += [("all representations, early", f"all representations, {fusion}")
              for fusion in ("additive", "late, mean")]  # fmt: skip
    for kind in ("statistics", "catch22"):
        joined = f"all representations + {kind}, early"
        pairs += [(joined, "all representations, early"), (joined, f"{kind}, early")]
    pairs += [(f"all representations, {each}", f"{UNTRAINED}all representations, {each}")
              for each in [*modalities, "early"]]  # fmt: skip
    return pairs


def compare(stem: Path, modalities: list[str]) -> None:
    """Write the planned comparisons, from the scores per subject."""
    scores = pd.read_csv(f"{stem}_subjects.csv", index_col="method").T
    pairs = [pair for pair in planned_pairs(modalities) if set(scores).issuperset(pair)]
    comparisons = compare_pairs(scores, pairs, 0, cross_validated=True, by_other=False)
    print(comparisons.round(4).to_string(index=False))
    comparisons.round(6).to_csv(f"{stem}_comparisons.csv", index=False)


def save(
    study: Study, features: dict[tuple[str, str], Features], stem: Path, **details: Any
) -> None:
    """Write the table of a study, the scores per subject, the comparisons and the environment."""
    summary = study.summary()
    scores = summary[["mean", "sd", "low", "high", "p_value", "macro_f1", "roc_auc", "seconds"]]
    print(scores.round(3).to_string())
    scores.round(6).to_csv(stem.with_suffix(".csv"))
    by_subject = study.scores.pivot_table("balanced_accuracy", "method", "subject", sort=False)
    by_subject.round(4).to_csv(f"{stem}_subjects.csv")
    compare(stem, list(dict.fromkeys(modality for _, modality in features)))
    computed = {f"{kind}, {modality}": each for (kind, modality), each in features.items()}
    environment.write(
        stem.with_suffix(".json"),
        **details,
        aeon=importlib.metadata.version("aeon"),
        scores="balanced accuracy under leave-one-subject-out: mean, standard deviation over "
        "subjects, and 95 % t interval of the mean over subjects",
        n_subjects=int(summary["n_subjects"].iloc[0]),
        windows_described={name: len(each.values) for name, each in computed.items()},
        seconds_to_describe_them={name: round(each.seconds, 1) for name, each in computed.items()},
        seconds_of_study=round(float(sum(study.seconds.values())), 1),
        alarms=[str(alarm) for alarm in study.alarms],
    )
