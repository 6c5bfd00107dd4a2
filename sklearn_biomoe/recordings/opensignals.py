"""Text files of OpenSignals (BITalino, biosignalsplux), with a JSON header."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import FloatArray
from .._validation.parameters import check_option, is_number
from .formats import ChannelHeader, Format, RecordingError, SamplingRate, select_channels
from .recording import Channel, Recording
from .text_cells import TextTable
from .text_dialects import decode_text, read_bytes, split_lines

FIRST_LINE = "# OpenSignals Text File Format"
END_OF_HEADER = "# EndOfHeader"
COUNTER = "nSeq"


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    incomplete: str = "error",
) -> Recording:
    """Read a file of one device.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called; the rate is ignored.
    incomplete : {"error", "keep"}, default="error"
        For samples that the counter of the device shows to be lost: "keep" reads them as NaN. The
        counter does not show losses of its whole range.
    """
    check_option("incomplete", incomplete, ["error", "keep"])
    device, table = _open(path)
    names = [name for name in table.names if name != COUNTER]
    selected = [names[i] for i in select_channels(channels, names)]
    positions = [table.names.index(name) for name in selected]
    counter = [table.names.index(COUNTER)] if COUNTER in table.names else []
    columns = table.read_columns([*positions, *counter])
    for position in (*positions, *counter):
        if problem := table.describe_problem(position, columns[position])[0]:
            raise RecordingError(problem)
    places, notes = np.arange(len(table.lines)), list[str]()
    if counter:
        places, notes = _find_places(np.asarray(columns[counter[0]]), table, incomplete)
    read_channels = {}
    for name, position in zip(selected, positions, strict=True):
        samples = np.full(int(places[-1]) + 1, np.nan)
        samples[places] = columns[position]
        read_channels[name] = Channel(samples, float(device["sampling rate"]))
    sensors = zip(device.get("label", ()), device.get("sensor", ()), strict=False)
    described = ", ".join(f"{label} {sensor}" for label, sensor in sensors)
    notes.append(f"Samples are digital values, not in physical units. Sensors: {described}.")
    return Recording(read_channels, start_time=_start_time(device), notes=tuple(notes))


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns; lost samples are not counted."""
    device, table = _open(path)
    return [
        ChannelHeader(name, float(device["sampling rate"]), "", len(table.lines))
        for name in table.names
        if name != COUNTER
    ]


def matches(path: Path) -> bool:
    """Return whether a text file begins as those of OpenSignals."""
    if path.suffix.lower() != ".txt" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(FIRST_LINE)) == FIRST_LINE.encode()


def _open(path: Path) -> tuple[dict[str, Any], TextTable]:
    """Return the description of the device, and the rows."""
    lines = split_lines(decode_text(read_bytes(path))[0])
    if END_OF_HEADER not in (header := [line.strip() for line in lines[:10]]):
        raise RecordingError(f"The header does not end with {END_OF_HEADER!r}.")
    first = header.index(END_OF_HEADER) + 1
    try:
        devices = json.loads(lines[1].lstrip("# "))
    except json.JSONDecodeError as error:
        raise RecordingError(f"The header in line 2 is not JSON: {error}.") from error
    if not isinstance(devices, dict) or len(devices) != 1:
        raise RecordingError(
            f"The file has {len(devices)} devices, {', '.join(devices)}; export one by one."
        )
    (device,) = devices.values()
    rate, names = device.get("sampling rate"), device.get("column")
    if not is_number(rate) or not rate > 0 or not isinstance(names, list):
        raise RecordingError(f"The header has sampling rate {rate!r} and column {names!r}.")
    if not (rows := lines[first:]):
        raise RecordingError("The file has no samples.")
    return device, TextTable(rows, range(first + 1, first + 1 + len(rows)), names, "\t")


def _find_places(counter: FloatArray, table: TextTable, incomplete: str) -> tuple[Any, list[str]]:
    """Return the place of each sample by a counter that begins again after its largest value."""
    if np.isnan(counter).any():
        line = table.line_numbers[int(np.isnan(counter).argmax())]
        raise RecordingError(f"Line {line} has no sequence number.")
    period = 2 ** int(np.ceil(np.log2(max(np.nanmax(counter) + 1, 2))))
    lost = (np.diff(counter) - 1) % period
    if not lost.any():
        return np.arange(len(counter)), []
    row = int((lost != 0).argmax()) + 1
    message = (
        f"Line {table.line_numbers[row]} has the sequence number {counter[row]:g} after "
        f"{counter[row - 1]:g}: samples were lost, {int(lost.sum())} or more in the file"
    )
    if incomplete == "error":
        raise RecordingError(f"{message}. Pass incomplete='keep' to read them as missing samples.")
    return np.append(0, np.cumsum(lost + 1)).astype(np.int64), [f"{message}."]


def _start_time(device: dict[str, Any]) -> datetime | None:
    try:
        year, month, day = map(int, device["date"].split("-"))
        hour, minute, second = device["time"].split(":")
        micros = round(float(second) * 1e6)
        return datetime(year, month, day, int(hour), int(minute), *divmod(micros, 10**6))
    except (KeyError, ValueError, AttributeError):
        return None


FORMAT = Format("OpenSignals", (), read, list_channels, matches)
