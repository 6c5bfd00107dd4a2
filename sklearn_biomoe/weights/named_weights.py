"""Which weights have names, and where their files are."""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from pathlib import Path

from .._files import OFFLINE_VARIABLE, cache_folder, is_offline, replace_file
from .downloads import download

FOLDER_VARIABLE = "SKLEARN_BIOMOE_WEIGHTS"


@dataclass(frozen=True)
class NamedWeights:
    """What is known of weights that have a name.

    Parameters
    ----------
    description, licence, citation : str
    file : str or None
        Its name, wherever it is kept; None where there is no file.
    size : str
        As it is published.
    sha256 : str or None
        None where the publisher tells none: the first file that is used is trusted then, and no
        other afterwards.
    url : str or None
        Where it is downloaded from; None for a file that the package brings.
    """

    description: str
    licence: str
    citation: str
    file: str | None = None
    size: str = ""
    sha256: str | None = None
    url: str | None = None


PACKAGED = Path(__file__).parent
NAMED = {
    "open": NamedWeights(
        description="the package's own, pretrained on simulated signals of seven modalities",
        licence="BSD-3-Clause",
        citation="sklearn_biomoe, docs/open_weights.md",
        file="open.safetensors",
        size="15 MB",
        sha256="1eed70ce38048d825e2d7fa1544215595a2f7bab10cedcee72beaa28710922f2",
    ),
    "random": NamedWeights(
        description="untrained, drawn from a seed",
        licence="none needed",
        citation="none needed",
    ),
    "paper": NamedWeights(
        description="the authors' checkpoint, pretrained on ECG, EMG and EEG",
        licence="MIT",
        citation="Gkikas et al. 2025, arXiv 2507.21875",
        file="Tiny-BioMoE.pth",
        size="89 MB",
        url="https://github.com/GkikasStefanos/Tiny-BioMoE/releases/latest/download/Tiny-BioMoE.pth",
    ),
}


def find_weights(
    weights: str | PathLike[str], expected: str | None
) -> tuple[Path, Callable[[str], str]]:
    """Find the file of weights, and what its hash has to stand.

    The package brings "open". Another name's file is looked for in the folder that
    ``SKLEARN_BIOMOE_WEIGHTS`` names, then in the cache, and downloaded into the latter.

    Parameters
    ----------
    weights : str or path
    expected : str or None

    Returns
    -------
    path : Path
    check : callable
        Takes the hash of what was read and returns it; raises ValueError for a wrong one.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where ``expected`` is no hash.
    OSError
        Where a download failed.
    """
    check_form(expected)
    given = fspath(weights)
    if given not in NAMED:
        return _existing_file(given), partial(_check_file, path=given, expected=expected)
    entry = NAMED[given]
    assert entry.file is not None  # only "random" has none, and is not looked for
    path = next((path for path in _places(entry) if path.is_file()), None)
    if path is None and entry.url is None:
        raise FileNotFoundError(
            f"Weights {given!r} are not in {_places(entry)[0]}, where this package brings them: it "
            "is incomplete. Install it again."
        )
    if path is None:
        path = _download(given, entry, expected)
    return path, partial(_check_named, path=path, entry=entry, expected=expected)


def check_form(sha256: str | None) -> None:
    """Raise ValueError for what is no SHA-256 in 64 lower-case hexadecimal digits."""
    if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256)):
        raise ValueError(
            f"weights_sha256={sha256!r}; expected the 64 lower-case hexadecimal digits of a "
            "SHA-256, as sha256sum prints it."
        )


def check_digest(found: str, what: str, expected: str | None) -> str:
    """Return the hash that was found where it is the expected one; else raise ValueError."""
    check_form(expected)
    if expected not in (None, found):
        raise ValueError(
            f"{what} have sha256 {found}, but {expected} was expected: they are damaged or others, "
            "and nothing in them was looked at. If these are meant, fit again, or give their hash."
        )
    return found


def record_of(path: Path) -> Path:
    """Return the file that a hash is kept in at first use, as sha256sum writes and checks it."""
    return path.with_name(f"{path.name}.sha256")


def _places(entry: NamedWeights) -> list[Path]:
    if entry.url is None:
        return [PACKAGED / str(entry.file)]
    folders = [Path(named)] if (named := os.environ.get(FOLDER_VARIABLE)) else []
    return [folder / str(entry.file) for folder in [*folders, cache_folder("weights")]]


def _existing_file(given: str) -> Path:
    path = Path(given)
    if not path.is_file():
        known = ", ".join(map(repr, NAMED))
        raise FileNotFoundError(
            f"No weights file at {path.absolute()}; expected one of the names {known}, or the path "
            "of a .safetensors or .pth state dict."
        )
    return path


def _check_file(found: str, path: str, expected: str | None) -> str:
    return check_digest(found, f"Weights {path!r}", expected)


def _check_named(found: str, path: Path, entry: NamedWeights, expected: str | None) -> str:
    """Trust the hash that is published; where none is, the one of the first use."""
    what = f"Weights {str(path)!r}"
    check_digest(found, what, expected)
    if entry.sha256 is not None:
        return check_digest(found, what, entry.sha256)
    record = record_of(path)
    if not record.is_file():
        _trust(found, path, record)
        return found
    known = record.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    if known != found:
        raise ValueError(
            f"{what} have sha256 {found}, but at their first use here it was {known} ({record}). "
            "Somebody has changed the file. If that was meant, delete the record, and the new "
            "file is trusted; else delete both, and the file is downloaded again."
        )
    return found


def _trust(found: str, path: Path, record: Path) -> None:
    try:
        replace_file(record, f"{found}  {path.name}\n".encode())
        kept = f"It is kept in {record}, and any other content will be an error"
    except OSError as error:
        kept = f"It cannot be kept beside the file ({error}), so a later change would go unnoticed"
    warnings.warn(
        f"{path} is used for the first time, and its publisher tells no hash to compare it with. "
        f"Its sha256 is {found}. {kept}; weights_sha256='{found}' pins it in your code.",
        UserWarning,
        stacklevel=2,
    )


def _download(name: str, entry: NamedWeights, expected: str | None) -> Path:
    by_hand = (
        f"To get it by hand, download {entry.url} elsewhere, put it as {entry.file} into a folder, "
        f"and name that in {FOLDER_VARIABLE}; or pass the file's path."
    )
    looked = ", ".join(str(path) for path in _places(entry))
    if is_offline():
        raise FileNotFoundError(
            f"Weights {name!r} are not in {looked}, and {OFFLINE_VARIABLE} forbids to download "
            f"them. {by_hand}"
        )
    try:
        return download(str(entry.url), _places(entry)[-1], expected or entry.sha256)
    except OSError as error:  # which all errors of requests are
        raise OSError(
            f"Weights {name!r} are not in {looked}, and cannot be downloaded: {error} {by_hand}"
        ) from error
