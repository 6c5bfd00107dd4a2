"""Accuracy of explanations on simulated windows with an event at a known time.

Half of the windows of `make_event_windows` contain an event at a random time, the only difference
between the classes. A classifier is trained on embeddings of half of the subjects, and windows with
an event of the other subjects are explained. A hit is a maximum of the importance inside the event,
in time and, for bursts, in frequency. Chance is the share of the cells of the image inside the
event. Controls:

- shuffled weights (the values of each tensor permuted), with a classifier trained on them;
- shuffled weights with the classifier of the open weights, a meaningless combination;
- open weights with classifiers of shuffled labels, with a random direction of the decision.

A method that shows the signal instead of the decision would have as many hits in the controls. A
network of shuffled weights preserves some information; if the classifier learns from it (see its
accuracy), explanations can be correct as well. A table and the environment are written to
``--output``; an interrupted run resumes.
"""

import argparse
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import environment
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.datasets import make_event_windows
from sklearn_biomoe.explanation import explain
from sklearn_biomoe.weights import load_backbone, weights_sha256

CASES = [
    ("response", "waveform"),
    ("pause", "waveform"),
    ("pause", "gasf"),
    ("burst", "spectrogram_psd"),
    ("burst", "scalogram"),
]
METHODS = ["occlusion", "gradient"]
CONTROLS = ["open weights", "shuffled weights", "shuffled weights, same classifier",
            "shuffled labels"]  # fmt: skip
N_SUBJECTS, N_WINDOWS_PER_SUBJECT = 20, 20
N_SHUFFLES = 10  # of labels; each classifier is explained on its share of the windows
SEED = 1  # of the windows; those of seed 0 were used to choose the blur of curves
KEYS = ["event", "representation", "control", "method"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--windows", type=int, default=40, help="windows to explain per case")
    parser.add_argument("--subjects", type=int, default=N_SUBJECTS)
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # gradients of meaningless models
    arguments.output.mkdir(parents=True, exist_ok=True)
    done = arguments.output / "explanation_windows.csv"
    with TemporaryDirectory() as folder:
        shuffled = shuffle_weights(Path(folder) / "shuffled.safetensors")
        for event, representation in CASES:
            run_case(event, representation, shuffled, arguments, done)
    summarise(pd.read_csv(done)).to_csv(arguments.output / "explanation.csv", index=False)
    environment.write(
        arguments.output / "explanation.json",
        pointing="share of windows with an event that have the maximum importance inside the event",
        subjects=arguments.subjects,
        weights="open",
        weights_sha256=weights_sha256("open"),
    )


def run_case(event: str, representation: str, shuffled: Path, arguments, done: Path) -> None:
    windows = make_event_windows(
        event, arguments.subjects, N_WINDOWS_PER_SUBJECT, random_state=SEED
    )
    X, y = windows.data[windows.modality], windows.target
    train = windows.groups <= arguments.subjects // 2
    rows = np.flatnonzero(~train & (y == 1))[: arguments.windows]
    embedders, embeddings = {}, {}
    for control in CONTROLS:
        todo = [m for m in METHODS if not is_done(done, event, representation, control, m)]
        if not todo:
            continue
        weights = shuffled if control.startswith("shuffled weights") else "open"
        for name in {weights, "open"}:
            if name not in embedders:
                embedders[name] = make_biosignal_embedder(
                    windows.modality,
                    windows.sampling_rates[windows.modality],
                    representations=[representation],
                    embedder=TinyBioMoEEmbedder(name, engine=arguments.engine),
                )
                embeddings[name] = np.asarray(embedders[name].fit_transform(X))
        trained_on = "open" if control.endswith("same classifier") else weights
        models, accuracies = [], []
        for labels in labels_to_learn(y[train], control):
            classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
            classifier.fit(embeddings[trained_on][train], labels)
            models.append(make_pipeline(embedders[weights], classifier))
            accuracies.append(classifier.score(embeddings[weights][~train], y[~train]))
        for method in todo:
            tables = []
            for number, model in enumerate(models):
                own = rows[number :: len(models)]
                if len(own):
                    tables.append(point(model, X.iloc[own], windows.events.iloc[own], method))
            table = pd.concat(tables).assign(
                event=event, representation=representation, control=control, method=method,
                accuracy=np.mean(accuracies),
            )  # fmt: skip
            table.to_csv(done, mode="a", header=not done.exists(), index=False)
            print(summarise(table).to_string(header=False, index=False), flush=True)


def labels_to_learn(y: np.ndarray, control: str) -> list[np.ndarray]:
    """Return the labels to train each classifier: the true ones, or several permutations."""
    if control != "shuffled labels":
        return [y]
    random = np.random.default_rng(0)
    return [random.permutation(y) for _ in range(N_SHUFFLES)]


def is_done(done: Path, *key: str) -> bool:
    if not done.exists():
        return False
    table = pd.read_csv(done, usecols=KEYS)
    return bool((table[KEYS] == list(key)).all(axis=1).any())


def point(model: Pipeline, X, events: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return for each window whether the maximum is inside the event, and the chance."""
    explanations = explain(model, X, method=method, target=1)
    rows = []
    for explanation, event in zip(explanations, events.itertuples(), strict=True):
        (image,) = explanation.images
        when = inside(image.time_edges, event.start, event.stop)
        row = {"decision": explanation.decision}
        row |= hit_and_chance("time", image.over_time, when)
        if image.frequencies is not None:
            which = inside(image.frequency_edges, event.low, event.high)
            row |= hit_and_chance("frequency", image.over_frequencies, which)
            row |= hit_and_chance("both", image.map, which[:, None] & when)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = ["decision"] + [
    f"{kind}_{what}" for what in ("time", "frequency", "both") for kind in ("hit", "chance")
]


def inside(edges: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the mask of the cells that overlap with the event."""
    return (edges[1:] > low) & (edges[:-1] < high)


def hit_and_chance(axis: str, importance: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    hit = counts.ravel()[importance.argmax()]
    return {f"hit_{axis}": float(hit), f"chance_{axis}": counts.mean()}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return shares of windows per case, control and method."""
    groups = table.groupby(KEYS, sort=False)
    summary = groups[COLUMNS[1:]].mean()
    summary.insert(0, "windows", groups.size())
    summary.insert(1, "accuracy", groups["accuracy"].first())
    return summary.round(4).reset_index()


def shuffle_weights(path: Path) -> Path:
    """Permute the values of each tensor of the open weights."""
    random = torch.Generator().manual_seed(0)
    state = load_backbone("open").state_dict()
    for name, values in state.items():
        if values.is_floating_point():  # not an index
            order = torch.randperm(values.numel(), generator=random)
            state[name] = values.flatten()[order].reshape(values.shape).contiguous()
        else:
            state[name] = values.contiguous()
    save_file(state, path)
    return path


if __name__ == "__main__":
    main()
