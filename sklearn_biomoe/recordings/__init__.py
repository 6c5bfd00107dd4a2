"""Recordings: the signals of one subject, read from a file or taken from an object in memory."""

from .formats import RecordingError
from .reading import list_channels, read_recording
from .recording import Channel, Recording

__all__ = ["Channel", "Recording", "RecordingError", "list_channels", "read_recording"]
