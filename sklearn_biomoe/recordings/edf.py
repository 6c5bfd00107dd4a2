"""EDF files, through edfio."""

from pathlib import Path

from .formats import ChannelHeader, Format, import_library, name_channels, select_channels
from .recording import Channel, Recording


def read(path: Path, channels: list[str] | None, *, sampling_rate: object) -> Recording:
    """Read an EDF file."""
    signals = import_library("edfio", "EDF").read_edf(path).signals
    names = name_channels([signal.label for signal in signals])
    return Recording(
        {
            names[i]: Channel(
                signals[i].data, signals[i].sampling_frequency, signals[i].physical_dimension
            )
            for i in select_channels(channels, names)
        }
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals."""
    channels = read(path, None, sampling_rate=None).channels.items()
    return [ChannelHeader(n, c.sampling_rate, c.unit, len(c.samples)) for n, c in channels]


FORMAT = Format("EDF", (".edf",), read, list_channels)
