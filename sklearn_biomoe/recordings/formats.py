"""What a file format consists of, and what all readers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import FloatArray
from .recording import Recording

SamplingRate = float | Mapping[str, float] | None
LARGEST_GAP = 2**28  # samples, 2 GiB: a damaged time must not allocate all memory


class RecordingError(ValueError):
    """A recording that cannot be read, or not as requested.

    Readers raise it without the path; `read_recording` puts the path in front.
    """


@dataclass(frozen=True)
class ChannelHeader:
    """A channel as `list_channels` lists it.

    Parameters
    ----------
    name : str
    sampling_rate : float
        In Hz; NaN if the file does not give one.
    unit : str
    n_samples : int
        Gaps included.
    """

    name: str
    sampling_rate: float
    unit: str
    n_samples: int


@dataclass(frozen=True)
class Format:
    """One file format.

    Parameters
    ----------
    name : str
        For messages, such as "EDF".
    suffixes : tuple of str
        In lower case with the dot, such as ".edf". Files are matched in any case.
    read : callable
        ``read(path, channels, *, sampling_rate, **options)`` returns a `Recording`. ``channels`` is
        a list of names or None for all; ``sampling_rate`` is what the user passed, which only
        readers of files without a rate use: `read_recording` compares the result with it. Further
        keyword parameters of the function are options of `read_recording` for this format.
    list_channels : callable
        ``list_channels(path)`` returns a list of `ChannelHeader` without reading all samples.
    matches : callable or None, default=None
        ``matches(path)`` returns whether a file or folder has this format, for formats that a
        suffix does not decide. It is called before suffixes are compared.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., Recording]
    list_channels: Callable[[Path], list[ChannelHeader]]
    matches: Callable[[Path], bool] | None = None


def import_library(name: str, format_name: str) -> Any:
    """Import a library of the extra ``recordings``."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{format_name} files need {name}: pip install 'sklearn-biomoe[recordings]'."
        ) from error


def decode(field: bytes) -> str:
    """Decode text in UTF-8 or Latin-1 that is padded with spaces or NUL bytes."""
    field = field.split(b"\0")[0]
    try:
        return field.decode().strip()
    except UnicodeDecodeError:
        return field.decode("latin-1").strip()


def name_channels(labels: Sequence[str]) -> list[str]:
    """Return one name per channel: labels that occur more than once are numbered.

    Examples
    --------
    >>> name_channels(["EDA", "EEG", "EEG", ""])
    ['EDA', 'EEG #1', 'EEG #2', 'channel 4']
    """
    labels = [label or f"channel {number}" for number, label in enumerate(labels, 1)]
    counts, seen, names = Counter(labels), Counter[str](), list[str]()
    for label in labels:
        name = label
        while counts[label] > 1 and (name == label or name in counts):
            seen[label] += 1
            name = f"{label} #{seen[label]}"
        names.append(name)
    return names


def select_channels(channels: Sequence[str] | None, names: Sequence[str]) -> list[int]:
    """Return positions of channels by the names from `name_channels`; None selects all.

    Raises
    ------
    RecordingError
        If a channel is missing, or its label occurs more than once.
    """
    if channels is None:
        return list(range(len(names)))
    for name in channels:
        if name in names:
            continue
        numbered = [other for other in names if other.rpartition(" #")[0] == name]
        if numbered:
            raise RecordingError(
                f"{len(numbered)} channels are called {name!r}; pass one of "
                f"{', '.join(map(repr, numbered))}."
            )
        shown = ", ".join(map(repr, names[:30])) + (", ..." if len(names) > 30 else "")
        raise RecordingError(f"There is no channel {name!r}; the channels are {shown}.")
    return [list(names).index(name) for name in channels]


def rate_of(sampling_rate: SamplingRate, channel: str) -> float | None:
    """Return the rate that the user passed for a channel, None if there is none."""
    if isinstance(sampling_rate, Mapping):
        return sampling_rate.get(channel)
    return sampling_rate


def place_segments(
    onsets: Sequence[float], lengths: Sequence[int], sampling_rate: float
) -> tuple[list[int], int]:
    """Return the first sample of each segment, and the number of samples of the channel.

    Parameters as for `join_segments`, which describes the rule.
    """
    positions: list[int] = []
    end = 0
    for onset, length in zip(onsets, lengths, strict=True):
        position = round(onset * sampling_rate)
        if positions and abs(onset * sampling_rate - end) < 1:
            position = end
        if position < end:
            raise RecordingError(
                f"Samples at {onset:g} s begin before {end / sampling_rate:g} s, where "
                "the recording starts or those before end; the times in the file are not in order."
            )
        positions.append(position)
        end = position + length
    if end - sum(lengths) > LARGEST_GAP:
        raise RecordingError(
            f"{sum(lengths)} samples are spread over {end / sampling_rate:g} s; the times in the "
            "file are damaged, or the file has to be split where nothing was recorded."
        )
    return positions, end


def join_segments(segments: Sequence[tuple[float, FloatArray]], sampling_rate: float) -> FloatArray:
    """Place segments of a channel on its time axis, with NaN between them.

    Parameters
    ----------
    segments : sequence of (onset, samples)
        Onsets in seconds from the recording's start, in order. A segment that begins less than a
        sample from the end of the one before continues it; others begin at the nearest sample.
    sampling_rate : float
        In Hz.

    Returns
    -------
    samples : ndarray of shape (n_samples,), float64

    Raises
    ------
    RecordingError
        If a segment begins before the recording, or before the segment before it ends.

    Examples
    --------
    >>> join_segments([(0.5, np.array([1.0, 2.0])), (2.0, np.array([3.0]))], sampling_rate=2)
    array([nan,  1.,  2., nan,  3.])
    """
    onsets, lengths = [onset for onset, _ in segments], [len(samples) for _, samples in segments]
    positions, n_samples = place_segments(onsets, lengths, sampling_rate)
    joined = np.full(n_samples, np.nan)
    for (_, samples), position in zip(segments, positions, strict=True):
        joined[position : position + len(samples)] = samples
    return joined
