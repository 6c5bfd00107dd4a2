"""The options that say where windows are and how they are drawn, and what is made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ..signals import MODALITIES


@dataclass(frozen=True)
class Asked:
    """What options say of windows and their images."""

    channel: tuple[str, ...]
    modality: str
    sampling_rate: float | None
    resample_to: float | None
    duration: float | None
    step: float | None
    representation: tuple[str, ...]

    @property
    def representations(self) -> Any:
        """What to draw, as transformers take it."""
        return list(self.representation) or "preset"


# fmt: off
OPTIONS = [
    click.option("--channel", multiple=True, required=True,
                 help="Name of a channel or column; several are channels of one signal."),
    click.option("--modality", default="generic", show_default=True,
                 type=click.Choice(sorted(MODALITIES)), help="What kind of signal it is."),
    click.option("--sampling-rate", type=click.FloatRange(min=0, min_open=True),
                 help="In Hz, of CSV and Parquet; EDF and WFDB tell it."),
    click.option("--resample-to", type=click.FloatRange(min=0, min_open=True),
                 help="In Hz; of recordings."),
    click.option("--duration", type=click.FloatRange(min=0, min_open=True),
                 help="Seconds of the windows that recordings are cut into. Without it, cells of "
                      "the column of a Parquet file are windows."),
    click.option("--step", type=click.FloatRange(min=0, min_open=True),
                 help="Seconds from window to window; the duration, if not given."),
    click.option("--representation", multiple=True,
                 help="What to draw, such as waveform; what suits the modality, if not given."),
]
# fmt: on


def window_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `Asked`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def plan(sources: Sequence[str], asked: Asked, ids: Sequence[str]) -> tuple[list[Any], float]:
    """Find the parts of recordings, or of Parquet files of windows, and their rate in Hz.

    Raises
    ------
    click.UsageError
        For options that do not go together.
    ValueError
        For sources that are not there or cannot be read.
    """
    from ..distributed.parquet import find_files, plan_file
    from ..distributed.recording_tasks import Cutting, plan_recordings
    from ..distributed.tasks import Columns
    from ..recordings.reading import SUFFIXES

    if asked.duration is None:
        _check_options_of_windows(asked)
        signals = asked.channel[0] if len(asked.channel) == 1 else asked.channel
        columns = Columns(signals, tuple(ids))
        files = find_files(sources, ".parquet")
        assert asked.sampling_rate is not None  # which was checked
        return [part for file in files for part in plan_file(file, columns)], asked.sampling_rate
    if ids:
        raise click.UsageError("--id names columns of Parquet files of windows; leave it out.")
    cutting = Cutting(
        asked.channel,
        asked.duration,
        asked.step or asked.duration,
        asked.sampling_rate,
        asked.resample_to,
    )
    parts = plan_recordings(find_files(sources, *SUFFIXES), cutting)
    rate = parts[0].cutting.rate
    assert rate is not None  # which planning found out
    return list(parts), rate


def _check_options_of_windows(asked: Asked) -> None:
    if asked.sampling_rate is None:
        raise click.UsageError(
            "Pass --duration to cut recordings into windows; or, where cells of a Parquet file are "
            "windows, --sampling-rate."
        )
    for name, given in (("--step", asked.step), ("--resample-to", asked.resample_to)):
        if given is not None:
            raise click.UsageError(f"{name} is for recordings, which need --duration too.")


def first_windows(parts: Sequence[Any], batch_rows: int) -> Any:
    """Read the first batch of windows of which one is there, with its ids.

    Raises
    ------
    ValueError
        Where there is none.
    """
    from ..distributed.tasks import split_batch
    from ..signals import missing_windows

    for part in parts:
        for batch in part.batches(batch_rows):
            ids, windows = split_batch(batch, part.columns)
            if len(windows) and not missing_windows(windows).all():
                return ids, windows
    raise ValueError(f"{parts[0].source.url} and what follows hold no window that is not missing.")
