"""Embedded images and time of a grid search under leave-one-subject-out.

200 simulated windows of 10 subjects and six grid points, without a cache, with scikit-learn's
``Pipeline(memory=)``, and with the cache of the embedder. A small network counts the images and
sleeps for the time that the real network takes on this machine.
"""

import tempfile
import time
import warnings
from pathlib import Path

import environment
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import Pipeline
from torch import nn

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.inference import get_engine
from sklearn_biomoe.weights import BackboneWeights, random_weights, weights_sha256

RESULTS = Path(__file__).parent / "results" / "grid_search"
BATCH = 8


class CountingBackbone(nn.Module):
    """A pooled linear map that counts images and takes ``seconds`` per batch."""

    n_images = 0
    seconds = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(14)
        self.linear = nn.Linear(3 * 16 * 16, 192)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> (B, 192)."""
        CountingBackbone.n_images += int(
            (images.flatten(1).sum(dim=1) > 0).sum()
        )  # without padding
        time.sleep(CountingBackbone.seconds)
        return self.linear(self.pool(images).flatten(1))


def seconds_per_batch() -> float:
    """Return the seconds of the real network for a batch, the median of five."""
    run = get_engine(BackboneWeights("random", 0, weights_sha256("random")), "cpu", "float32").run
    images, elapsed = torch.rand(BATCH, 224, 224, 3), []
    with torch.inference_mode():
        for _ in range(6):
            started = time.perf_counter()
            run(images)
            elapsed.append(time.perf_counter() - started)
    return sorted(elapsed[1:])[2]


def search(cache: str | None, folder: str | None) -> dict[str, object]:
    windows = make_biosignal_windows(10, 20, modalities=["eda"], random_state=0)
    model = Pipeline(
        [
            ("image", BiosignalImageTransformer(["waveform"], modality="eda")),
            ("embed", TinyBioMoEEmbedder("random", cache=cache)),
            ("classify", LogisticRegression(max_iter=200)),
        ],
        memory=folder,
    )
    grid = {"classify__C": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]}
    CountingBackbone.n_images, started = 0, time.perf_counter()
    GridSearchCV(model, grid, cv=LeaveOneGroupOut()).fit(
        windows.data["eda"], windows.target, groups=windows.groups
    )
    seconds = time.perf_counter() - started
    return {"images_embedded": CountingBackbone.n_images, "seconds": round(seconds, 1)}


def main() -> None:
    warnings.simplefilter("ignore")  # untrained weights, convergence of regressions
    torch.set_num_threads(2)
    CountingBackbone.seconds = seconds_per_batch()
    random_weights.TinyBioMoE = CountingBackbone
    random_weights.random_sha256.cache_clear()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {"cache": "none"} | search(None, None),
            {"cache": "Pipeline(memory=)"} | search(None, folder),
            {"cache": "TinyBioMoEEmbedder(cache='memory')"} | search("memory", None),
        ]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.to_csv(RESULTS.with_suffix(".csv"), index=False)
    environment.write(
        RESULTS.with_suffix(".json"),
        windows="200 simulated windows of 10 subjects, six grid points, leave one subject out",
        seconds_per_batch_of_8=round(CountingBackbone.seconds, 3),
        weights="random, of the small network",
    )


if __name__ == "__main__":
    main()
