"""Where files are kept on this machine, and how they are written."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

OFFLINE_VARIABLE = "SKLEARN_BIOMOE_OFFLINE"


def cache_folder(kind: str) -> Path:
    """Return the folder for one kind of kept files, which need not be there yet.

    Parameters
    ----------
    kind : str
        Such as "weights".

    Returns
    -------
    folder : Path
        In the folder that ``SKLEARN_BIOMOE_CACHE`` names, else in the platform's for caches.
    """
    if chosen := os.environ.get("SKLEARN_BIOMOE_CACHE"):
        return Path(chosen) / kind
    if sys.platform == "win32":
        default = Path.home() / "AppData" / "Local"
        caches = Path(os.environ.get("LOCALAPPDATA") or default)
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "sklearn_biomoe" / kind


def is_offline() -> bool:
    """Tell whether ``SKLEARN_BIOMOE_OFFLINE`` forbids downloads: set, and neither empty nor 0."""
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that comes to stand at the path once it is whole, and only then.

    It is written beside the path, under a name that starts with a dot, and renamed.

    Parameters
    ----------
    path : Path
        In a folder that is there. What it held stays where writing fails.

    Yields
    ------
    file : binary file

    Raises
    ------
    OSError
        Where the folder cannot be written to, or the disk is full.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, as `new_file` does, which raises the same."""
    with new_file(path) as file:
        file.write(content)
