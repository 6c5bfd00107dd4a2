"""``sklearn-biomoe inspect``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from ..recordings import Channel, Recording, list_channels, read_recording
from ..recordings.study_files import is_events_table, is_listed, is_recording
from ..signals import read_events
from .options import POSITIVE, READING, add_options
from .program import name_options

UNKNOWN = "?"


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sampling-rate", type=POSITIVE,
              help="In Hz, of channels whose files do not give it.")  # fmt: skip
@click.option("--headers-only", is_flag=True,
              help="Do not read samples; gaps and annotations are not listed.")  # fmt: skip
@add_options(READING)
def inspect(
    sources: tuple[Path, ...],
    sampling_rate: float | None,
    headers_only: bool,
    reading: dict[str, Any],
) -> None:
    """List channels, sampling rates, units, durations, gaps and annotations of SOURCES.

    SOURCES are recordings, or folders of them. Tables of events, with the columns subject and
    onset, are listed too. "?" is a rate or a duration that a file does not give. Exits with 1 if a
    file cannot be read; the others are listed.

    \b
    Examples:
      sklearn-biomoe inspect night.edf
      sklearn-biomoe inspect pain_study --sampling-rate 4
    """
    channels: list[dict[str, str]] = []
    others: list[str] = []
    notes: dict[str, list[Path]] = {}
    n_failed = 0
    for path in _find(sources):
        try:
            rows, lines, found = _describe(path, sampling_rate, headers_only, reading)
        except (ValueError, TypeError, OSError, ImportError) as error:
            message = name_options(" ".join(str(error).split()), ["inspect"])
            click.echo(f"error: {message}", err=True)
            n_failed += 1
            continue
        channels += rows
        others += lines
        for note in found:
            notes.setdefault(note, []).append(path)
    if channels:
        click.echo(pd.DataFrame(channels).to_string(index=False))
    for line in others:
        click.echo(line)
    for note, paths in notes.items():
        click.echo(f"{paths[0] if len(paths) == 1 else f'{len(paths)} files'}: {note}", err=True)
    if n_failed:
        files = f"{n_failed} file{'s' if n_failed > 1 else ''}"
        click.echo(f"error: {files} cannot be read", err=True)
    if n_failed or not (channels or others):
        raise click.exceptions.Exit(1)


def _find(sources: tuple[Path, ...]) -> Iterator[Path]:
    """Yield files and folders in the order of the sources, those in a folder by name."""
    for source in sources:
        if source.is_dir() and not is_recording(source):
            yield from _find_in_folder(source)
        else:
            yield source


def _find_in_folder(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if is_listed(path):
            yield path
        elif path.is_dir():
            yield from _find_in_folder(path)


def _describe(
    path: Path, sampling_rate: float | None, headers_only: bool, reading: dict[str, Any]
) -> tuple[list[dict[str, str]], list[str], tuple[str, ...]]:
    """Return a row for each channel of a file, lines on its annotations or events, and notes."""
    if is_events_table(path):
        return [], [_describe_events(path)], ()
    headers = list_channels(path)
    rows = [
        {
            "file": str(path),
            "channel": name,
            "Hz": _number(rate),
            "unit": unit or UNKNOWN,
            "seconds": _number(n_samples / rate),
            "samples": str(n_samples),
        }
        for name, rate, unit, n_samples in zip(
            headers["name"],
            headers["sampling_rate"].fillna(np.nan if sampling_rate is None else sampling_rate),
            headers["unit"],
            headers["n_samples"],
            strict=True,
        )
    ]
    if headers_only:
        return rows, [], ()
    # Gaps can be counted without knowing the rate.
    unknown = headers["name"][headers["sampling_rate"].isna()]
    rates = dict.fromkeys(unknown, 1.0 if sampling_rate is None else sampling_rate)
    recording = read_recording(path, sampling_rate=rates, **reading)
    for row in rows:
        channel = recording[row["channel"]]
        row["gaps"] = _describe_gaps(channel, known=row["Hz"] != UNKNOWN)
    return rows, _describe_annotations(path, recording), recording.notes


def _describe_gaps(channel: Channel, known: bool) -> str:
    """Return number and length of the runs of missing samples."""
    missing = np.isnan(channel.samples)
    if not missing.any():
        return "none"
    n_gaps = int(missing[0]) + int((np.diff(missing.astype(np.int8)) == 1).sum())
    seconds = f", {channel.n_missing / channel.sampling_rate:g} s" if known else ""
    return f"{n_gaps} ({channel.n_missing} samples{seconds})"


def _describe_annotations(path: Path, recording: Recording) -> list[str]:
    counts = recording.annotations["label"].value_counts(sort=False)
    if not len(counts):
        return []
    listed = ", ".join(f"{label!r} {n}" for label, n in counts.items())
    return [f"{path}: {len(recording.annotations)} annotations: {listed}"]


def _describe_events(path: Path) -> str:
    events = read_events(path)
    labels = [name for name in events.columns if name not in ("subject", "onset", "duration")]
    return (
        f"{path}: {len(events)} events of {events['subject'].nunique()} subjects; labels: "
        f"{', '.join(labels) or 'none'}"
    )


def _number(value: float) -> str:
    return UNKNOWN if np.isnan(value) else f"{value:.10g}"
