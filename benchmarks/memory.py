"""Memory and time of drawing and embedding for an increasing number of windows.

Windows of 60 samples (float32) are drawn as waveforms, batch by batch as in the embedder, and
embedded by the complete pipeline with a small network, so that a hundred thousand take minutes. One
process per number of windows. Memory is the increase of the peak resident size (Linux only) minus
the size of signals and embeddings; the size before is that of Python with torch.
"""

import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import environment
import numpy as np
import torch
from torch import nn

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.weights import random_weights

N_WINDOWS = (1_000, 10_000, 100_000)
N_TIMES = 60
BATCH_SIZE = 8  # the default of TinyBioMoEEmbedder


class SmallBackbone(nn.Module):
    """Pools images and maps them linearly."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(14)
        self.linear = nn.Linear(3 * 16 * 16, 192)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> (B, 192)."""
        return self.linear(self.pool(images).flatten(1))


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(images) -> int:
    """Draw all images; return the number of stored bytes."""
    for start in range(0, len(images), BATCH_SIZE):
        images.draw(np.arange(start, min(start + BATCH_SIZE, len(images))))
    return 0


def embed(images) -> int:
    """Embed all images; return the number of stored bytes."""
    warnings.simplefilter("ignore")  # untrained weights
    random_weights.TinyBioMoE = SmallBackbone
    return TinyBioMoEEmbedder("random").fit_transform(images).nbytes


WORKS = {"drawn": draw, "embedded": embed}


def measure(work: str, n_windows: int) -> dict[str, float]:
    torch.set_num_threads(1)  # for machines with other processes
    before = peak_megabytes()
    rng = np.random.default_rng(0)
    signals = rng.standard_normal((n_windows, 1, N_TIMES), dtype=np.float32)
    images = BiosignalImageTransformer(["waveform"]).fit_transform(signals)
    started = time.perf_counter()
    stored_bytes = WORKS[work](images)
    seconds = time.perf_counter() - started
    in_and_out = (signals.nbytes + stored_bytes) / 2**20
    return {
        "seconds": round(seconds, 2),
        "milliseconds_per_window": round(1000 * seconds / n_windows, 3),
        "inputs_and_outputs_megabytes": round(in_and_out, 1),
        "growth_megabytes": round(peak_megabytes() - before - in_and_out, 1),
    }


def main() -> None:
    results: dict[str, dict] = {work: {} for work in WORKS}
    for work in WORKS:
        for n_windows in N_WINDOWS:
            command = [sys.executable, __file__, work, str(n_windows)]
            child = subprocess.run(command, capture_output=True, text=True, check=True)
            results[work][f"{n_windows} windows"] = json.loads(child.stdout)
            print(work, n_windows, child.stdout, end="", flush=True)
    environment.write(
        Path(__file__).parent / "results" / "memory.json",
        batch_size=BATCH_SIZE,
        threads=1,
        **results,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
