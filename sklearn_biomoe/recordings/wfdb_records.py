"""Records of PhysioNet's WFDB format, through the library wfdb."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._validation.parameters import check_option
from .formats import (
    ChannelHeader,
    Format,
    RecordingError,
    SamplingRate,
    decode,
    import_library,
    name_channels,
    select_channels,
)
from .recording import Channel, Recording, make_annotations

CALIBRATION = re.compile(r"([^(/]*)(?:\([^)]*\))?(?:/(\S+))?")  # gain(baseline)/unit


@dataclass(frozen=True)
class Segment:
    """A stretch of a record that has a file, or the whole of a record with one segment."""

    path: Path  # without suffix
    first: int  # frame in the record
    n_frames: int
    names: list[str]
    units: list[str]
    samples_per_frame: list[int]
    uncalibrated: set[str] = field(default_factory=set)
    missing: bool = False


@dataclass(frozen=True)
class Record:
    """A record and its segments; frames between segments are missing."""

    header: Any
    n_frames: int
    segments: list[Segment]
    names: list[str]
    units: dict[str, str]
    samples_per_frame: dict[str, int]


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    annotator: str | None = None,
    annotations: bool = True,
    incomplete: str = "error",
) -> Recording:
    """Read a record from its header, the file with the suffix ".hea".

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called; the rate is ignored.
    annotator : str, default=None
        Suffix of the annotation file without the dot. None reads "atr" if there is one.
    annotations : bool, default=True
        False leaves the annotations out, for files in which they are damaged.
    incomplete : {"error", "keep"}, default="error"
        "keep" reads a record with several segments of which some have no file; these are NaN.
    """
    check_option("incomplete", incomplete, ["error", "keep"])
    wfdb = import_library("wfdb", "WFDB")
    record = _read_structure(wfdb, path)
    notes = []
    if missing := [segment.path.name for segment in record.segments if segment.missing]:
        n_segments = sum(segment.n_frames > 0 for segment in record.segments)  # without the layout
        message = f"{len(missing)} of {n_segments} segments have no file: "
        message += ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        if incomplete == "error":
            raise RecordingError(
                f"{message}. Put the files beside the header, or pass incomplete='keep' to read "
                "them as missing samples."
            )
        notes.append(f"{message}.")
    selected = [record.names[i] for i in select_channels(channels, record.names)]
    rows: list[tuple[float, None, str]] = []
    if annotations:
        rows, annotation_notes = _read_annotations(wfdb, path, record.header.fs, annotator)
        notes += annotation_notes
    return Recording(
        _read_samples(wfdb, record, selected),
        start_time=record.header.base_datetime,
        annotations=make_annotations(rows),
        notes=(*notes, *_uncalibrated(record, selected)),
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals from the headers of the record and its segments."""
    record = _read_structure(import_library("wfdb", "WFDB"), path)
    return [
        ChannelHeader(
            name,
            float(record.header.fs * record.samples_per_frame[name]),
            record.units[name],
            record.n_frames * record.samples_per_frame[name],
        )
        for name in record.names
    ]


def _read_structure(wfdb: Any, path: Path) -> Record:
    """Read the headers of a record and of its segments."""
    header = wfdb.rdheader(str(path.with_suffix("")))
    if not header.fs or not header.fs > 0:
        raise RecordingError(f"The header states a sampling rate of {header.fs} Hz.")
    segments, first = [], 0
    if not isinstance(header, wfdb.MultiRecord):
        if header.file_name and set(header.file_name) == {"~"}:
            raise RecordingError(
                "This header describes the segments of another record; read that record's header."
            )
        segments = [_read_segment(wfdb, path, 0, header.sig_len, header)]
    else:
        for name, n_frames in zip(header.seg_name, header.seg_len, strict=True):
            if name != "~":
                segments.append(_read_segment(wfdb, path.parent / f"{name}.hea", first, n_frames))
            first += n_frames
        if header.sig_len not in (None, first):
            raise RecordingError(
                f"The header states {header.sig_len} frames; its segments have {first}."
            )
    n_frames = max([segment.first + segment.n_frames for segment in segments] + [first])
    names = list(dict.fromkeys(name for segment in segments for name in segment.names))
    units: dict[str, str] = {}
    samples_per_frame: dict[str, int] = {}
    for segment in segments:
        for name, unit, count in zip(
            segment.names, segment.units, segment.samples_per_frame, strict=True
        ):
            if (units.setdefault(name, unit), samples_per_frame.setdefault(name, count)) != (
                unit,
                count,
            ):
                raise RecordingError(
                    f"Segment {segment.path.name} has channel {name!r} in {unit} with {count} "
                    f"samples per frame, those before in {units[name]} with "
                    f"{samples_per_frame[name]}; read the segments one by one."
                )
    return Record(header, n_frames, segments, names, units, samples_per_frame)


def _read_segment(
    wfdb: Any, path: Path, first: int, n_frames: int | None, header: Any = None
) -> Segment:
    if header is None and not path.is_file():
        return Segment(path.with_suffix(""), first, n_frames or 0, [], [], [], missing=True)
    header = header or wfdb.rdheader(str(path.with_suffix("")))
    n_signals = header.n_sig or 0
    if (n_signals and header.sig_len is None) or n_frames is None:  # the data file decides
        header.sig_len = _read_record(wfdb, path.with_suffix(""), [0]).sig_len
    if n_frames is not None and header.sig_len != n_frames:
        raise RecordingError(
            f"Segment {path.stem} has {header.sig_len} frames, but the record's header states "
            f"{n_frames}."
        )
    labels, units, gains = _read_signal_lines(path, n_signals)
    names = name_channels(labels)
    return Segment(
        path.with_suffix(""),
        first,
        header.sig_len or 0,
        names,
        units,
        [count or 1 for count in header.samps_per_frame or [None] * n_signals],
        {name for name, gain in zip(names, gains, strict=True) if not gain},
    )


def _read_signal_lines(path: Path, n_signals: int) -> tuple[list[str], list[str], list[float]]:
    """Return labels, units and gains; wfdb drops characters such as the "µ" of "µV"."""
    lines = [decode(line) for line in path.with_suffix(".hea").read_bytes().splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    labels, units, gains = [], [], []
    for line in lines[1 : n_signals + 1]:
        fields = [*line.split(maxsplit=8), *[""] * 8][:9]
        match = CALIBRATION.match(fields[2])
        gain, unit = match.groups() if match else ("", None)
        labels.append(fields[8])
        units.append(unit or "mV")
        gains.append(float(gain or 0))
    return labels, units, gains


def _read_samples(wfdb: Any, record: Record, selected: Sequence[str]) -> dict[str, Channel]:
    """Read channels in physical units, with NaN where a segment does not have them."""
    samples = {
        name: np.full(record.n_frames * record.samples_per_frame[name], np.nan) for name in selected
    }
    for segment in record.segments:
        names = [name for name in segment.names if name in samples]
        if not names or not segment.n_frames:
            continue
        read = _read_record(wfdb, segment.path, [segment.names.index(name) for name in names])
        for name, values in zip(names, read.e_p_signal, strict=True):
            count = record.samples_per_frame[name]
            start = segment.first * count
            samples[name][start : start + segment.n_frames * count] = values
    return {
        name: Channel(
            samples[name], record.header.fs * record.samples_per_frame[name], record.units[name]
        )
        for name in selected
    }


def _read_record(wfdb: Any, path: Path, channels: list[int]) -> Any:
    """Read signals of one segment, each at its own rate."""
    try:
        return wfdb.rdrecord(str(path), channels=channels, smooth_frames=False)
    except FileNotFoundError as error:
        raise RecordingError(f"The header names a data file that is missing: {error}.") from error


def _uncalibrated(record: Record, selected: Sequence[str]) -> list[str]:
    """Note channels without a gain, for which the format prescribes 200 units per mV."""
    found = set().union(*(segment.uncalibrated for segment in record.segments))
    return [
        f"Channel {name!r} is not calibrated; the format prescribes 200 units per mV for it."
        for name in selected
        if name in found
    ]


def _read_annotations(
    wfdb: Any, path: Path, sampling_rate: float, annotator: str | None
) -> tuple[list[tuple[float, None, str]], list[str]]:
    """Return annotations, and notes on annotation files that were not read."""
    known = {annotation_class.extension for annotation_class in wfdb.io.annotation.ann_classes}
    there = sorted(
        other.suffix[1:]
        for other in path.parent.glob(f"{path.stem}.*")
        if other.stem == path.stem and other.suffix[1:] in known
    )
    wanted = annotator or ("atr" if "atr" in there else None)
    notes = [
        f"The annotations in {path.stem}.{other} are not read; annotator={other!r} reads them."
        for other in there
        if other != wanted
    ]
    if wanted is None:
        return [], notes
    if not path.with_suffix(f".{wanted}").is_file():
        raise RecordingError(f"There is no annotation file {path.stem}.{wanted} beside the record.")
    try:
        found = wfdb.rdann(str(path.with_suffix("")), wanted)
    except Exception as error:  # wfdb raises anything for damaged files
        raise RecordingError(
            f"The annotations in {path.stem}.{wanted} are not readable ({error}); pass "
            "annotations=False to read the signals."
        ) from error
    texts = [(note or "").strip("\0 ") for note in found.aux_note]
    return [
        (int(sample) / (found.fs or sampling_rate), None, text or symbol)
        for sample, symbol, text in zip(found.sample, found.symbol, texts, strict=True)
    ], notes


FORMAT = Format("WFDB", (".hea",), read, list_channels)
