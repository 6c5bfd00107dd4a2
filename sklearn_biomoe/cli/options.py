"""Options for the windows of a command and their images, and the windows that they select."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pyarrow as pa

from ..distributed.parquet import find_files, plan_file
from ..distributed.recording_tasks import Cutting, plan_recordings
from ..distributed.tasks import Columns, Part, split_batch
from ..recordings.reading import SUFFIXES
from ..signals import MODALITIES, missing_windows

POSITIVE = click.FloatRange(min=0, min_open=True)
STEP_HELP = "Seconds from the start of a window to the next. [default: the duration]"
WEIGHTS_HELP = "open, paper, random, or a .safetensors or .pth file."
VALUE_RANGES = "preset, window, training, or LOW,HIGH or LOW,HIGH,log in the signal's unit"

# fmt: off
OPTIONS = [
    click.option("--channel", multiple=True, required=True,
                 help="Channel or column; repeat it for the channels of one signal."),
    click.option("--modality", default="generic", show_default=True,
                 type=click.Choice(sorted(MODALITIES)), help="Kind of signal."),
    click.option("--sampling-rate", type=POSITIVE,
                 help="In Hz, of CSV and Parquet files; EDF and WFDB files hold it."),
    click.option("--resample-to", type=POSITIVE, help="In Hz, for recordings."),
    click.option("--duration", type=POSITIVE,
                 help="Seconds of the windows to cut recordings into. Without it, the cells of a "
                      "column of a Parquet file are the windows."),
    click.option("--step", type=POSITIVE, help=STEP_HELP),
    click.option("--representation", multiple=True,
                 help="Such as waveform; can be repeated. [default: those of the modality]"),
    click.option("--value-range", multiple=True, metavar="RANGE",
                 help=f"Vertical axis of waveforms: {VALUE_RANGES}; repeat it for each channel. "
                      "[default: preset]"),
]
# fmt: on


@dataclass(frozen=True)
class WindowOptions:
    """Values of `OPTIONS`."""

    channel: tuple[str, ...]
    modality: str
    sampling_rate: float | None
    resample_to: float | None
    duration: float | None
    step: float | None
    representation: tuple[str, ...]
    value_range: tuple[str, ...]

    @property
    def image_parameters(self) -> dict[str, Any]:
        """Parameters of `BiosignalImageTransformer`."""
        ranges = [parse_value_range(text) for text in self.value_range] or ["preset"]
        return {
            "representations": list(self.representation) or "preset",
            "value_range": ranges[0] if len(ranges) == 1 else ranges,
        }


def window_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `OPTIONS` to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def parse_value_range(text: str) -> Any:
    """Return a name or a tuple, as `BiosignalImageTransformer` accepts them.

    Examples
    --------
    >>> parse_value_range("window"), parse_value_range("0.05,20,log")
    ('window', (0.05, 20.0, 'log'))
    """
    if text in ("preset", "window", "training"):
        return text
    low, _, rest = text.partition(",")
    high, _, scale = rest.partition(",")
    try:
        return (float(low), float(high), *([scale] if scale else []))
    except ValueError:
        raise click.UsageError(f"--value-range {text}: expected {VALUE_RANGES}.") from None


def check_output(output: Path, *suffixes: str) -> None:
    """Raise UsageError for another suffix, and if the folder does not exist."""
    if output.suffix not in suffixes or not output.absolute().parent.is_dir():
        raise click.UsageError(
            f"--output {output}: expected a file with the suffix {' or '.join(suffixes)} in an "
            "existing folder."
        )


def plan(
    sources: Sequence[str], options: WindowOptions, ids: Sequence[str]
) -> tuple[Sequence[Part], float]:
    """Return the parts of recordings or of Parquet files of windows, and their rate in Hz."""
    if options.duration is None:
        sampling_rate = _check_options_for_windows(options)
        signals = options.channel[0] if len(options.channel) == 1 else options.channel
        columns = Columns(signals, tuple(ids))
        files = find_files(sources, ".parquet")
        return [part for file in files for part in plan_file(file, columns)], sampling_rate
    if ids:
        raise click.UsageError("--id names columns of Parquet files of windows; leave it out.")
    cutting = Cutting(
        options.channel,
        options.duration,
        options.step or options.duration,
        options.sampling_rate,
        options.resample_to,
    )
    parts = plan_recordings(find_files(sources, *SUFFIXES), cutting)
    assert parts[0].cutting.rate is not None  # set by plan_recordings
    return parts, parts[0].cutting.rate


def _check_options_for_windows(options: WindowOptions) -> float:
    if options.sampling_rate is None:
        raise click.UsageError(
            "Pass --duration to cut recordings into windows, or --sampling-rate if the cells of a "
            "Parquet file are windows."
        )
    for name, value in (("--step", options.step), ("--resample-to", options.resample_to)):
        if value is not None:
            raise click.UsageError(f"{name} is for recordings, which need --duration too.")
    return options.sampling_rate


def first_windows(
    parts: Sequence[Part], batch_rows: int
) -> tuple[pa.RecordBatch, pd.Series | pd.DataFrame]:
    """Return ids and windows of the first batch in which not all windows are missing."""
    for part in parts:
        for batch in part.batches(batch_rows):
            ids, windows = split_batch(batch, part.columns)
            if len(windows) and not missing_windows(windows).all():
                return ids, windows
    raise ValueError(f"All windows of {parts[0].source.url} and the files after it are missing.")
