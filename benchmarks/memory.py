"""How much memory drawing costs beside the signals, and how its time grows.

Windows of 60 samples (float32) are drawn as waveforms and dropped batch by batch, as the embedder
does, each number of windows in a process of its own. Memory is the largest resident size (of Linux)
before and after, less the signals; what is there before is Python with torch.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import environment
import numpy as np
import torch

from sklearn_biomoe import BiosignalImageTransformer

N_WINDOWS = (1_000, 10_000, 100_000)
N_TIMES = 60
BATCH_SIZE = 8  # the default of TinyBioMoEEmbedder


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n_windows: int) -> dict[str, float]:
    torch.set_num_threads(1)  # shares the processor without waiting for it
    before = peak_megabytes()
    rng = np.random.default_rng(0)
    signals = rng.standard_normal((n_windows, 1, N_TIMES), dtype=np.float32)
    images = BiosignalImageTransformer(["waveform"]).fit_transform(signals)
    started = time.perf_counter()
    for start in range(0, n_windows, BATCH_SIZE):
        images[start : start + BATCH_SIZE].draw()
    seconds = time.perf_counter() - started
    signals_megabytes = signals.nbytes / 2**20
    return {
        "seconds": round(seconds, 2),
        "milliseconds_per_window": round(1000 * seconds / n_windows, 3),
        "signals_megabytes": round(signals_megabytes, 1),
        "growth_megabytes": round(peak_megabytes() - before - signals_megabytes, 1),
    }


def main() -> None:
    results = {}
    for n_windows in N_WINDOWS:
        command = [sys.executable, __file__, str(n_windows)]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        results[f"{n_windows} windows"] = json.loads(child.stdout)
        print(n_windows, child.stdout, end="", flush=True)
    environment.write(
        Path(__file__).parent / "results" / "memory.json",
        batch_size=BATCH_SIZE,
        threads=1,
        drawn=results,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
