"""From the sources of a command to windows: folders of recordings, and tables of all kinds."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from .._typing import Array
from ..recordings import StudyRecordings, read_study
from ..recordings.study_files import is_recording
from ..recordings.time_columns import TimeOptions
from ..signals import cut_windows, read_events
from .options import Signal
from .sample_tables import read_sample_table
from .study_tables import check_numbers, column_names, read_windows_table
from .windows_file import Description, StudyWindows, read_description

TABLES = (".csv", ".parquet")
SKIPPED = "skipped: "
NO_TARGET = ""  # column of events that has a value in each row


@dataclass(frozen=True)
class SourceOptions:
    """Options of commands that read windows of a study."""

    signals: tuple[Signal, ...] = ()
    subject: str = "subject"
    label: str | None = None
    start: str | None = None
    duration: float | None = None
    step: float | None = None
    resample_to: float | None = None
    pattern: str | None = None
    events: str | None = None
    onset: str = "onset"
    event_duration: str = "duration"
    around: tuple[float, float] | None = None
    baseline: tuple[float, float] | None = None
    unusable: str = "drop"
    on_error: str = "raise"
    reading: dict[str, Any] = field(default_factory=dict)  # arguments of read_recording


def read_source(path: Path, options: SourceOptions) -> StudyWindows:
    """Read or cut the windows of a study, and report on standard error what was left out.

    The source is a folder of recordings, a table of their paths, or a recording; a table with a row
    for each sample and a column of subjects, if there is a duration; or a table with a row for each
    window.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    if _holds_recordings(path, options):
        windows = cut_recordings(path, options)
    else:
        cut = cut_samples if options.duration is not None else read_table
        windows = cut(path, options)
    if windows.dropped is not None:
        _report(windows.table, windows.dropped)
    return windows


def _holds_recordings(path: Path, options: SourceOptions) -> bool:
    """Return whether a source is recordings, or a table of their paths."""
    if path.is_dir() or options.events is not None:
        return True
    if path.suffix.lower() not in TABLES:
        return is_recording(path)
    is_of_one_subject = (
        options.duration is not None
        and (options.subject, options.label) == ("subject", None)
        and "subject" not in column_names(path)
    )
    return _lists_paths(path) or is_of_one_subject


def cut_recordings(path: Path, options: SourceOptions) -> StudyWindows:
    """Read the recordings of a study, and cut windows at events or at regular times."""
    _check_options_of_recordings(options)
    recordings = _read_recordings(path, options)
    _show_notes(recordings)
    _show_given_rates(recordings, options.signals)
    events = _read_events(recordings, options)
    labels = _label_columns(events)
    label = options.label or next(iter(labels), None)
    if isinstance(events, pd.DataFrame) and options.label is None and len(labels) > 1:
        label = NO_TARGET  # windows that lack one of several labels are kept
        events = events.assign(**{NO_TARGET: 0})
    bunch = cut_windows(
        recordings,
        duration=options.duration,
        step=options.step,
        events=events,
        label=label,
        around=options.around,
        baseline=options.baseline,
        unusable=options.unusable,
    )
    if events is None:
        table = pd.DataFrame({"subject": bunch.groups, "start_time": bunch.start_times})
    else:
        table = bunch.events.drop(columns=NO_TARGET, errors="ignore")
    signals = tuple(
        Signal(signal.name, signal.modality, bunch.sampling_rates[signal.name])
        for signal in options.signals
    )
    for signal in signals:
        table = table.assign(**{signal.name: bunch.data[signal.name]})
    skipped = recordings.skipped.assign(reason=SKIPPED + recordings.skipped["reason"])
    dropped = pd.concat([bunch.dropped, skipped[["subject", "reason"]]], ignore_index=True)
    label = options.label or (labels[0] if len(labels) == 1 else None)
    description = Description(signals, "subject", label, tuple(labels), "start_time")
    windows = StudyWindows(table, description, dropped)
    return windows if options.events else _without_gaps(windows, options.unusable)


def _without_gaps(windows: StudyWindows, unusable: str) -> StudyWindows:
    """Treat gaps of windows at regular times as `cut_windows` treats those of events."""
    table, dropped = windows.table.copy(), windows.dropped
    reasons = pd.Series("", index=table.index)
    for signal in windows.description.signals:
        has_gap = table[signal.name].map(lambda cell: cell is not None and np.isnan(cell).any())
        if unusable == "missing":
            table[signal.name] = table[signal.name].where(~has_gap, None)
        else:
            reasons[has_gap & (reasons == "")] = f"gap in '{signal.name}'"
    if (has_gap := reasons != "").any() and unusable == "raise":
        row = table[has_gap].iloc[0]
        raise ValueError(
            f"The window of subject {row[windows.description.subject]!r} at "
            f"{row['start_time']:g} s cannot be used: {reasons[has_gap].iloc[0]} "
            f"({has_gap.sum()} of {len(table)} windows); pass unusable='drop' or 'missing'."
        )
    lost = table.loc[has_gap, [windows.description.subject, "start_time"]]
    lost.columns = pd.Index(["subject", "start_time"])
    dropped = pd.concat([dropped, lost.assign(reason=reasons[has_gap])], ignore_index=True)
    if has_gap.all():
        raise ValueError(f"All windows have gaps: {reasons.iloc[0]}; pass unusable='missing'.")
    return StudyWindows(table[~has_gap].reset_index(drop=True), windows.description, dropped)


def _show_notes(recordings: StudyRecordings) -> None:
    """Write what the readers detected or assumed to standard error, each note once."""
    counts = Counter(note for recording in recordings.values() for note in set(recording.notes))
    for note, n_subjects in counts.items():
        click.echo(f"note: {note} ({n_subjects} of {len(recordings)} subjects)", err=True)


def _show_given_rates(recordings: StudyRecordings, signals: Sequence[Signal]) -> None:
    """Write how long recordings are at the given rates, which shows wrong ones."""
    for signal in signals:
        if signal.sampling_rate is not None:
            seconds = [each[signal.name].duration for each in recordings.values()]
            lengths = " to ".join(f"{each:g}" for each in sorted({min(seconds), max(seconds)}))
            note = f"{signal.name} at {signal.sampling_rate:g} Hz, as given: recordings of"
            click.echo(f"note: {note} {lengths} s", err=True)


def _read_recordings(path: Path, options: SourceOptions) -> StudyRecordings:
    source: Any = path
    if options.events is not None and _has_subjects(path, options):
        if options.resample_to is not None:
            raise click.UsageError(f"--resample-to is for recordings, and {path} is a table.")
        return _read_samples(path, options)[0]
    is_one = path.is_file() or (options.pattern is None and is_recording(path))
    if is_one and not _lists_paths(path):
        source = pd.DataFrame({"subject": [path.stem], "path": [str(path)]})
    return read_study(
        source,
        options.pattern,
        signals={signal.name: signal.channel or signal.name for signal in options.signals},
        sampling_rates={
            signal.name: signal.sampling_rate
            for signal in options.signals
            if signal.sampling_rate is not None
        },
        on_error=options.on_error,
        resample_to=options.resample_to,
        **options.reading,
    )


def _has_subjects(path: Path, options: SourceOptions) -> bool:
    """Return whether a source is a table of samples of several subjects."""
    is_table = path.is_file() and path.suffix.lower() in TABLES and not _lists_paths(path)
    return is_table and options.subject in column_names(path)


def _lists_paths(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and {"subject", "path"} <= set(column_names(path))


def _read_events(recordings: StudyRecordings, options: SourceOptions) -> pd.DataFrame | str | None:
    if options.events in (None, "annotations"):
        return options.events
    columns = {"subject": options.subject, "onset": options.onset}
    columns["duration"] = options.event_duration
    renamed = {name: column for name, column in columns.items() if name != column}
    # A decimal comma is also that of events; with points, theirs is found.
    decimal = "," if options.reading.get("decimal") == "," else None
    events = read_events(options.events, columns=renamed, decimal=decimal)
    return events[~events["subject"].isin(set(recordings.skipped["subject"]))]


def _label_columns(events: pd.DataFrame | str | None) -> list[str]:
    if isinstance(events, pd.DataFrame):
        return [name for name in events.columns if name not in ("subject", "onset", "duration")]
    return [] if events is None else ["label"]


def cut_samples(path: Path, options: SourceOptions) -> StudyWindows:
    """Cut windows from a table with a row for each sample, in the order of each subject's rows.

    Rows whose label is empty are stretches without a label.
    """
    _check_options_of_tables(path, options)
    recordings, labels = _read_samples(path, options, options.label)
    _show_notes(recordings)
    first = options.signals[0].name
    rates = {recording[first].sampling_rate for recording in recordings.values()}
    if len(rates) > 1:
        raise ValueError(
            f"{path}: by their times, subjects are recorded at {min(rates):g} to {max(rates):g} "
            "Hz; write a file for each subject, and pass the folder and --resample-to."
        )
    rate = rates.pop()
    cut = cut_windows(
        recordings, duration=options.duration, step=options.step, labels=labels, label_rate=rate
    )
    table = pd.DataFrame({options.subject: cut.groups, "start_time": cut.start_times})
    if options.label:
        table[options.label] = cut.target
    signals = tuple(signal._replace(sampling_rate=rate) for signal in options.signals)
    table = table.assign(**{signal.name: cut.data[signal.name] for signal in signals})
    names = (options.label,) if options.label else ()
    description = Description(signals, options.subject, options.label, names, "start_time")
    return _without_gaps(StudyWindows(table, description, cut.dropped), options.unusable)


def _read_samples(
    path: Path, options: SourceOptions, label: str | None = None
) -> tuple[StudyRecordings, dict[Hashable, Array] | None]:
    given = {signal.sampling_rate for signal in options.signals} - {None}
    if len(given) > 1:
        raise click.UsageError(
            "--duration cuts tables with a row for each sample, whose signals share one sampling "
            "rate; resample them, write windows as cells of a Parquet file, or pass a folder with "
            "a file for each signal."
        )
    names = {signal.name: signal.channel or signal.name for signal in options.signals}
    of_times = [field.name for field in fields(TimeOptions)]
    if label is not None and "irregular" in options.reading:
        raise click.UsageError(
            "--reading irregular: labels of samples cannot be interpolated; pass a table of "
            "--events instead of --label."
        )
    if others := options.reading.keys() - set(of_times):
        raise click.UsageError(
            f"--reading {min(others)}: {path} is a table of samples, which takes only "
            f"{', '.join(of_times)}."
        )
    times = TimeOptions(**options.reading)
    rate = next(iter(given), None)
    return read_sample_table(path, options.subject, names, rate, label, times)


def read_table(path: Path, options: SourceOptions) -> StudyWindows:
    """Read a table with a row for each window."""
    description, names = describe_table(path, options)
    frame = read_windows_table(path, names, description.signals)
    if description.start is not None:
        check_numbers(path, frame[[description.start]])
    return StudyWindows(frame, description)


def describe_table(path: Path, options: SourceOptions) -> tuple[Description, list[str]]:
    """Return a description of a table of windows, and its columns beside the signals."""
    _check_options_of_tables(path, options)
    known = read_description(path) or Description(())
    subject = known.subject if options.subject == "subject" else options.subject
    label, start = options.label or known.label, options.start or known.start
    labels = tuple(dict.fromkeys([*known.labels, *([label] if label else [])]))
    names = [subject, *(["event"] if known.signals else []), *([start] if start else []), *labels]
    available = column_names(path)
    names = [name for name in dict.fromkeys(names) if name != "event" or name in available]
    signals = _known_signals(path, options.signals, known)
    return Description(signals, subject, label, labels, start), names


def _known_signals(path: Path, chosen: Sequence[Signal], known: Description) -> tuple[Signal, ...]:
    """Return signals with the rates of the file; raise for others than those."""
    if not chosen:
        return known.signals
    rates = {signal.name: signal.sampling_rate for signal in known.signals}
    signals = []
    for signal in chosen:
        found = rates.get(signal.channel or signal.name)
        if None not in (found, signal.sampling_rate) and found != signal.sampling_rate:
            raise click.UsageError(
                f"--signal {signal.name} {signal.modality} {signal.sampling_rate:g}: {path} has "
                f"windows at {found:g} Hz; leave out the rate."
            )
        rate = _rate_of(signal, path) if found is None else found
        signals.append(signal._replace(sampling_rate=rate))
    return tuple(signals)


def _rate_of(signal: Signal, path: Path) -> float:
    if signal.sampling_rate is None:
        raise click.UsageError(
            f"--signal {signal.name} {signal.modality}: {path} does not give a sampling rate; pass "
            "it in Hz as a third value."
        )
    return signal.sampling_rate


def _check_options_of_recordings(options: SourceOptions) -> None:
    if not options.signals:
        raise click.UsageError("Pass --signal for each signal, such as --signal eda EDA 4.")
    if options.start is not None:
        raise click.UsageError("--start is for tables of windows; those of recordings have it.")
    if options.events not in (None, "annotations") and not Path(options.events).is_file():
        raise FileNotFoundError(
            f"There is no table of events {options.events}; pass the path of one, or "
            "--events annotations."
        )
    if options.events is None:
        _refuse(options, "is for windows at events, which need --events too")
        if options.label is not None:
            raise click.UsageError("--label is a column of --events; pass --events too.")
    if options.around is None and options.duration is None:
        either = "" if options.events is None else "--around for a window at each event, or "
        raise click.UsageError(f"Pass {either}--duration for the length of windows.")
    if options.around is not None and (options.duration or options.step):
        raise click.UsageError(
            "--around sets the length of windows; leave out --duration and --step."
        )


def _check_options_of_tables(path: Path, options: SourceOptions) -> None:
    _refuse(options, "is for folders of recordings and events")
    for option, value in (
        ("--pattern", options.pattern),
        ("--resample-to", options.resample_to),
        ("--reading", options.reading if options.duration is None else None),
    ):
        if value:
            raise click.UsageError(f"{option} is for recordings, and {path} is a table.")
    if options.duration is None and options.step is not None:
        raise click.UsageError("--step is for tables of samples, which need --duration too.")
    if options.duration is not None and options.start is not None:
        raise click.UsageError("--start is for tables of windows; --duration computes it.")
    if not options.signals and (options.duration or read_description(path) is None):
        raise click.UsageError(
            f"Pass --signal for each signal, such as --signal eda EDA 4: {path} does not describe "
            "its columns, as files of `sklearn-biomoe windows` do."
        )


def _refuse(options: SourceOptions, why: str) -> None:
    for option, value in (("--around", options.around), ("--baseline", options.baseline)):
        if value is not None:
            raise click.UsageError(f"{option} {why}.")


def _report(table: pd.DataFrame, dropped: pd.DataFrame) -> None:
    """Write numbers of windows, and of dropped ones by reason, to standard error."""
    is_skipped = dropped["reason"].str.startswith(SKIPPED)
    reasons = dropped["reason"][~is_skipped].str.replace(
        r" event \S+$", " another event", regex=True
    )
    counts = [f"{n} {reason}" for reason, n in reasons.value_counts().items()]
    click.echo(f"{len(table)} windows; dropped: {', '.join(counts) or 'none'}", err=True)
    for row in dropped[is_skipped].itertuples():
        click.echo(f"subject {row.subject} {row.reason}", err=True)
