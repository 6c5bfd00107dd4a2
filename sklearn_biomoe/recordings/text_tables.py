"""CSV files: a column for each channel."""

from pathlib import Path

import numpy as np
import pandas as pd

from .formats import ChannelHeader, Format, RecordingError, SamplingRate, rate_of, select_channels
from .recording import Channel, Recording


def read(path: Path, channels: list[str] | None, *, sampling_rate: SamplingRate) -> Recording:
    """Read a CSV file."""
    names = list(pd.read_csv(path, nrows=0).columns)
    selected = [names[i] for i in select_channels(channels, names)]
    # The default parser is off by a last bit.
    frame = pd.read_csv(path, usecols=selected, dtype=np.float64, float_precision="round_trip")
    return Recording(
        {name: Channel(frame[name].to_numpy(), _rate(sampling_rate, name)) for name in selected}
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns."""
    frame = pd.read_csv(path)
    return [ChannelHeader(name, np.nan, "", len(frame)) for name in frame.columns]


def _rate(sampling_rate: SamplingRate, name: str) -> float:
    rate = rate_of(sampling_rate, name)
    if rate is None:
        raise RecordingError(f"channel {name!r} has no sampling rate; pass sampling_rate in Hz.")
    return rate


FORMAT = Format("CSV", (".csv",), read, list_channels)
