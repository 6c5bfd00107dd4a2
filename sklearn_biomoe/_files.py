"""Cache folders, and writing of complete files."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

OFFLINE_VARIABLE = "SKLEARN_BIOMOE_OFFLINE"


def cache_folder(kind: str) -> Path:
    """Return the cache folder for one kind of files, such as "weights"; it may not exist yet.

    It is in the folder in ``SKLEARN_BIOMOE_CACHE``, by default in the platform's cache folder.
    """
    if chosen := os.environ.get("SKLEARN_BIOMOE_CACHE"):
        return Path(chosen) / kind
    if sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "sklearn_biomoe" / kind


def is_offline() -> bool:
    """Return whether ``SKLEARN_BIOMOE_OFFLINE`` disables downloads: set, and not empty or 0."""
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` only once it is complete.

    It is written in the same folder, under a name that starts with a dot, and then renamed. If
    writing fails, an existing file is not changed.

    Raises
    ------
    OSError
        If the folder does not exist or is not writable, or the disk is full.
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
    """Write a file completely or not at all, as `new_file` does."""
    with new_file(path) as file:
        file.write(content)


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a page; raise ValueError if it is a folder or in none."""
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(
            f"path={str(path)!r}: the folder {path.parent} does not exist; create it first."
        )
    if path.is_dir():
        raise ValueError(f"path={str(path)!r} is a folder; pass a file in it, such as report.html.")
    return path


def check_folder_type(name: str, folder: object, alternative: str = "") -> None:
    """Raise TypeError if a parameter is no path.

    Examples
    --------
    >>> check_folder_type("folder", 5)
    Traceback (most recent call last):
    ...
    TypeError: folder=5; expected a path, as str or Path.
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"{name}={folder!r:.80}; expected a path, as str or Path{alternative}.")
