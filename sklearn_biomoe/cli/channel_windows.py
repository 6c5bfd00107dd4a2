"""Windows for ``draw`` and ``embed`` in parts: of a --channel, or of the signals of a study."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pyarrow as pa

from ..distributed.parquet import find_files, plan_file
from ..distributed.recording_tasks import Cutting, plan_recordings
from ..distributed.table_parts import plan_table
from ..distributed.tasks import Columns, Part, split_batch
from ..recordings.reading import SUFFIXES
from ..signals import missing_windows
from .options import (
    CHANNEL_OPTIONS,
    DURATION,
    EVENT_OPTIONS,
    IMAGE_OPTIONS,
    LABEL,
    RESAMPLE_TO,
    SIGNAL,
    STEP,
    SUBJECT,
    ImageParameters,
    Signal,
    add_options,
    image_parameters,
    parse_value_range,
    pick,
)
from .sources import SourceOptions, describe_table, read_source
from .windows_file import Description, read_description

window_options = add_options(
    SIGNAL, *EVENT_OPTIONS, SUBJECT, LABEL, *CHANNEL_OPTIONS, DURATION, STEP, RESAMPLE_TO,
    *IMAGE_OPTIONS,
)  # fmt: skip


@dataclass(frozen=True)
class WindowOptions:
    """Options for the windows of one signal in recordings or in Parquet files."""

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


@dataclass(frozen=True)
class Plan:
    """Windows in parts, with what is drawn of each signal.

    The signals' names are those of the columns; that of several channels is not a column.
    """

    parts: Sequence[Part]
    signals: tuple[Signal, ...]
    images: ImageParameters

    def windows_of(self, windows: pd.Series | pd.DataFrame, signal: Signal) -> Any:
        """Return the windows of one signal in what `first_windows` returns."""
        return windows if len(self.signals) == 1 else windows[signal.name]


def plan_windows(
    sources: Sequence[str],
    values: dict[str, Any],
    ids: Sequence[str] = (),
    *,
    by_subject: bool = True,
) -> Plan:
    """Return the windows that options select; those of recordings of a study by subject."""
    chosen, study = pick(WindowOptions, values), pick(SourceOptions, values)
    for source in sources:
        if "://" not in source and not Path(source).exists():
            raise FileNotFoundError(f"There is no file or folder {source}.")
    described = [read_description(Path(source)) for source in sources]
    if not chosen.channel and (study.signals or all(described)):
        _check_options_of_study(sources, chosen, study)
        return _plan_study(sources, study, chosen, ids, by_subject)
    if study.signals or not chosen.channel:
        raise click.UsageError("Pass --signal for each signal, or --channel, and not both.")
    for option in ("pattern", "events", "around", "baseline", "label", "reading"):
        if values.get(option):
            raise click.UsageError(
                f"--{option} needs --signal CHANNEL MODALITY instead of --channel and --modality."
            )
    if described[0] is not None and len(chosen.channel) == 1:
        chosen = _complete(chosen, described[0].signals)
    parts, rate = plan(sources, chosen, ids)
    signal = Signal("+".join(chosen.channel), chosen.modality, rate)
    return Plan(parts, (signal,), {signal.name: chosen.image_parameters})


def _check_options_of_study(
    sources: Sequence[str], chosen: WindowOptions, study: SourceOptions
) -> None:
    if chosen.sampling_rate is not None or chosen.modality != "generic":
        raise click.UsageError(
            "--modality and --sampling-rate are for --channel; pass both in --signal, such as "
            "--signal eda EDA 4."
        )
    if len(sources) > 1 and not _are_windows_files(sources, study):
        raise click.UsageError("With --signal, pass one folder, table or recording.")


def _complete(chosen: WindowOptions, signals: Sequence[Signal]) -> WindowOptions:
    """Take modality and rate of a channel from a file of windows."""
    for signal in signals:
        if signal.name == chosen.channel[0]:
            modality = signal.modality if chosen.modality == "generic" else chosen.modality
            rate = chosen.sampling_rate or signal.sampling_rate
            return replace(chosen, modality=modality, sampling_rate=rate)
    return chosen


def _plan_study(
    sources: Sequence[str],
    study: SourceOptions,
    chosen: WindowOptions,
    ids: Sequence[str],
    by_subject: bool,
) -> Plan:
    """Return windows of a study, with subject, event, start and labels as ids."""
    if _are_windows_files(sources, study):
        description, kept = describe_table(Path(sources[0]), study)
        columns = _columns(description, [*kept, *ids])
        files = find_files(sources, ".parquet")
        parts: list[Part] = [part for file in files for part in plan_file(file, columns)]
    else:
        if ids:
            raise click.UsageError("--id names columns of Parquet files of windows; leave it out.")
        path = Path(sources[0])
        windows = read_source(path, study)
        description = windows.description
        columns = _columns(description, windows.ids)
        url, subject = path.absolute().as_uri(), description.subject if by_subject else None
        parts = [*plan_table(url, windows.to_arrow(), columns, subject)]
    images = image_parameters(description.signals, chosen.representation, chosen.value_range)
    return Plan(parts, description.signals, images)


def _are_windows_files(sources: Sequence[str], study: SourceOptions) -> bool:
    suffixes = {Path(source).suffix.lower() for source in sources}
    return suffixes == {".parquet"} and study.duration is None and study.events is None


def _columns(description: Description, ids: Sequence[str]) -> Columns:
    names = [signal.name for signal in description.signals]
    return Columns(names[0] if len(names) == 1 else tuple(names), tuple(dict.fromkeys(ids)))


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
