"""Ablation of the objectives of pretraining: the recipe without each of them, and with all.

Short runs of the recipe from random weights, with the same seed and number of images. Only skin
conductance and pulse are used, so that each kind of image is frequent enough. Recordings in
SKLEARN_BIOMOE_DATA are mixed in. Evaluation under leave-one-subject-out on subjects 2 to 18 of
Stress-Predict: logistic regression of stress on frozen embeddings (transitions protocol), and ridge
regression of heart rate and of the number of skin conductance responses. Interrupted runs resume.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

import environment
import numpy as np
import pandas as pd
from open_weights import heart_rate, n_responses, probe
from representations import CHOOSING, read_choosing

from sklearn_biomoe._files import replace_file
from sklearn_biomoe.pretraining.objectives import OBJECTIVES
from sklearn_biomoe.pretraining.real_recordings import read_recordings
from sklearn_biomoe.pretraining.recipe import Recipe
from sklearn_biomoe.pretraining.training_run import TrainingRun
from sklearn_biomoe.weights import convert, weights_sha256

RESULTS = Path(__file__).parent / "results"
IMAGES = {"eda": ["waveform", "scalogram"], "bvp": ["spectrogram_psd", "scalogram"]}
PROBES = [
    ("bvp", "heart_rate", "1/min", heart_rate),
    ("eda", "responses", "in 60 s", n_responses),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("ablation_results"))
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # untrained weights, value ranges, neurokit2
    runs = given.folder / f"{given.images}_images"
    weights = {"untrained": Path("random")}
    rows = [
        {"objectives": "untrained"}
        | evaluate_once(given.folder / "untrained", weights["untrained"])
    ]
    for left_out in (None, *OBJECTIVES):
        name = "all four" if left_out is None else f"without {left_out}"
        folder = runs / name.replace(" ", "_")
        weights[name] = train(folder, left_out, given.images)
        rows.append({"objectives": name} | evaluate_once(folder, weights[name]))
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.to_csv(given.output / "ablations.csv", index=False)
    environment.write(
        given.output / "ablations.json",
        recipe=f"{given.images} images of {' and '.join(IMAGES)} from random weights, seed "
        "0, otherwise as in sklearn_biomoe.pretraining",
        data=f"Stress-Predict, transitions, subjects {CHOOSING[0]} to {CHOOSING[-1]}; "
        f"images {IMAGES}, concatenated",
        scores="balanced accuracy (stress), and mean absolute error (heart rate in 1/min, skin "
        "conductance responses in 60 s), mean and standard deviation over held-out subjects; the "
        "earlier window of each of their pairs is the baseline of the later one, and no other data "
        "of them are used",
        weights_sha256={
            name: weights_sha256(str(path)) for name, path in weights.items() if path.is_file()
        },
    )


def train(folder: Path, left_out: str | None, n_images: int) -> Path:
    """Run the recipe, or resume it."""
    done = folder / "weights.safetensors"
    if not done.exists():
        objectives = tuple(name for name in OBJECTIVES if name != left_out)
        recordings = read_recordings(Path(os.environ["SKLEARN_BIOMOE_DATA"]))
        recipe = Recipe(n_images, objectives=objectives, modalities=tuple(IMAGES))
        training = TrainingRun(recipe, folder, recordings)
        training.run()
        convert(training.checkpoint, done, "float16")
        print(f"{folder}: {training.seconds:.0f} s", flush=True)
    return done


def evaluate_once(folder: Path, weights: Path) -> dict[str, float]:
    """Evaluate embeddings with these weights, or read the stored scores."""
    path = folder / "scores.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(evaluate(weights)).encode())
    return json.loads(path.read_text())


def evaluate(weights: Path) -> dict[str, float]:
    """Evaluate embeddings with these weights."""
    choosing = read_choosing()
    features = {
        (modality, name): choosing.embed(modality, str(weights), representations=[name])
        for modality, names in IMAGES.items()
        for name in names
    }
    row = {}
    for modality in (*IMAGES, "both"):
        values = [each for (m, _), each in features.items() if modality in (m, "both")]
        scores = choosing.score(np.hstack(values))
        row[modality], row[f"{modality}_sd"] = scores.mean().round(4), scores.std().round(4)
    for modality, quantity, unit, find in PROBES:
        rate = choosing.sampling_rates[modality]
        truth = np.array(
            [find(np.asarray(each, float), rate) for each in choosing.signals[modality]]
        )
        values = np.hstack([features[modality, name] for name in IMAGES[modality]])
        found = probe(quantity, unit, str(weights), values, truth, choosing.owners)
        row[f"{quantity}_error"], row[f"{quantity}_sd"] = found["mean_absolute_error"], found["sd"]
    return row


if __name__ == "__main__":
    main()
