"""Protocols of ``sklearn-biomoe study``: folds, lists of subjects, and calibration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .._typing import Array, FloatArray, Mask
from ..evaluation import Calibration, FixedSplit, RepeatedGroupKFold
from .options import POSITIVE
from .study_tables import read_columns

PARTS = ("train", "validation", "test")

# fmt: off
PROTOCOL_OPTIONS = [
    click.option("--folds", type=click.IntRange(min=2),
                 help="Folds that each test several subjects. [default: one for each subject]"),
    click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True,
                 help="Of all --folds, with other subjects in each."),
    click.option("--split", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                 help="Instead of folds, a table with the columns subject and part, which is "
                      "train, validation or test. Validation subjects are not used."),
    click.option("--calibration-windows", type=click.IntRange(min=1), metavar="N",
                 help="Use the first windows of each test subject to scale its embeddings, and do "
                      "not score them."),
    click.option("--calibration-minutes", type=POSITIVE, metavar="MINUTES",
                 help="Instead, the windows that end in the first minutes."),
    click.option("--calibration-labels", is_flag=True,
                 help="Add calibration windows to the training windows, with their labels, instead "
                      "of scaling by them."),
]
# fmt: on


@dataclass(frozen=True)
class ProtocolOptions:
    """Values of the options."""

    folds: int | None = None
    repeats: int = 1
    split: Path | None = None
    calibration_windows: int | None = None
    calibration_minutes: float | None = None
    calibration_labels: bool = False


@dataclass(frozen=True)
class Protocol:
    """Arguments of `run_study`."""

    cv: Any
    calibration: Calibration | None

    @property
    def scales_by_calibration(self) -> bool:
        """Whether embeddings are scaled by those of calibration windows."""
        return self.calibration is not None and not self.calibration.labels

    def mark(self, subjects: Array, intervals: FloatArray | None) -> Mask:
        """Mark the calibration windows; raise UsageError if no times are known."""
        assert self.calibration is not None
        if intervals is None:
            raise click.UsageError("Calibration needs the times of windows: pass --start.")
        return self.calibration.mark(subjects, intervals)


def read_protocol(options: ProtocolOptions) -> Protocol:
    """Return folds and calibration; raise UsageError for options that exclude each other."""
    if options.folds is not None and options.split is not None:
        raise click.UsageError("Pass --folds or --split, and not both.")
    if options.repeats > 1 and options.folds is None:
        raise click.UsageError("--repeats is for --folds; pass their number too.")
    cv: Any = "leave_one_subject_out"
    if options.folds is not None:
        cv = RepeatedGroupKFold(options.folds, n_repeats=options.repeats, random_state=0)
    elif options.split is not None:
        cv = read_split(options.split)
    return Protocol(cv, _read_calibration(options))


def _read_calibration(options: ProtocolOptions) -> Calibration | None:
    n_windows, minutes = options.calibration_windows, options.calibration_minutes
    if n_windows is None and minutes is None:
        if options.calibration_labels:
            raise click.UsageError(
                "--calibration-labels needs --calibration-windows or --calibration-minutes."
            )
        return None
    if n_windows is not None and minutes is not None:
        raise click.UsageError("Pass --calibration-windows or --calibration-minutes, and not both.")
    return Calibration(n_windows=n_windows, minutes=minutes, labels=options.calibration_labels)


def read_split(path: Path) -> FixedSplit:
    """Read the lists of subjects of a challenge."""
    table = read_columns(path, ["subject", "part"])
    lists = {part: table["subject"][table["part"] == part].tolist() for part in PARTS}
    wrong = table[~table["part"].isin(PARTS)]
    if len(wrong):
        row = wrong.iloc[0]
        raise ValueError(
            f"{path}: the part of subject {row['subject']!r} is {row['part']!r}; expected one of "
            f"{', '.join(PARTS)}."
        )
    return FixedSplit(**lists)
