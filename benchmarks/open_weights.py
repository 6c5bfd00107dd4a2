"""Scores with few labelled subjects, and the effect of storing the open weights in 16 bits.

Few labels: stress or rest in Stress-Predict, transitions protocol, trained on few subjects and
tested on all others, from the features that `stress_predict.py` stored in its folder, so run it
first. Storage: matrices are stored in float16, vectors in float32. The float32 weights of the run
are not published, so possible originals are drawn: the stored value of each matrix, changed by less
than half of the distance to the next number in float16.
"""

import argparse
import tempfile
from pathlib import Path

import comparison
import environment
import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.metrics import recall_score

from sklearn_biomoe.datasets import fetch_stress_predict
from sklearn_biomoe.weights import weights_sha256
from sklearn_biomoe.weights.named_weights import find_weights

RESULTS = Path(__file__).parent / "results"
N_SUBJECTS, N_DRAWS = (2, 4, 8, 16), 20
N_ORIGINALS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("stress_predict_results"))
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    folder = given.folder / "open" / "transitions"
    windows = fetch_stress_predict(protocol="transitions")
    few_labels(windows, folder).to_csv(given.output / "few_labels.csv", index=False)
    environment.write(
        given.output / "open_weights.json",
        few_labels="Stress-Predict, transitions: balanced accuracy over all subjects that were not "
        f"drawn for training, mean and standard deviation over {N_DRAWS} draws",
        storage=storage(windows),
        weights="open",
        weights_sha256=weights_sha256("open"),
    )


# Storage


def storage(windows) -> dict[str, float]:
    """Compare embeddings by the packaged weights with those by possible float32 originals."""
    packaged = embed(windows, "open")
    differences, cosines = [], []
    for seed in range(N_ORIGINALS):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "original.safetensors"
            save_file(possible_original(seed), path)
            original = embed(windows, str(path))
        a, b = (values - original.mean(axis=0) for values in (packaged, original))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines.append(((a * b).sum(axis=1) / norms).min())
        differences.append(np.abs(packaged - original).max())
    return {
        "n_originals": N_ORIGINALS,
        "n_images": len(packaged),
        "largest_difference": float(max(differences)),
        "smallest_centred_cosine": float(min(cosines)),
    }


def possible_original(seed: int) -> dict[str, torch.Tensor]:
    """Return float32 weights that are rounded to the packaged ones."""
    generator = torch.Generator().manual_seed(seed)
    original = {}
    for name, tensor in load_file(find_weights("open")).items():
        if tensor.dtype == torch.float16:
            nearest = torch.full_like(tensor, torch.inf)
            step = torch.nextafter(tensor.abs(), nearest).float() - tensor.abs().float()
            moved = tensor.float() + step * (torch.rand(tensor.shape, generator=generator) - 0.5)
            tensor = torch.where(moved.half() == tensor, moved, tensor.float())
        original[name] = tensor
    return original


def embed(windows, weights: str) -> np.ndarray:
    """Embed every fortieth window of both signals by every representation."""
    return np.vstack([
        comparison.embedding_of(modality, rate, name, weights, None)(
            np.stack(windows.data[modality].iloc[::40])[:, None]
        )
        for modality, rate in windows.sampling_rates.items()
        for name in comparison.REPRESENTATIONS
    ])  # fmt: skip


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


if __name__ == "__main__":
    main()
