"""Recordings: what a file holds, read by the names of its channels."""

from .files import read_recording

__all__ = ["read_recording"]
