"""WFDB records, through wfdb."""

from pathlib import Path

from .formats import ChannelHeader, Format, import_library, name_channels, select_channels
from .recording import Channel, Recording


def read(path: Path, channels: list[str] | None, *, sampling_rate: object) -> Recording:
    """Read a WFDB record."""
    wfdb = import_library("wfdb", "WFDB")
    name = str(path.with_suffix(""))
    header = wfdb.rdheader(name)
    names = name_channels(header.sig_name or [])
    selected = select_channels(channels, names)
    # Each at its own rate, if the channels of a record differ in it.
    record = wfdb.rdrecord(name, smooth_frames=False, channels=selected)
    rates = [record.fs * per_frame for per_frame in record.samps_per_frame]
    return Recording(
        {
            names[i]: Channel(samples, rate, unit)
            for i, samples, rate, unit in zip(
                selected, record.e_p_signal, rates, record.units, strict=True
            )
        }
    )


def list_channels(path: Path) -> list[ChannelHeader]:
    """List the signals."""
    channels = read(path, None, sampling_rate=None).channels.items()
    return [ChannelHeader(n, c.sampling_rate, c.unit, len(c.samples)) for n, c in channels]


FORMAT = Format("WFDB", (".hea",), read, list_channels)
