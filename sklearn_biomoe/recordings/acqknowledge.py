"""Files of BIOPAC's AcqKnowledge, through the library bioread."""

from __future__ import annotations

from math import lcm
from pathlib import Path
from typing import Any

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

LONGEST_PATTERN = 10**6  # samples until the channels are sampled at the same time again
APPENDED = "apnd"  # type of the markers where a recording was started or continued


def read(
    path: Path,
    channels: list[str] | None,
    *,
    sampling_rate: SamplingRate,
    annotations: bool = True,
) -> Recording:
    """Read a file.

    Parameters
    ----------
    path, channels, sampling_rate
        As `Format.read` is called; the rate is ignored.
    annotations : bool, default=True
        False leaves the event markers out, for files in which they are damaged.
    """
    file = _read_headers(path)
    names = _name_channels(file)
    selected = select_channels(channels, names)
    data = import_library("bioread", "AcqKnowledge").read(str(path), selected)
    read_channels = {}
    for i in selected:
        channel = data.channels[i]
        if len(channel.data) != channel.point_count:
            raise RecordingError(
                f"Channel {names[i]!r} has {len(channel.data)} samples; the header states "
                f"{channel.point_count}."
            )
        read_channels[names[i]] = Channel(channel.data, channel.samples_per_second, _unit(file, i))
    if annotations and data.event_markers is None:
        raise RecordingError(
            "The event markers are not readable; pass annotations=False to read the signals."
        )
    markers = data.event_markers if annotations else []
    appended = [marker for marker in markers if marker.type_code == APPENDED]
    starts = [marker.date_created_utc for marker in appended if marker.sample_index == 0]
    return Recording(
        read_channels,
        start_time=starts[0] if starts else None,
        annotations=make_annotations(
            (marker.sample_index / data.samples_per_second, None, _label(marker))
            for marker in markers
        ),
        notes=tuple(
            f"The recording was continued at {marker.sample_index / data.samples_per_second:g} s; "
            "the file does not state for how long it was interrupted."
            for marker in appended
            if marker.sample_index > 0
        ),
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals from the headers."""
    file = _read_headers(path)
    return [
        ChannelHeader(name, channel.samples_per_second, _unit(file, i), channel.point_count)
        for i, (name, channel) in enumerate(zip(_name_channels(file), file.channels, strict=True))
    ]


def _read_headers(path: Path) -> Any:
    bioread = import_library("bioread", "AcqKnowledge")
    with path.open("rb") as file:
        reader = bioread.reader_for_streaming(file)
    if reader.datafile is None:
        raise RecordingError("The file does not have the headers of an AcqKnowledge file.")
    channels = reader.datafile.channels
    dividers = [channel.frequency_divider for channel in channels]
    if (
        min(dividers) < 1
        or lcm(*dividers) > LONGEST_PATTERN
        or any(channel.point_count < 0 for channel in channels)
        or not reader.samples_per_second > 0
    ):
        raise RecordingError("The sampling rates or lengths in the headers are damaged.")
    end = reader.data_start_offset + (reader.data_length or 0)
    if end > path.stat().st_size:
        raise RecordingError(
            f"The samples end at byte {end}, but the file has {path.stat().st_size} bytes; it is "
            "truncated."
        )
    return reader.datafile


def _name_channels(file: Any) -> list[str]:
    # bioread's own names lack characters that are not valid UTF-8, such as the "µ" of "µS".
    return name_channels([decode(header.data["szCommentText"]) for header in file.channel_headers])


def _unit(file: Any, number: int) -> str:
    return decode(file.channel_headers[number].data["szUnitsText"])


def _label(marker: Any) -> str:
    """Return the marker's text, or its type if it has no text."""
    return marker.text.strip() or (marker.type if marker.type_code else "")


FORMAT = Format("AcqKnowledge", (".acq",), read, list_channels)
