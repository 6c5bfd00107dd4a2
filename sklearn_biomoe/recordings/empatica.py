"""Sessions of the Empatica E4: a folder or zip file with one CSV file for each signal.

The first line of a file is the start in seconds since 1970, the second one the sampling rate.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath

import numpy as np

from .._typing import FloatArray
from .formats import (
    ChannelHeader,
    Format,
    RecordingError,
    SamplingRate,
    join_segments,
    place_segments,
    select_channels,
)
from .recording import Channel, Recording, make_annotations
from .text_cells import TextTable
from .text_dialects import decode_text, read_bytes, split_lines

UNITS = {"EDA": "µS", "BVP": "", "TEMP": "°C", "HR": "bpm", "ACC": "g/64"}
FILE = re.compile(r"(EDA|BVP|TEMP|HR|ACC|IBI|tags)(?:_.*)?\.csv(?:\.gz)?", re.IGNORECASE)
START = re.compile(r"\s*(1\d{9}(?:\.\d*)?)\s*")
LARGEST_RATE = 1e4
RATE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*")


@dataclass(frozen=True)
class Signal:
    """The lines of one file: start, sampling rate and samples of one or three axes."""

    file: str
    names: list[str]
    unit: str
    start: float
    sampling_rate: float
    lines: list[str]

    def read(self) -> FloatArray:
        """Return samples of shape (n_samples, n_axes)."""
        return _read_numbers(self.lines, 3, self.names, self.file)


def read(
    path: Path, channels: list[str] | None, *, sampling_rate: SamplingRate, ibi: bool = False
) -> Recording:
    """Read a session, or one signal of it.

    Channels begin at the earliest of their starts; those that start later have NaN before. Tags are
    annotations.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called; the rate is ignored.
    ibi : bool, default=False
        Whether intervals between heart beats are annotations too, with the label "IBI".
    """
    files = _find_files(path)
    signals, notes = _open_signals(path, files)
    start = min(signal.start for signal in signals)
    names = [name for signal in signals for name in signal.names]
    selected = {names[i] for i in select_channels(channels, names)}
    read_channels = {}
    for signal in signals:
        if selected.isdisjoint(signal.names):
            continue
        for name, samples in zip(signal.names, signal.read().T, strict=True):
            if name in selected:
                segments = [(signal.start - start, samples)]
                joined = join_segments(segments, signal.sampling_rate)
                read_channels[name] = Channel(joined, signal.sampling_rate, signal.unit)
    rows = [(time - start, None, "tag") for time in _read_tags(files)]
    intervals = _read_intervals(files, start)
    if intervals and not ibi:
        notes.append(f"{len(intervals)} intervals in the IBI file are read with ibi=True.")
    return Recording(
        read_channels,
        start_time=datetime.fromtimestamp(start, UTC),
        annotations=make_annotations([*rows, *(intervals if ibi else ())]),
        subject=_subject(path),
        notes=tuple(notes),
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals."""
    signals, _ = _open_signals(path, _find_files(path))
    start = min(signal.start for signal in signals)
    headers = []
    for signal in signals:
        rate = signal.sampling_rate
        _, n_samples = place_segments([signal.start - start], [len(signal.lines)], rate)
        headers += [ChannelHeader(name, rate, signal.unit, n_samples) for name in signal.names]
    return headers


def matches(path: Path) -> bool:
    """Return whether a path is a session, as folder or zip file, or a file of one."""
    if path.suffix.lower() == ".zip" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except Exception:  # damaged, which reading reports
            return True
        return any(FILE.fullmatch(PurePath(name).name) for name in names)
    if path.is_dir():
        files = [other for other in path.iterdir() if FILE.fullmatch(other.name)]
        return any(map(_is_signal, files))
    return path.name.lower().endswith((".csv", ".csv.gz")) and _is_signal(path)


def _is_signal(path: Path) -> bool:
    """Return whether the first lines of a file are those of a signal or of intervals."""
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
            lines = split_lines(file.read(400).decode("latin-1"))
    except (OSError, EOFError, zlib.error):
        return False
    if re.fullmatch(START.pattern + r",\s*IBI\s*", lines[0] if lines else ""):
        return True
    return len(lines) > 1 and _parse_header(lines[:2]) is not None


def _parse_header(lines: list[str]) -> tuple[float, float, int] | None:
    """Return start, sampling rate and number of axes; None if the lines do not hold them."""
    starts, rates = ([cell.strip() for cell in line.split(",")] for line in lines)
    if len(set(starts)) > 1 or len(set(rates)) > 1 or len(starts) != len(rates):
        return None
    if not START.fullmatch(starts[0]) or not RATE.fullmatch(rates[0]):
        return None
    if not 0 < float(rates[0]) < LARGEST_RATE:  # those of tags are times
        return None
    return float(starts[0]), float(rates[0]), len(starts)


def _find_files(path: Path) -> dict[str, tuple[str, bytes]]:
    """Return name and content of each file by its kind, such as "EDA" or "TAGS"."""
    if path.is_dir():
        contents = [
            (other.name, read_bytes(other))
            for other in sorted(path.iterdir())
            if FILE.fullmatch(other.name)
        ]
    elif path.suffix.lower() == ".zip":
        contents = _read_archive(path)
    else:
        name = path.name.lower().removesuffix(".gz").removesuffix(".csv")
        kinds = [kind for kind in (*UNITS, "IBI") if kind.lower() == re.split("[_ -]", name)[-1]]
        kind = kinds[0] if kinds else path.name.split(".")[0]
        return {kind: (path.name, read_bytes(path))}
    files: dict[str, tuple[str, bytes]] = {}
    for name, content in contents:
        match = FILE.fullmatch(PurePath(name).name)
        assert match is not None
        if (kind := match[1].upper()) in files:
            raise RecordingError(
                f"There are two {kind} files, {files[kind][0]} and {name}; put each session into a "
                "folder of its own."
            )
        files[kind] = name, content
    return files


def _read_archive(path: Path) -> list[tuple[str, bytes]]:
    """Return name and content of the files in a zip file that belong to a session."""
    with path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            return [
                (name, archive.read(name))
                for name in archive.namelist()
                if FILE.fullmatch(PurePath(name).name) and "__MACOSX" not in name
            ]
        except Exception as error:  # of several kinds; a damaged one may also look encrypted
            problem = f"{type(error).__name__}: {error}"
            raise RecordingError(f"The zip file is damaged or encrypted: {problem}") from error


def _open_signals(
    path: Path, files: dict[str, tuple[str, bytes]]
) -> tuple[list[Signal], list[str]]:
    """Read the headers of signals; notes are on files without samples."""
    signals, notes = [], []
    order = [*UNITS, *(kind for kind in files if kind not in UNITS)]
    for kind in order:
        if kind not in files or kind in ("IBI", "TAGS"):
            continue
        name, content = files[kind]
        lines = split_lines(decode_text(content)[0])
        if len(lines) < 3:
            notes.append(f"{name} has no samples and is left out.")
            continue
        if (header := _parse_header(lines[:2])) is None:
            raise RecordingError(
                f"{name} begins with {lines[0][:60]!r} and {lines[1][:60]!r}; expected the start "
                "in seconds since 1970, and the sampling rate."
            )
        start, rate, n_axes = header
        axes = "XYZ" if n_axes == 3 else map(str, range(1, n_axes + 1))
        names = [f"{kind}_{axis}" for axis in axes] if n_axes > 1 else [kind]
        signals.append(Signal(name, names, UNITS.get(kind, ""), start, rate, lines[2:]))
    if not signals:
        names = [name for name, _ in files.values()]
        hint = "" if path.is_dir() or path.suffix.lower() == ".zip" else "; read its folder"
        raise RecordingError(f"There is no signal with samples in {', '.join(names)}{hint}.")
    return signals, notes


def _read_numbers(lines: list[str], first: int, names: list[str], file: str) -> FloatArray:
    """Return numbers of shape (n_lines, n_columns), with NaN for blank cells."""
    if not lines:
        return np.empty((0, len(names)))
    table = TextTable(lines, range(first, first + len(lines)), names, ",", file=file)
    columns = table.read_columns(range(len(names)))
    for position, values in columns.items():
        if problem := table.describe_problem(position, values)[0]:
            raise RecordingError(problem)
    return np.column_stack([columns[i] for i in range(len(names))])


def _read_tags(files: dict[str, tuple[str, bytes]]) -> list[float]:
    """Return times of tags in seconds since 1970."""
    name, content = files.get("TAGS", ("", b""))
    lines = split_lines(decode_text(content)[0])
    while lines and not lines[-1].strip():
        del lines[-1]
    times = _read_numbers(lines, 1, ["time"], name)[:, 0]
    for row in np.flatnonzero(~((times > 1e9) & (times < 2e9))):
        raise RecordingError(
            f"{name}, line {row + 1}: {lines[row]!r} is not a time in seconds since 1970."
        )
    return times.tolist()


def _read_intervals(
    files: dict[str, tuple[str, bytes]], start: float
) -> list[tuple[float, float, str]]:
    """Return intervals between beats; the file has the time of the second beat of each."""
    name, content = files.get("IBI", ("", b""))
    lines = split_lines(decode_text(content)[0])
    if not lines:
        return []
    if not (match := START.match(lines[0])):
        raise RecordingError(
            f"{name} begins with {lines[0][:60]!r}; expected the start in seconds since 1970."
        )
    offset = float(match[1]) - start
    values = _read_numbers(lines[1:], 2, ["time", "interval"], name)
    return [(offset + end - length, length, "IBI") for end, length in values.tolist()]


def _subject(path: Path) -> str | None:
    """Return the name of the folder or zip file."""
    path = path.resolve()
    if path.is_dir():
        return path.name
    return path.stem if path.suffix.lower() == ".zip" else path.parent.name


FORMAT = Format("Empatica E4", (), read, list_channels, matches)
