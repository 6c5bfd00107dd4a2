"""Speed of pretraining: images made by worker processes alone, and images trained on, per second.

The goal is 3,000 images per second on an H100 with 16 cores:

    python benchmarks/pretraining.py --device cuda --precision bfloat16 --batch-size 512 \
        --workers 15 --pool-size 49152 --minutes 3
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import environment
import pandas as pd
import torch

from sklearn_biomoe.pretraining.group_workers import open_groups
from sklearn_biomoe.pretraining.real_recordings import Recordings
from sklearn_biomoe.pretraining.recipe import Recipe
from sklearn_biomoe.pretraining.training_run import TrainingRun

RESULTS = Path(__file__).parent / "results" / "pretraining.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pool-size", type=int, default=4096)
    parser.add_argument("--minutes", type=float, default=3, help="of training; as long for images")
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    recipe = Recipe(
        minutes=given.minutes,
        batch_size=given.batch_size,
        pool_size=given.pool_size,
        n_workers=given.workers,
        device=given.device,
        precision=given.precision,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(recipe, Path(folder), Recordings({}))
        found = {"made": speed_of_workers(run, 60 * given.minutes), "trained on": train(run)}
    print(json.dumps(found, indent=2))
    is_cpu = run.device == "cpu"
    environment.write(
        given.output,
        device="cpu" if is_cpu else torch.cuda.get_device_name(run.device),
        threads=torch.get_num_threads(),
        recipe={name: value for name, value in vars(given).items() if name != "output"},
        images_per_second=found,
    )


def speed_of_workers(run: TrainingRun, seconds: float) -> float:
    """Return images per second, after the workers have started."""
    with open_groups(run.groups, 0, run.recipe.n_workers) as made:
        for _ in range(2 * max(1, run.recipe.n_workers)):
            next(made)
        started, n_images = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            n_images += len(next(made).kinds)
        return round(n_images / (time.monotonic() - started), 1)


def train(run: TrainingRun) -> float:
    """Return images per second from the first row of the log to the last one."""
    run.run()
    log = pd.read_csv(run.log)
    first, last = log.iloc[0], log.iloc[-1]
    return round((last["images"] - first["images"]) / (last["seconds"] - first["seconds"]), 1)


if __name__ == "__main__":
    main()
