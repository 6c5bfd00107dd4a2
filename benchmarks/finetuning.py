"""Fine-tuning: frozen backbone, last stages or all of it, evaluated on held-out subjects.

Stress-Predict under the grid protocol, one modality and representation, leave-one-subject-out. In
each fold, a fifth of the training subjects is used for early stopping. The transitions protocol
does not apply, because its rows are pairs of windows. Every fold and every epoch is stored in a
folder, so that interrupted runs resume. On a CPU, `--folds`, `--windows-per-subject` and
`--max-epochs` limit the time; the result records them.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import environment
import numpy as np
import pandas as pd
from comparison import CLASSIFIER
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe._files import replace_file
from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.weights import weights_sha256

HELD_OUT = 0.2  # share of a fold's training subjects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modality", choices=["eda", "bvp"], default="bvp")
    parser.add_argument("--representation", default="scalogram")
    parser.add_argument("--weights", default="open")
    parser.add_argument("--methods", nargs="+", default=list(make_methods(None)))
    parser.add_argument("--folds", type=int, help="number of held-out subjects; default: all")
    parser.add_argument(
        "--windows-per-subject", type=int, help="training windows, evenly spaced; default: all"
    )
    parser.add_argument("--max-epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--folder", type=Path, default=Path("finetuning_results"))
    parser.add_argument("--output", type=Path, default=Path("finetuning_results/finetuning.csv"))
    run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    windows = fetch_stress_predict(protocol="grid")
    y, groups = windows.target, windows.groups
    rows = select_rows(y, groups, arguments.windows_per_subject)
    to_images = BiosignalImageTransformer(
        [arguments.representation],
        sampling_rate=windows.sampling_rates[arguments.modality],
        modality=arguments.modality,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
        images = to_images.fit_transform(windows.data[arguments.modality])
    settings = {name: str(each) for name, each in sorted(vars(arguments).items())}
    for name in ("folds", "folder", "output", "methods"):  # do not affect a fold
        del settings[name]
    subjects = np.unique(groups)[: arguments.folds]
    methods = make_methods(arguments)
    outcomes = [
        one_fold(name, methods[name], images, y, groups, subject, rows, arguments.folder, settings)
        for subject in subjects
        for name in arguments.methods
    ]
    table = summarise(pd.DataFrame(outcomes), arguments.methods)
    print(table.to_string(index=False))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.output, index=False)
    environment.write(
        arguments.output.with_suffix(".json"),
        data="Stress-Predict, protocol 'grid': elapsed time alone scores higher than any signal",
        scores="balanced accuracy per held-out subject: mean and standard deviation",
        folds=f"{len(subjects)} of {len(np.unique(groups))} subjects held out: {subjects.tolist()}",
        n_windows=f"{len(rows)} of {len(y)}; each fold trains on those of the other subjects "
        "and tests on all windows of its subject",
        seconds="of fitting, in the last run of each fold; folds share the embeddings of the "
        "frozen backbone, which are computed in the first one",
        held_out_for_early_stopping=f"{HELD_OUT:.0%} of each fold's training subjects",
        weights_sha256=weights_sha256(arguments.weights),
        **settings,
    )


def select_rows(y: np.ndarray, groups: np.ndarray, n_each: int | None) -> np.ndarray:
    """Return the rows of evenly spaced windows of each subject, with its share of both classes."""
    if n_each is None:
        return np.arange(len(groups))
    parts = []
    for subject in np.unique(groups):
        for label in np.unique(y):
            own = np.flatnonzero((groups == subject) & (y == label))
            n_selected = max(1, round(n_each * len(own) / np.sum(groups == subject)))
            spaced = np.linspace(0, len(own) - 1, min(n_selected, len(own)))
            parts.append(own[spaced.round().astype(int)])
    return np.sort(np.concatenate(parts))


def make_methods(arguments: argparse.Namespace | None) -> dict[str, Any]:
    """Return the compared methods."""
    options = arguments or argparse.Namespace(
        weights="open", folder=Path(), max_epochs=1, batch_size=1, device="cpu", precision="float32"
    )
    frozen = {"weights": options.weights, "device": options.device}
    cached = {**frozen, "cache": options.folder / "rows.sqlite"}
    tuned = {
        **frozen,
        "checkpoint": options.folder / "checkpoints",
        "validation": HELD_OUT,
        "max_epochs": options.max_epochs,
        "patience": 3,
        "batch_size": options.batch_size,
        "class_weight": "balanced",
    }
    trained = {**tuned, "precision": options.precision, "progress": True}
    return {
        "frozen, logistic regression": make_pipeline(TinyBioMoEEmbedder(**cached), *CLASSIFIER),
        "frozen, head": TinyBioMoEClassifier(**(tuned | cached)),
        "last stages": TinyBioMoEClassifier("last_stages", **trained),
        "all": TinyBioMoEClassifier("all", **trained),
    }


def one_fold(
    name: str,
    method: Any,
    images: Any,
    y: np.ndarray,
    groups: np.ndarray,
    subject: Any,
    rows: np.ndarray,
    folder: Path,
    settings: dict[str, str],
) -> dict[str, Any]:
    """Train on rows of the other subjects and test on one, or read the stored result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace(', ', '_').replace(' ', '_')}_{subject}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        if stored.get("settings") != settings:
            raise SystemExit(
                f"{path} has other settings: {stored.get('settings')}; pass another --folder."
            )
        return stored
    training, test = rows[groups[rows] != subject], np.flatnonzero(groups == subject)
    fit_parameters = {} if isinstance(method, Pipeline) else {"groups": groups[training]}
    started = time.perf_counter()
    fitted = clone(method).fit(images[training], y[training], **fit_parameters)
    seconds = time.perf_counter() - started
    outcome = {
        "method": name,
        "subject": int(subject),
        "score": balanced_accuracy_score(y[test], fitted.predict(images[test])),
        "seconds": round(seconds, 1),  # of the last run only
        "epochs": getattr(fitted, "n_epochs_", 0),
        "settings": settings,
    }
    replace_file(path, json.dumps(outcome).encode())
    print(f"{name}, subject {subject}: {outcome['score']:.3f} in {seconds:.0f} s", flush=True)
    return outcome


def summarise(outcomes: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    rows = []
    for name in methods:
        own = outcomes[outcomes["method"] == name]
        rows.append(
            {
                "method": name,
                "n_folds": len(own),
                "mean": round(own["score"].mean(), 4),
                "sd_over_subjects": round(own["score"].std(ddof=0), 4),
                "seconds_per_fold": round(own["seconds"].mean(), 1),
                "epochs_per_fold": round(own["epochs"].mean(), 1),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
