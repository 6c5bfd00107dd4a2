"""Physiological recordings of BIDS: ``*_physio.tsv.gz`` with a JSON sidecar, and events.

Reference: https://bids-specification.readthedocs.io, "Physiological recordings".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._validation.parameters import is_number
from .formats import (
    ChannelHeader,
    Format,
    RecordingError,
    SamplingRate,
    name_channels,
    rate_of,
    select_channels,
)
from .recording import Channel, Recording, make_annotations
from .text_cells import TextTable
from .text_dialects import decode_text, read_bytes, split_lines

NAME = re.compile(r"(.+)_(physio|stim)\.tsv(?:\.gz)?", re.IGNORECASE)
RATING = r"-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?)?|-?\de[+-]\d+"  # and not 007 or 1E3


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    annotations: bool = True,
) -> Recording:
    """Read a recording; the events of the same run are its annotations.

    Onsets count from the first sample, which is at ``StartTime`` on the clock of the events. The
    label is the trial type; other columns of the events are kept beside it.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called. The rate is used if the sidecar does not have one.
    annotations : bool, default=True
        False leaves the events out.
    """
    sidecar, table = _open(path)
    columns = sidecar["Columns"]
    selected = select_channels(channels, columns)
    values = table.read_columns(selected)
    for position in selected:
        if problem := table.describe_problem(position, values[position])[0]:
            raise RecordingError(problem)
    read_channels = {}
    for i in selected:
        samples = np.asarray(values[i], np.float64)
        rate = _rate(sidecar, rate_of(sampling_rate, columns[i]))
        read_channels[columns[i]] = Channel(samples, rate, _unit(sidecar, columns[i]))
    events = _find_events(path) if annotations else None
    start = float(sidecar["StartTime"])
    notes = [f"The first sample is at {start:g} s on the clock of the events."] if start else []
    if annotations and events is None:
        notes.append("There is no file of events beside the recording.")
    return Recording(
        read_channels,
        annotations=make_annotations() if events is None else _read_events(events, start),
        subject=_entities(path).get("sub"),
        notes=tuple(notes),
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns; the file is decompressed, as it does not state its length."""
    sidecar, table = _open(path)
    rate = sidecar.get("SamplingFrequency") or np.nan
    return [
        ChannelHeader(name, rate, _unit(sidecar, name), len(table.lines))
        for name in sidecar["Columns"]
    ]


def matches(path: Path) -> bool:
    """Return whether a file is named as BIDS prescribes."""
    return NAME.fullmatch(path.name) is not None and path.is_file()


def _open(path: Path) -> tuple[dict[str, Any], TextTable]:
    """Return the sidecar, with the fields that reading needs, and the rows."""
    sidecar = _read_sidecar(path)
    columns = sidecar["Columns"]
    lines = split_lines(decode_text(read_bytes(path))[0])
    first = 1
    if lines and [cell.strip() for cell in lines[0].split("\t")] == columns:
        lines, first = lines[1:], 2  # names, which the format does not have
    sidecar["Columns"] = name_channels(columns)
    if not lines:
        raise RecordingError("The file has no samples.")
    numbers = range(first, first + len(lines))
    return sidecar, TextTable(lines, numbers, sidecar["Columns"], "\t")


def _entities(path: Path) -> dict[str, str]:
    """Return entities of a name: {"sub": "01", "task": "rest"} of "sub-01_task-rest_physio"."""
    stem = path.name.split(".")[0]
    return dict(part.split("-", 1) for part in stem.split("_") if "-" in part)


def _read_sidecar(path: Path) -> dict[str, Any]:
    """Merge the sidecars that apply to a file; those in folders below and of longer names win."""
    suffix = NAME.fullmatch(path.name)[2]  # type: ignore[index]
    entities = _entities(path)
    folders = [path.parent]
    while not (folders[-1] / "dataset_description.json").exists() and len(folders) < 5:
        if folders[-1] == folders[-1].parent:
            break
        folders.append(folders[-1].parent)
    merged: dict[str, Any] = {}
    for folder in reversed(folders):
        for file in sorted(folder.glob(f"*{suffix}.json"), key=lambda file: len(_entities(file))):
            if _entities(file).items() <= entities.items():
                merged |= _read_json(file)
    if not merged:
        raise RecordingError(
            f"There is no sidecar {path.name.split('.')[0]}.json; put it beside the file."
        )
    _check_sidecar(merged)
    return merged


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(decode_text(path.read_bytes())[0])
    except json.JSONDecodeError as error:
        raise RecordingError(f"The sidecar {path.name} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise RecordingError(f"The sidecar {path.name} is not a JSON object.")
    return content


def _check_sidecar(sidecar: dict[str, Any]) -> None:
    columns = sidecar.get("Columns")
    if not isinstance(columns, list) or not columns or not all(isinstance(c, str) for c in columns):
        raise RecordingError(f"The sidecar has Columns={columns!r}; expected a list of names.")
    rate = sidecar.get("SamplingFrequency")
    if rate is not None and not (is_number(rate) and rate > 0):
        raise RecordingError(f"The sidecar has SamplingFrequency={rate!r}; expected Hz above 0.")
    start = sidecar.setdefault("StartTime", 0)
    if not is_number(start):
        raise RecordingError(f"The sidecar has StartTime={start!r}; expected seconds.")


def _rate(sidecar: dict[str, Any], given: float | None) -> float:
    rate = sidecar.get("SamplingFrequency") or given
    if rate is None:
        raise RecordingError("The sidecar has no SamplingFrequency; pass sampling_rate in Hz.")
    return float(rate)


def _unit(sidecar: dict[str, Any], name: str) -> str:
    described = sidecar.get(name)
    return str(described.get("Units", "")) if isinstance(described, dict) else ""


def _find_events(path: Path) -> Path | None:
    """Return the file of events of the same run, whose name lacks the entity "recording"."""
    entities = {key: value for key, value in _entities(path).items() if key != "recording"}
    there = [
        file for file in sorted(path.parent.glob("*_events.tsv")) if _entities(file) == entities
    ]
    return there[0] if there else None


def _read_events(path: Path, start: float) -> pd.DataFrame:
    """Return annotations, with other columns as text, or as numbers if all cells are."""
    lines = split_lines(decode_text(path.read_bytes())[0])
    names = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    if names[:1] != ["onset"] or "duration" not in names:
        raise RecordingError(
            f"{path.name} has the columns {names}; expected onset, duration and others. Pass "
            "annotations=False to read the signals alone."
        )
    names = name_channels(names)
    if not (rows := [line for line in lines[1:] if line.strip()]):
        return make_annotations()
    table = TextTable(rows, range(2, len(rows) + 2), names, "\t", file=path.name)
    at_duration = names.index("duration")
    times = table.read_columns([0, at_duration])
    for position, values in times.items():
        if problem := table.describe_problem(position, values)[0]:
            raise RecordingError(problem)
    onsets, durations = np.asarray(times[0]), np.asarray(times[at_duration])
    if np.isnan(onsets).any():
        raise RecordingError(f"{path.name}, line {np.isnan(onsets).argmax() + 2}, has no onset.")
    texts = dict(zip(names, table.read_text(range(len(names))), strict=True))
    del texts["onset"], texts["duration"]
    label = next((name for name in ("trial_type", "value") if name in texts), None)
    labels = texts.pop(label) if label else [""] * len(rows)
    frame = make_annotations(zip(onsets - start, durations, labels, strict=True))
    order = np.argsort(onsets, kind="stable")
    for name, cells in texts.items():
        ratings = _to_ratings(cells)
        frame[name] = pd.Series(ratings[order], dtype=ratings.dtype)  # None is kept
    return frame


def _to_ratings(cells: pd.Series[str]) -> Any:
    """Return numbers if all cells are, as people write ratings; else text with None for n/a."""
    missing = cells.isin(["n/a", ""])
    if (missing | cells.str.fullmatch(RATING)).all() and not missing.all():
        return cells.mask(missing, "nan").to_numpy(np.float64)
    return cells.astype(object).mask(missing, None).to_numpy()


FORMAT = Format("BIDS", (), read, list_channels, matches)
