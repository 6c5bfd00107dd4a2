"""Folders with the files of published data sets: found, downloaded and compared with hashes."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

from .._files import OFFLINE_VARIABLE, cache_folder, check_folder_type, is_offline
from .._validation.parameters import check_option
from ..signals.windows_bunch import WindowsBunch

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
        Before the paths of the registry. Empty if not all files are served one by one.
    subfolders : tuple of str, default=()
        Further folders that may hold the files inside the one that the user names.
    renamed : tuple of (str, str), default=()
        Parts of published paths, and what they are in copies of the data set.
    derived : tuple of str, default=()
        Further files that users make, which have no hash.
    """

    name: str
    title: str
    by_hand: str
    base_url: str = ""
    subfolders: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    derived: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """How to get the files, and where to put them."""
        return (
            f"{self.by_hand} Pass that folder as data_home or in the environment variable "
            f"{DATA_VARIABLE}."
        )

    def names(self, path: str) -> list[str]:
        """Return the path of a published file, and the one that it has in copies."""
        other = path
        for published, renamed in self.renamed:
            other = other.replace(published, renamed)
        return [path] if other == path else [path, other]


def read_registry(name: str) -> dict[str, str]:
    """Return the sha256 of every file of a data set, not compressed, by path."""
    file = files("sklearn_biomoe.datasets") / f"registries/{name}.txt"
    pairs = (line.rsplit(maxsplit=1) for line in file.read_text("utf-8").splitlines())
    return {path: digest.removeprefix("sha256:") for path, digest in pairs}


def open_files(
    source: Source,
    data_home: str | os.PathLike[str] | None,
    *,
    download_if_missing: bool,
    on_error: str = "raise",
    subject_of: Callable[[str], str] = lambda path: "",
) -> tuple[dict[str, Path], pd.DataFrame]:
    """Find the files of a data set, download them if necessary, and compare their hashes.

    Parameters
    ----------
    source : Source
    data_home, download_if_missing
        As those of the public functions.
    on_error : {"raise", "skip"}, default="raise"
        Whether a damaged file raises an error or its subject is left out.
    subject_of : callable
        Returns the subject of a published path; "" for files of all subjects.

    Returns
    -------
    files : dict of str to Path
        By published path; the file may be compressed or renamed.
    skipped : DataFrame
        Columns subject, path and reason.
    """
    check_option("on_error", on_error, ["raise", "skip"])
    if data_home is not None:
        check_folder_type("data_home", data_home, " or None")
    registry = read_registry(source.name)
    found = _find_files(source, registry, data_home, download_if_missing)
    skipped = []
    for path, file in found.items():
        if path in source.derived:
            continue
        if problem := _compare(source, registry, path, file):
            if on_error == "raise" or not subject_of(path):
                raise ValueError(problem)
            skipped.append((subject_of(path), str(file), problem))
    left_out = {subject for subject, _, _ in skipped}
    kept = {path: file for path, file in found.items() if subject_of(path) not in left_out}
    if not kept:
        raise ValueError(f"All subjects of {source.title} have damaged files: {skipped[0][2]}")
    return kept, pd.DataFrame(skipped, columns=SKIPPED)


def _find_files(
    source: Source,
    registry: dict[str, str],
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
) -> dict[str, Path]:
    """Return where each published file is.

    The first folder with all files is taken: ``data_home``, the one of the environment variable,
    their subfolders named after the data set, and the cache.
    """
    renamed = {name for path in registry for name in source.names(path)[1:]}
    published = {path: digest for path, digest in registry.items() if path not in renamed}
    required = [*published, *source.derived]
    homes = [Path(home).expanduser() for home in (data_home, os.getenv(DATA_VARIABLE)) if home]
    cache = cache_folder(source.name)
    inside = ("", *source.subfolders, source.name)
    folders = [home / name for home in homes for name in inside] + [cache]
    places = []
    for folder in folders:
        found = {path: _find_file(source, folder, path) for path in required}
        missing = [path for path, file in found.items() if file is None]
        if not missing:
            return {path: file for path, file in found.items() if file is not None}
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        is_empty = len(missing) == len(required)
        detail = "" if is_empty else f" (without {len(missing)} of {len(required)}: {names})"
        places.append(f"{folder}{detail}")
    not_found = (
        f"The {len(required)} files of {source.title} were not found in {'; '.join(places)}."
    )
    if not source.base_url:
        raise OSError(f"{not_found} {source.help}")
    if not download_if_missing:
        raise OSError(f"{not_found} Pass download_if_missing=True to download them. {source.help}")
    if is_offline():
        raise OSError(f"{not_found} {OFFLINE_VARIABLE} is set: no download. {source.help}")
    folder = homes[0] / source.name if data_home else cache
    _download(source, folder, published, not_found)
    return {path: folder / path for path in published}


def _find_file(source: Source, folder: Path, path: str) -> Path | None:
    """Return a published file or a copy of it."""
    for name in source.names(path):
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    return None


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


def _compare(source: Source, registry: dict[str, str], path: str, file: Path) -> str:
    """Return what is wrong with the content of a file; empty if it is the published one."""
    names = [name for name in source.names(path) if file.as_posix().endswith((name, f"{name}.gz"))]
    expected = registry.get(names[0], registry[path])
    get = f"Delete it to download it again, or get it from {source.base_url}{path}."
    if not source.base_url:
        get = source.by_hand
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"{file} is damaged: {error}. {get}"
    if found == expected:
        return ""
    return f"{file} is not the published file: expected sha256 {expected}, got {found}. {get}"


def describe(text: str, skipped: pd.DataFrame) -> str:
    """Return the description of a data set, with the subjects that were left out."""
    if skipped.empty:
        return text
    rows = zip(skipped["subject"], skipped["reason"], strict=True)
    lines = [f"- {subject}: {reason}" for subject, reason in rows]
    return "\n".join([text, 'Left out with on_error="skip":', "", *lines, ""])


def make_bunch(windows: Bunch, skipped: pd.DataFrame, text: str, **own: Any) -> Bunch:
    """Return the entries of a data set: those of `cut_windows`, unless ``own`` has others."""
    entries = {
        "data": windows.data,
        "target": windows.target,
        "groups": windows.groups,
        "elapsed_time": windows.start_times,
        "sampling_rates": windows.sampling_rates,
        "dropped": windows.dropped,
        "skipped": skipped,
        "DESCR": describe(text, skipped),
    }
    return WindowsBunch(**entries | own)
