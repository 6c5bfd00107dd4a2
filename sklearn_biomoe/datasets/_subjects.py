"""Folders of data sets that their authors share on request, read subject by subject."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from .._files import check_folder_type
from .._validation.parameters import check_option
from ._folders import SKIPPED

Read = TypeVar("Read")


def find_folder(
    folder: str | os.PathLike[str], markers: Iterable[str], inside: Iterable[str], get: str
) -> Path:
    """Return the folder of a data set: the one that is given, or one inside it.

    Parameters
    ----------
    folder : path-like
    markers : iterable of str
        Paths in the folder of the data set; one of them identifies it. They may be patterns.
    inside : iterable of str
        Names of folders that may be the data set's inside the one that is given.
    get : str
        What is expected and where to get it; a sentence.

    Raises
    ------
    TypeError
        If the folder is not a path.
    FileNotFoundError
        If it does not exist, or is not the one of the data set.
    """
    check_folder_type("folder", folder)
    given = Path(folder).expanduser()
    if not given.is_dir():
        raise FileNotFoundError(f"There is no folder {given}. {get}")
    for candidate in (given, *(given / name for name in inside)):
        if any(next(candidate.glob(marker), None) for marker in markers):
            return candidate
    names = sorted(path.name for path in given.iterdir() if not path.name.startswith("."))
    found = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "nothing"
    wanted = " or ".join(markers)
    raise FileNotFoundError(f"{given} has no {wanted}; it holds {found}. {get}")


def read_each(
    subjects: Collection[str], read: Callable[[str], Read], expected: int, on_error: str, get: str
) -> tuple[dict[str, Read], pd.DataFrame]:
    """Read the files of each subject.

    Parameters
    ----------
    subjects : collection of str
        Those whose files are there.
    read : callable
        Returns what is read of a subject; its ValueError or OSError names the file.
    expected : int
        The number of subjects of the complete data set.
    on_error : {"raise", "skip"}
        Whether such an error ends the reading, or the subject is listed.
    get : str
        What is expected and where to get it; a sentence, for files that are missing.

    Returns
    -------
    read : dict
        By subject.
    skipped : DataFrame
        Columns subject, path (empty; the reason names it) and reason.
    """
    check_option("on_error", on_error, ["raise", "skip"])
    found: dict[str, Read] = {}
    skipped = []
    if len(subjects) < expected:
        reason = f"There are files of {len(subjects)} subjects; expected {expected}. {get}"
        if on_error == "raise":
            raise ValueError(f"{reason} Pass on_error='skip' to load those that are there.")
        skipped.append(("others", "", reason))
    for subject in subjects:
        try:
            found[subject] = read(subject)
        except (ValueError, OSError) as error:
            reason = str(error)
            if isinstance(error, FileNotFoundError):
                reason = f"There is no file {error.filename}." if error.filename else reason
                reason = f"{reason} {get}"
            if on_error == "raise":
                raise ValueError(
                    f"Subject {subject}: {reason} Pass on_error='skip' to leave out such subjects."
                ) from error
            skipped.append((subject, "", reason))
    if not found:
        raise ValueError(f"No subject can be read; the last is {skipped[-1][0]}: {skipped[-1][2]}")
    return found, pd.DataFrame(skipped, columns=SKIPPED)
