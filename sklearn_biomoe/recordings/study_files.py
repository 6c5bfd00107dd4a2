"""A study's files: the recordings of all subjects, found by a pattern or listed in a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import pandas as pd

from .._validation.parameters import check_option
from . import text_tables
from .formats import RecordingError, join_segments
from .reading import find_format, read_recording
from .recording import Channel, Recording
from .text_dialects import read_cells

PLACEHOLDER = re.compile(r"\{(\w*)\}|(\*)")
NAMES = ("subject", "signal")


@dataclass(frozen=True, eq=False)
class StudyRecordings(Mapping[str, Recording]):
    """Recordings by subject.

    Parameters
    ----------
    recordings : dict of str to Recording
        In the order of the subjects' names.
    skipped : DataFrame
        Columns subject, path and reason: the subjects that were left out with
        ``on_error="skip"``.
    """

    recordings: dict[str, Recording]
    skipped: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["subject", "path", "reason"])
    )

    def __getitem__(self, subject: str) -> Recording:
        return self.recordings[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self.recordings)

    def __len__(self) -> int:
        return len(self.recordings)

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if len(self.skipped) else ""
        return f"StudyRecordings({len(self)} subjects{skipped}: {', '.join(self)})"


def read_study(
    source: str | PathLike[str] | pd.DataFrame,
    pattern: str | None = None,
    *,
    signals: Mapping[str, str] | None = None,
    sampling_rates: Mapping[str, float] | None = None,
    on_error: str = "raise",
    **options: Any,
) -> StudyRecordings:
    r"""Read the recordings of all subjects of a study.

    Parameters
    ----------
    source : folder, path of a CSV file, or DataFrame
        A folder of recordings; or a table with the columns subject and path, and signal if each
        file holds one signal. Paths in a CSV file are relative to it.
    pattern : str, default=None
        How the files of a folder are named: "{subject}_{signal}.csv", "{subject}/{signal}.csv",
        "{subject}.edf", or "{subject}" for one folder per subject in the format of Empatica E4.
        "*" matches any text. Suffixes match in any case. None takes each recording in the folder
        as one subject, named after the file without its suffix. Tables of events, with the columns
        subject and onset, are not recordings.
    signals : dict of str to str, default=None
        Name of each signal in the result, such as a modality, to the channel in the file. With
        "{signal}" in the pattern, or a column of signals, names of the files' signals to channels;
        by default the channel of that name, or the only one. None takes all signals.
    sampling_rates : dict of str to float, default=None
        In Hz, by the names in ``signals``, for files that do not give a rate; others are compared.
    on_error : {"raise", "skip"}, default="raise"
        Whether a subject whose files are missing or cannot be read ends the reading, or is listed
        in ``skipped``.
    **options
        Passed to `read_recording`.

    Returns
    -------
    recordings : StudyRecordings
        A mapping of subject to `Recording`. Files of a subject that start at different times are
        aligned: a signal that starts later has NaN before its first sample.

    Raises
    ------
    RecordingError
        A ValueError: if no file matches, two files have the same subject and signal, a subject
        lacks a signal, or a file cannot be read. The message names subject and file.
    FileNotFoundError
        If the folder or the table does not exist.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for subject in ("P01", "P02"):
    ...     _ = (folder / f"{subject}_eda.csv").write_text("eda\n0.5\n0.6\n0.7\n0.8\n")
    >>> recordings = read_study(folder, "{subject}_{signal}.csv", sampling_rates={"eda": 4})
    >>> recordings
    StudyRecordings(2 subjects: P01, P02)
    >>> recordings["P01"]["eda"].samples
    array([0.5, 0.6, 0.7, 0.8])
    """
    check_option("on_error", on_error, ["raise", "skip"])
    files = _list_table(source) if _is_table(source) else _list_folder(source, pattern)
    _check_unique(files)
    # Without names, each subject has the signals that other subjects have.
    wanted = files["signal"].dropna().unique().tolist() if signals is None else list(signals)
    recordings, skipped = {}, []
    for subject in sorted(set(files["subject"])):
        rows = files[files["subject"] == subject]
        try:
            recordings[subject] = _read_subject(
                subject, rows, wanted, signals, sampling_rates or {}, options
            )
        except (RecordingError, OSError) as error:
            if on_error == "raise":
                skip = "Pass on_error='skip' to leave out such subjects."
                if pattern is None and not _is_table(source):
                    skip += (
                        " Without a pattern, each file is a subject. Pass a pattern, such as "
                        "'{subject}_{signal}.csv', for other names."
                    )
                raise RecordingError(f"Subject {subject!r}: {error} {skip}") from error
            paths = ", ".join(map(str, rows["path"]))
            skipped.append({"subject": subject, "path": paths, "reason": str(error)})
    if not recordings:
        raise RecordingError(
            f"No subject can be read; the first is {skipped[0]['subject']!r}: "
            f"{skipped[0]['reason']}"
        )
    table = pd.DataFrame(skipped, columns=["subject", "path", "reason"])
    return StudyRecordings(recordings, table)


def _is_table(source: Any) -> bool:
    return isinstance(source, pd.DataFrame) or Path(fspath(source)).is_file()


def _list_table(source: str | PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """Return subject, signal (None for all) and path of each file of a table."""
    if isinstance(source, pd.DataFrame):
        table = source.astype(object).reset_index(drop=True)
        folder, name = Path(), "The table of files"
    else:
        path = Path(source)
        table = read_cells(path).fillna("")
        folder, name = path.parent, str(path)
    for column in ("subject", "path"):
        if column not in table.columns:
            raise RecordingError(
                f"{name} has no column {column!r}; its columns are "
                f"{', '.join(map(repr, table.columns))}. Expected subject and path, and signal if "
                "each file holds one signal."
            )
    files = pd.DataFrame({"subject": table["subject"].map(str)})
    files["signal"] = table["signal"].map(str) if "signal" in table.columns else None
    files["path"] = pd.Series([folder / str(path) for path in table["path"]], dtype=object)
    if not len(files):
        raise RecordingError(f"{name} has no rows.")
    return files


def _list_folder(source: str | PathLike[str] | pd.DataFrame, pattern: str | None) -> pd.DataFrame:
    """Return subject, signal (None for all) and path of each file that matches."""
    folder = Path(fspath(source))  # type: ignore[arg-type]
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder or table {folder}.")
    expression = _compile(pattern)
    paths = sorted(folder.rglob("*")) if pattern else sorted(folder.iterdir())
    rows: list[tuple[str, str | None, Path]] = []
    for path in paths:
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if pattern is None:
            if is_listed(path) and not is_events_table(path):
                rows.append((path.stem if path.is_file() else path.name, None, path))
        elif (found := expression.fullmatch(relative.as_posix())) and not is_events_table(path):
            groups = found.groupdict()
            rows.append((groups["subject"], groups.get("signal"), path))
    if not rows:
        names = ", ".join(path.name for path in paths[:5]) or "nothing"
        raise RecordingError(
            f"No file in {folder} matches {pattern!r}; it holds {names}"
            f"{', ...' if len(paths) > 5 else ''}."
            if pattern
            else f"{folder} holds no recordings; it holds {names}. Pass a pattern, such as "
            "'{subject}/{signal}.csv'."
        )
    return pd.DataFrame(rows, columns=["subject", "signal", "path"])


def is_recording(path: Path) -> bool:
    """Return whether a reader takes a file or a folder, judged by its name and first bytes."""
    try:
        find_format(path)
    except RecordingError:
        return False
    return True


def is_listed(path: Path) -> bool:
    """Return whether a file in a folder is taken as a recording; text such as notes.txt is not."""
    if not is_recording(path):
        return False
    is_text = find_format(path)[2] is text_tables.FORMAT
    return not is_text or path.suffix.lower() in text_tables.SUFFIXES


def is_events_table(path: Path) -> bool:
    """Return whether a file is a table of events, with the columns subject and onset."""
    if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.readline(10_000).removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    names = {name.strip().strip('"') for name in re.split(r"[\t;|,]", header)}
    return {"subject", "onset"} <= names


def _compile(pattern: str | None) -> re.Pattern[str]:
    """Return a regular expression with groups subject and signal; any case in the suffix."""
    if pattern is None:
        return re.compile("")
    names = [found.group(1) for found in PLACEHOLDER.finditer(pattern) if found.group(2) is None]
    if "subject" not in names or len(set(names)) < len(names) or set(names) - set(NAMES):
        raise ValueError(
            f"pattern={pattern!r}; expected {{subject}} once and {{signal}} at most once, such as "
            "'{subject}_{signal}.csv'."
        )
    stem, dot, suffix = pattern.rpartition(".")
    if "/" in suffix or "}" in suffix or not dot:
        stem, dot, suffix = pattern, "", ""
    parts, end = [], 0
    for found in PLACEHOLDER.finditer(stem):
        parts.append(re.escape(stem[end : found.start()]))
        parts.append("[^/]*" if found.group(2) else f"(?P<{found.group(1)}>[^/]+?)")
        end = found.end()
    parts.append(re.escape(stem[end:]))
    return re.compile("".join(parts) + (f"(?i:{re.escape(dot + suffix)})" if dot else ""))


def _check_unique(files: pd.DataFrame) -> None:
    twice = files[files.duplicated(["subject", "signal"], keep=False)]
    if len(twice):
        subject, signal = twice["subject"].iloc[0], twice["signal"].iloc[0]
        same = twice[twice["subject"] == subject]
        what = f" have the signal {signal!r} of" if signal is not None else " are of"
        raise RecordingError(
            f"{same['path'].iloc[0]} and {same['path'].iloc[1]}{what} subject {subject!r}; name "
            "one file for each, by a pattern or a table."
        )


def _read_subject(
    subject: str,
    files: pd.DataFrame,
    wanted: Sequence[str],
    signals: Mapping[str, str] | None,
    sampling_rates: Mapping[str, float],
    options: Mapping[str, Any],
) -> Recording:
    parts = []
    for signal, path in zip(files["signal"], files["path"], strict=True):
        if signal is None:
            parts.append(_read_all(path, signals, sampling_rates, options))
        elif signals is None or signal in signals:
            parts.append(_read_one(path, signal, signals, sampling_rates.get(signal), options))
    found = {name for part in parts for name in part.channels}
    if missing := [name for name in wanted if name not in found]:
        names = ", ".join(str(path) for path in files["path"])
        raise RecordingError(f"no file of the signal {missing[0]!r}; the files are {names}.")
    return replace(_join(parts), subject=subject)


def _read_all(
    path: Path,
    signals: Mapping[str, str] | None,
    sampling_rates: Mapping[str, float],
    options: Mapping[str, Any],
) -> Recording:
    """Read the signals of a file under their names in the study."""
    channels = None if signals is None else list(dict.fromkeys(signals.values()))
    names = signals or {}
    rates = {names.get(name, name): rate for name, rate in sampling_rates.items()}
    recording = read_recording(path, channels, sampling_rate=rates or None, **options)
    if signals is None:
        return recording
    return replace(recording, channels={name: recording[own] for name, own in signals.items()})


def _read_one(
    path: Path,
    signal: str,
    signals: Mapping[str, str] | None,
    rate: float | None,
    options: Mapping[str, Any],
) -> Recording:
    """Read the one signal of a file."""
    recording = read_recording(path, sampling_rate=rate, **options)
    channels = dict(recording.channels)
    name = (signals or {}).get(signal, signal)
    # The only channel of a file may have any name, unless the user gave its name.
    if name not in channels and (len(channels) != 1 or name != signal):
        raise RecordingError(
            f"{path} has the channels {', '.join(map(repr, channels))}, and none is called "
            f"{name!r}; pass signals={{{signal!r}: channel}}."
        )
    channel = channels.get(name) or next(iter(channels.values()))
    return replace(recording, channels={signal: channel})


def _join(parts: list[Recording]) -> Recording:
    """Join recordings of one subject on one time axis."""
    starts = [part.start_time for part in parts]
    if len({(start is None, start is not None and start.tzinfo is None) for start in starts}) > 1:
        sources = ", ".join(f"{part.source} ({part.start_time})" for part in parts)
        raise RecordingError(
            f"some files have a start time and others do not, or only some have a time zone: "
            f"{sources}. Their signals cannot be aligned."
        )
    # In one time zone, Python compares and subtracts times of a clock, which jumps twice a year.
    in_utc = [
        start.astimezone(UTC) if start is not None and start.tzinfo else start for start in starts
    ]
    earliest = min((start for start in in_utc if start is not None), default=None)
    first = None if earliest is None else starts[in_utc.index(earliest)]
    channels: dict[str, Channel] = {}
    annotations = []
    for part, start in zip(parts, in_utc, strict=True):
        delay = 0.0
        if earliest is not None and start is not None:
            delay = (start - earliest).total_seconds()
        for name, channel in part.channels.items():
            if name in channels:
                raise RecordingError(f"the signal {name!r} is in more than one file.")
            samples = join_segments([(delay, channel.samples)], channel.sampling_rate)
            channels[name] = replace(channel, samples=samples) if delay else channel
        annotations.append(part.annotations.assign(onset=part.annotations["onset"] + delay))
    return Recording(
        channels,
        start_time=first,
        annotations=_join_annotations(annotations),
        source=", ".join(str(part.source) for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _join_annotations(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return annotations in the order of their onsets; those that several files have, once."""
    # Equal annotations of one file are numbered, so that all of them are kept.
    numbered = [
        part.assign(number=part.groupby(list(part.columns), dropna=False).cumcount())
        for part in parts
    ]
    joined = pd.concat(numbered).drop_duplicates().drop(columns="number")
    return joined.sort_values("onset", kind="stable", ignore_index=True)
