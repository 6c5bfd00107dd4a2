"""Folders with the files of published data sets: found, downloaded and compared with hashes."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pandas as pd

from .._files import OFFLINE_VARIABLE, cache_folder, is_offline

DATA_VARIABLE = "SKLEARN_BIOMOE_DATA"
SKIPPED = ["subject", "path", "reason"]  # columns, as those of `StudyRecordings.skipped`


@dataclass(frozen=True)
class Source:
    """Where the files of a data set are published.

    Parameters
    ----------
    name : str
        Of its folder in the cache and beside other data sets, and of its registry.
    title : str
        For messages.
    by_hand : str
        How to get the files without this package; a sentence.
    base_url : str, default=""
        Before the paths of the registry. Empty if the files are not served one by one.
    subfolders : tuple of str, default=()
        Further folders that may hold the files inside the one that the user names.
    """

    name: str
    title: str
    by_hand: str
    base_url: str = ""
    subfolders: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """How to get the files, and where to put them."""
        return (
            f"{self.by_hand} Pass that folder as data_home or in the environment variable "
            f"{DATA_VARIABLE}."
        )


def read_registry(name: str) -> dict[str, str]:
    """Return the sha256 of every file of a data set, not compressed, by path."""
    file = files("sklearn_biomoe.datasets") / f"registries/{name}.txt"
    pairs = (line.rsplit(maxsplit=1) for line in file.read_text("utf-8").splitlines())
    return {path: digest.removeprefix("sha256:") for path, digest in pairs}


def find_files(
    source: Source, data_home: str | os.PathLike[str] | None, download_if_missing: bool
) -> dict[str, Path]:
    """Return where each file of the registry is, perhaps compressed, after a download if necessary.

    The first folder with all files is taken: ``data_home``, the one of the environment variable,
    their subfolders named after the data set, and the cache.
    """
    registry = read_registry(source.name)
    homes = [Path(home).expanduser() for home in (data_home, os.getenv(DATA_VARIABLE)) if home]
    cache = cache_folder(source.name)
    inside = ("", *source.subfolders, source.name)
    folders = [home / name for home in homes for name in inside] + [cache]
    places = []
    for folder in folders:
        found = {path: _find_file(folder / path) for path in registry}
        missing = [path for path, file in found.items() if file is None]
        if not missing:
            return {path: file for path, file in found.items() if file is not None}
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        is_empty = len(missing) == len(registry)
        detail = "" if is_empty else f" (without {len(missing)} of {len(registry)}: {names})"
        places.append(f"{folder}{detail}")
    not_found = (
        f"The {len(registry)} files of {source.title} were not found in {'; '.join(places)}."
    )
    if not source.base_url:
        raise OSError(f"{not_found} {source.help}")
    if not download_if_missing:
        raise OSError(f"{not_found} Pass download_if_missing=True to download them. {source.help}")
    if is_offline():
        raise OSError(f"{not_found} {OFFLINE_VARIABLE} is set: no download. {source.help}")
    folder = homes[0] / source.name if data_home else cache
    _download(source, folder, registry, not_found)
    return {path: folder / path for path in registry}


def _find_file(path: Path) -> Path | None:
    """Return a file or its compressed copy."""
    if path.is_file():
        return path
    compressed = path.with_name(f"{path.name}.gz")
    return compressed if compressed.is_file() else None


def _download(source: Source, folder: Path, registry: dict[str, str], not_found: str) -> None:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f'{not_found} The download requires pooch: pip install "sklearn-biomoe[data]".'
        ) from error
    fetcher = pooch.create(folder, source.base_url, registry=registry, retry_if_failed=1)
    try:
        for path in registry:
            fetcher.fetch(path)
    except OSError as error:  # includes all errors of requests
        raise OSError(f"{not_found} The download failed. {source.help}") from error


def check_hashes(source: Source, found: Mapping[str, Path], *, on_error: str) -> dict[str, str]:
    """Return what is wrong with files whose content is not the published one, by path.

    Raises
    ------
    ValueError
        For the first such file, with ``on_error="raise"``.
    """
    problems = {}
    registry = read_registry(source.name)
    for path, file in found.items():
        if problem := _compare(file, registry[path]):
            origin = f"{source.base_url}{path}" if source.base_url else source.by_hand
            get = f"Delete it to download it again, or get it from {origin}."
            problems[path] = f"{file} {problem} {get if source.base_url else origin}"
            if on_error == "raise":
                raise ValueError(problems[path])
    return problems


def _compare(file: Path, expected: str) -> str:
    """Return what is wrong with the content of a file."""
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"is damaged: {error}."
    if found == expected:
        return ""
    return f"is not the published file: expected sha256 {expected}, got {found}."


def describe(text: str, skipped: pd.DataFrame) -> str:
    """Return the description of a data set, with the subjects that were left out."""
    if skipped.empty:
        return text
    rows = zip(skipped["subject"], skipped["reason"], strict=True)
    lines = [f"- {subject}: {reason}" for subject, reason in rows]
    return "\n".join([text, 'Left out with on_error="skip":', "", *lines, ""])
