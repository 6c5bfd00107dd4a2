"""Recordings: the signals of one subject, read from a file or taken from an object in memory."""

from .formats import RecordingError
from .reading import list_channels, read_recording
from .recording import Channel, Recording
from .study_files import StudyRecordings, read_study

__all__ = [
    "Channel",
    "Recording",
    "RecordingError",
    "StudyRecordings",
    "list_channels",
    "read_recording",
    "read_study",
]
