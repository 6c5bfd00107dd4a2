"""Attention pooling over the tiles of a window, compared with logistic regression.

Stress-Predict, transitions protocol, leave-one-subject-out, as in benchmarks/stress_predict.py. A
minute of each signal is drawn as one image and as six tiles of ten seconds, and embedded by frozen
weights. The features are the embeddings of the later window minus those of the earlier one, tile by
tile. Compared are logistic regression on the image of the whole window, on concatenated tiles, on
their mean, and on single tiles with voting; and attention pooling. Embeddings and folds are stored
in a folder, so that interrupted runs resume.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import environment
import numpy as np
from comparison import CLASSIFIER
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from stress_predict import seed_of_random_weights

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.evaluation import LeakWarning, run_study
from sklearn_biomoe.trials import AttentionMILClassifier, TrialAggregator, WindowVotingClassifier
from sklearn_biomoe.weights import weights_sha256

IMAGES = [("eda", "waveform"), ("bvp", "waveform"), ("bvp", "scalogram")]
SECONDS, TILE = 60, 10.0
N_TILES = round(SECONDS / TILE)
EMBEDDING = 192
WHOLE, SIDE_BY_SIDE = "whole window, logistic", "tiles side by side, logistic"
MEAN, VOTE, ATTENTION = "mean of tiles, logistic", "tiles vote, logistic", "attention over tiles"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="open")
    parser.add_argument("--subjects", nargs="+", type=int, help="default: all")
    parser.add_argument("--folder", type=Path, default=Path("tiles_results"))
    parser.add_argument("--output", type=Path, default=Path("tiles_results"))
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.folder / arguments.weights.replace("/", "_")
    for path in (folder, arguments.output):
        path.mkdir(parents=True, exist_ok=True)
    windows = fetch_stress_predict(protocol="transitions")
    rows = np.arange(len(windows.groups))
    if arguments.subjects:
        rows = np.flatnonzero(np.isin(windows.groups, arguments.subjects))
    pairs, starts = windows.pairs[rows], windows.elapsed_time
    used, positions = np.unique(pairs, return_inverse=True)
    earlier, later = positions.reshape(pairs.shape).T
    part = "_".join(map(str, arguments.subjects or ["all"]))
    embedder = TinyBioMoEEmbedder(
        arguments.weights,
        precision=arguments.precision,
        cache=folder / "rows.sqlite",
        progress=True,
    )
    values, seconds = embed(windows, used, folder, embedder, part)
    table, methods = make_methods(
        {key: each[later] - each[earlier] for key, each in values.items()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakWarning)  # the results contain the alarms
        study = run_study(
            methods,
            table,
            np.array(["rest", "stress"])[windows.target[rows]],
            windows.groups[rows],
            intervals=np.column_stack([starts[pairs[:, 0]], starts[pairs[:, 1]] + SECONDS]),
            folder=folder / f"study_{part}",
            n_jobs=arguments.jobs,
            progress=True,
        )
    save(study, arguments, seconds, n_pairs=len(rows))


def embed(
    windows: Any, used: np.ndarray, folder: Path, embedder: TinyBioMoEEmbedder, part: str
) -> tuple[dict[tuple[str, str, bool], np.ndarray], dict[str, float]]:
    """Embed windows and tiles, or read embeddings from the folder; return them and the seconds."""
    values, seconds = {}, {}
    for modality, representation in IMAGES:
        for tiled in (False, True):
            name = f"{modality} {representation}, {'tiles' if tiled else 'whole'}"
            path = folder / f"{name.replace(', ', '_')}_{part}.npz"
            if not path.exists():
                pipeline = make_biosignal_embedder(
                    modality,
                    windows.sampling_rates[modality],
                    representations=[representation],
                    embedder=embedder,
                ).set_params(image__tile_length=TILE if tiled else None)
                started = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
                    embeddings = pipeline.fit_transform(windows.data[modality].iloc[used])
                took = time.perf_counter() - started
                incomplete = path.with_suffix(".part.npz")
                np.savez(incomplete, values=embeddings, seconds=took)
                incomplete.rename(path)
                print(f"{name}: {embeddings.shape} in {took:.0f} s", flush=True)
            with np.load(path) as stored:
                values[modality, representation, tiled] = stored["values"]
                seconds[name] = float(stored["seconds"])
    return values, seconds


def make_methods(
    values: dict[tuple[str, str, bool], np.ndarray],
) -> tuple[np.ndarray, dict[str, Any]]:
    """Make the table, and the methods for each image and for all images.

    For all images, a tile is the concatenated embeddings of the same ten seconds.
    """
    whole = [values[*image, False] for image in IMAGES]
    tiles = [values[*image, True].reshape(-1, N_TILES, EMBEDDING) for image in IMAGES]
    sets = {f"{modality} {name}": [at] for at, (modality, name) in enumerate(IMAGES)}
    sets["all"] = list(range(len(IMAGES)))
    parts, methods, start = [], {}, 0
    for label, chosen in sets.items():
        size = EMBEDDING * len(chosen)
        together = np.concatenate([tiles[at] for at in chosen], axis=2)  # (n_pairs, tiles, size)
        parts += [whole[at] for at in chosen] + [together.reshape(len(together), -1)]
        own, of_tiles = take(start, start + size), take(start + size, start + size * (1 + N_TILES))
        start += size * (1 + N_TILES)
        attention = AttentionMILClassifier(class_weight="balanced", window_size=size)
        methods |= {
            f"{label}, {WHOLE}": make_pipeline(own, CLASSIFIER),
            f"{label}, {SIDE_BY_SIDE}": make_pipeline(of_tiles, CLASSIFIER),
            f"{label}, {MEAN}": make_pipeline(
                of_tiles, TrialAggregator(window_size=size), CLASSIFIER
            ),
            f"{label}, {VOTE}": make_pipeline(
                of_tiles, WindowVotingClassifier(CLASSIFIER, window_size=size)
            ),
            f"{label}, {ATTENTION}": make_pipeline(of_tiles, attention),
        }
    return np.hstack(parts).astype(np.float64), methods


def take(start: int, stop: int) -> FunctionTransformer:
    return FunctionTransformer(columns, kw_args={"start": start, "stop": stop})


def columns(X: np.ndarray, start: int, stop: int) -> np.ndarray:
    return X[:, start:stop]


def save(
    study: Any, arguments: argparse.Namespace, seconds: dict[str, float], n_pairs: int
) -> None:
    summary = study.summary()
    scores = summary[["mean", "sd", "low", "high", "p_value", "macro_f1", "roc_auc", "seconds"]]
    print(scores.round(3).to_string())
    stem = arguments.output / "tiles"
    scores.round(6).to_csv(stem.with_suffix(".csv"))
    labels = [f"{modality} {name}" for modality, name in IMAGES] + ["all"]
    others = [WHOLE, SIDE_BY_SIDE, MEAN]
    pairs = [(f"{each}, {ATTENTION}", f"{each}, {other}") for each in labels for other in others]
    comparisons = study.comparisons(pairs)
    print(comparisons.round(4).to_string(index=False))
    comparisons.round(6).to_csv(f"{stem}_comparisons.csv", index=False)
    environment.write(
        stem.with_suffix(".json"),
        data=f"Stress-Predict, subjects {arguments.subjects or '2 to 35'}, protocol 'transitions'",
        test_subject="the earlier window of each pair, as the baseline of the later one; no labels",
        scores="balanced accuracy under leave-one-subject-out: mean, standard deviation over "
        "subjects, and 95 % t interval of the mean over subjects",
        n_subjects=int(summary["n_subjects"].iloc[0]),
        n_pairs=n_pairs,
        tile_seconds=TILE,
        precision=arguments.precision,
        weights=arguments.weights,
        weights_sha256=weights_sha256(arguments.weights, seed_of_random_weights()),
        seconds_to_embed={k: round(s, 1) for k, s in seconds.items()},
        seconds_of_study=round(float(sum(study.seconds.values())), 1),
        alarms=[str(alarm) for alarm in study.alarms],
    )


if __name__ == "__main__":
    main()
