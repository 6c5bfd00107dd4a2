"""Recordings: channels with their own sampling rates on one time axis, and annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._typing import FloatArray
from .._validation.parameters import check_number


def make_annotations(rows: Iterable[tuple[float, float | None, str]] = ()) -> pd.DataFrame:
    """Return annotations in the order of their onsets.

    Parameters
    ----------
    rows : iterable of (onset, duration, label)
        Onset and duration in seconds. A duration that the source does not give is None or NaN.

    Returns
    -------
    annotations : DataFrame
        Columns onset and duration (float64) and label (text).

    Examples
    --------
    >>> make_annotations([(40, 20, "pain"), (10, None, "None")])
       onset  duration label
    0   10.0       NaN  None
    1   40.0      20.0  pain
    """
    onsets, durations, labels = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
    frame = pd.DataFrame(
        {
            "onset": np.array(onsets, dtype=np.float64),
            "duration": np.array(durations, dtype=np.float64),
            "label": pd.Series([str(label) for label in labels], dtype=object),
        }
    )
    return frame.sort_values("onset", kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False)
class Channel:
    """One signal of a recording.

    Parameters
    ----------
    samples : array-like of shape (n_samples,)
        Kept as a read-only float64 array. NaN where nothing was recorded; masked values of a masked
        array become NaN.
    sampling_rate : float
        In Hz.
    unit : str, default=""
        Of the samples, as the source writes it.

    Examples
    --------
    >>> Channel([0.5, 0.6, 0.7, 0.8], sampling_rate=4, unit="µS")
    Channel(4 samples at 4 Hz, 1 s, in µS)
    """

    samples: FloatArray
    sampling_rate: float
    unit: str = ""

    def __post_init__(self) -> None:
        check_number("sampling_rate", self.sampling_rate, above=0, unit="Hz")
        samples = read_samples(self.samples)
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sampling_rate", float(self.sampling_rate))

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the end of the last one, gaps included."""
        return len(self.samples) / self.sampling_rate

    @property
    def n_missing(self) -> int:
        """Number of samples that are NaN."""
        return int(np.isnan(self.samples).sum())

    def __repr__(self) -> str:
        missing = f", {self.n_missing} missing" if self.n_missing else ""
        unit = f", in {self.unit}" if self.unit else ""
        return (
            f"Channel({len(self.samples)} samples at {self.sampling_rate:g} Hz, "
            f"{self.duration:g} s{missing}{unit})"
        )


def read_samples(values: ArrayLike) -> FloatArray:
    """Return a float64 view or copy of 1-D numbers; masked values become NaN."""
    masked = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    samples = np.asarray(values)
    if samples.ndim != 1 or samples.dtype.kind not in "fiu":
        raise ValueError(
            f"The samples have shape {samples.shape} and dtype {samples.dtype}; expected numbers "
            "of shape (n_samples,)."
        )
    if masked is not None:
        return np.where(masked, np.nan, samples)
    return samples.astype(np.float64, copy=False).view()


@dataclass(frozen=True, eq=False)
class Recording:
    """Signals of one subject as recorded.

    All channels begin at the same instant, ``start_time``, and sample i of a channel is taken at
    i / sampling_rate seconds after it. A channel that starts later, or a gap in the recording, is
    NaN samples at that place; samples are never moved to close a gap. A place between two samples
    of a channel's grid is rounded to one of them, so times are right to one sample.

    Parameters
    ----------
    channels : mapping of str to Channel
        By name, in the order of the source or of the request. Read-only.
    start_time : datetime or None, default=None
        With or without a time zone, as the source gives it; None if it does not.
    annotations : DataFrame, optional
        Columns onset and duration in seconds (float64) and label (text). Onsets count from
        ``start_time``. The duration is NaN if the source does not give one.
    subject : str or None, default=None
        The identifier that the source gives.
    source : str or None, default=None
        Path of the file or folder, or the type of the object.
    notes : tuple of str, default=()
        What the reader detected, assumed or left out, one sentence each.

    Examples
    --------
    >>> recording = Recording({"EDA": Channel([0.5, 0.6, 0.7, 0.8], 4, "µS")}, subject="S1")
    >>> recording
    Recording of 'S1': 1 s, 1 channel, 0 annotations
      EDA: 4 samples at 4 Hz, 1 s, in µS
    >>> recording["EDA"].samples
    array([0.5, 0.6, 0.7, 0.8])
    """

    channels: Mapping[str, Channel]
    start_time: datetime | None = None
    annotations: pd.DataFrame = field(default_factory=make_annotations)
    subject: str | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))

    @property
    def duration(self) -> float:
        """Seconds of the longest channel, gaps included."""
        return max((channel.duration for channel in self.channels.values()), default=0.0)

    def __getitem__(self, name: str) -> Channel:
        if name not in self.channels:
            names = ", ".join(map(repr, self.channels))
            raise KeyError(f"The recording has no channel {name!r}; its channels are {names}.")
        return self.channels[name]

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["channels"] = dict(self.channels)  # a mapping proxy cannot be pickled
        return type(self), tuple(values.values())

    def __repr__(self) -> str:
        subject = f" of {self.subject!r}" if self.subject is not None else ""
        start = f" from {self.start_time.isoformat(' ')}" if self.start_time else ""
        counts = [
            f"{count} {name}{'s' if count != 1 else ''}"
            for count, name in (
                (len(self.channels), "channel"),
                (len(self.annotations), "annotation"),
            )
        ]
        lines = [f"Recording{subject}{start}: {self.duration:g} s, {', '.join(counts)}"]
        lines += [f"  {name}: {repr(c)[8:-1]}" for name, c in self.channels.items()]
        lines += [f"  Note: {note}" for note in self.notes]
        return "\n".join(lines)
