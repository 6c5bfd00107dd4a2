"""Comparison of candidate weights on the subjects that are used for decisions.

Logistic regression on frozen embeddings: Stress-Predict, transitions protocol, subjects 2 to 18,
leave-one-subject-out, for each representation and for all of them concatenated. Embeddings are
stored in a folder, so that interrupted runs resume.

    python benchmarks/candidates.py first=run/weights.safetensors second=other/weights.safetensors
"""

import argparse
import warnings
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from comparison import REPRESENTATIONS
from representations import CHOOSING, read_choosing

from sklearn_biomoe.weights import weights_sha256

RESULTS = Path(__file__).parent / "results"
MODALITIES = {"eda": ["eda"], "bvp": ["bvp"], "both": ["eda", "bvp"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("candidates", nargs="+", metavar="NAME=WEIGHTS")
    parser.add_argument("--folder", type=Path, default=Path("candidates_results"))
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")  # electrodes without contact
    paths = dict(candidate.split("=", 1) for candidate in given.candidates)
    table = pd.DataFrame(
        [row for name, path in paths.items() for row in evaluate(name, path, given.folder)]
    )
    print(table.to_string(index=False))
    table.to_csv(RESULTS / "candidates.csv", index=False)
    environment.write(
        RESULTS / "candidates.json",
        data=f"Stress-Predict, transitions, subjects {CHOOSING[0]} to {CHOOSING[-1]}",
        scores="balanced accuracy, mean and standard deviation over held-out subjects; the earlier "
        "window of each pair is the baseline of the later one, no other data of them are used",
        weights_sha256={name: weights_sha256(path) for name, path in paths.items()},
    )


def evaluate(name: str, weights: str, folder: Path) -> list[dict]:
    choosing = read_choosing()
    features = {
        (modality, representation): embed(name, weights, modality, representation, folder)
        for modality in ("eda", "bvp")
        for representation in REPRESENTATIONS
    }
    parts = {each: [each] for each in REPRESENTATIONS} | {"all representations": REPRESENTATIONS}
    rows = []
    for representation, names in parts.items():
        row = {"weights": name, "images": representation}
        for label, modalities in MODALITIES.items():
            scores = choosing.score(np.hstack([features[m, n] for m in modalities for n in names]))
            row[label], row[f"{label}_sd"] = scores.mean().round(4), scores.std().round(4)
        rows.append(row)
    return rows


def embed(name: str, weights: str, modality: str, representation: str, folder: Path) -> np.ndarray:
    path = folder / f"{name}_{modality}_{representation}.npy"
    if not path.exists():
        values = read_choosing().embed(modality, weights, representations=[representation])
        np.save(path, values)
    return np.load(path)


if __name__ == "__main__":
    main()
