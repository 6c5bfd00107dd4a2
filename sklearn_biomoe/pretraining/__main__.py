"""Pretrain weights: ``python -m sklearn_biomoe.pretraining --folder run --images 90000``."""

import argparse
import math
import warnings
from pathlib import Path

from ..weights import convert
from .objectives import DEFAULT_OBJECTIVES, OBJECTIVES
from .real_recordings import Recordings, read_recordings
from .recipe import SHARES, Recipe, Training


def main() -> None:
    """Start or resume a training run; write the weights when it is complete."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_biomoe.pretraining", description=__doc__
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="of the run; resumed if it exists"
    )
    parser.add_argument("--images", type=int, default=90_000, help="to train on")
    parser.add_argument("--batch", type=int, default=24, help="images in a training step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--recordings", type=Path, help="folder of recordings to cut windows from")
    parser.add_argument("--start", default="random", help="initial weights")
    parser.add_argument(
        "--modalities", nargs="+", default=list(SHARES), choices=SHARES, help="default: all seven"
    )
    parser.add_argument(
        "--objectives",
        nargs="+",
        default=list(DEFAULT_OBJECTIVES),
        choices=OBJECTIVES,
        help="default: all but agreement",
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="time limit")
    given = parser.parse_args()
    recipe = Recipe(
        given.images,
        given.batch,
        seed=given.seed,
        objectives=tuple(given.objectives),
        modalities=tuple(given.modalities),
        start=given.start,
        device=given.device,
        precision=given.precision,
    )
    recordings = read_recordings(given.recordings) if given.recordings else Recordings({})
    training = Training(recipe, given.folder, recordings)
    with warnings.catch_warnings():
        # Some simulated levels are outside the presets' axes, as some recorded ones are.
        warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
        done = training.run(60 * given.minutes)
    print(f"{training.n_seen:,} of {recipe.n_images:,} images in {training.seconds:.0f} s")
    if done:
        print(convert(training.checkpoint, given.folder / "weights.safetensors", "float16"))


if __name__ == "__main__":
    main()
