"""Parquet files: a column for each channel."""

from pathlib import Path

import numpy as np

from .formats import ChannelHeader, Format, SamplingRate, select_channels
from .recording import Channel, Recording
from .text_tables import _rate


def read(path: Path, channels: list[str] | None, *, sampling_rate: SamplingRate) -> Recording:
    """Read a Parquet file."""
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    selected = [names[i] for i in select_channels(channels, names)]
    table = pq.ParquetFile(path).read(columns=selected)
    return Recording(
        {name: Channel(table[name].to_numpy(), _rate(sampling_rate, name)) for name in selected}
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the columns."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    return [
        ChannelHeader(name, np.nan, "", metadata.num_rows)
        for name in metadata.schema.to_arrow_schema().names
    ]


FORMAT = Format("Parquet", (".parquet",), read, list_channels)
