"""Import time of `sklearn_biomoe` and of its transformers, compared with `torch`.

Runs each import alternately in new processes, and reports medians of the paired ratios.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import environment

N_ROUNDS = 9
STATEMENTS = {
    "python": "pass",
    "sklearn_biomoe": "import sklearn_biomoe",
    "torch": "import torch",
    "torch, sklearn, pandas": "import torch, sklearn.base, sklearn.utils, pandas",
    "transformers": "from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder",
}


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> None:
    rounds = [
        {name: seconds(statement) for name, statement in STATEMENTS.items()}
        for _ in range(N_ROUNDS + 1)
    ][1:]  # the first warms the disk cache
    ratios = {
        name: round(statistics.median(r[name] / r["torch"] for r in rounds), 3)
        for name in STATEMENTS
    }
    path = Path(__file__).parent / "results" / "import_time.json"
    environment.write(path, n_rounds=N_ROUNDS, whole_process_relative_to_import_torch=ratios)
    print(json.dumps(ratios, indent=2))


if __name__ == "__main__":
    main()
