"""Weights with a name: their files, and the hashes that are accepted."""

import os
import warnings
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from .._files import OFFLINE_VARIABLE, cache_folder, is_offline, replace_file
from .downloads import download
from .hashes import check_format, check_sha256
from .hub import PREFIX, check_record, find_in_hub

FOLDER_VARIABLE = "SKLEARN_BIOMOE_WEIGHTS"


@dataclass(frozen=True)
class NamedWeights:
    """Description of weights with a name.

    Parameters
    ----------
    description, licence, citation : str
    file : str or None
        File name; None if there is no file.
    size : str
        As published.
    sha256 : str or None
        None if it is not published. The first file that is used is then trusted, and any other
        one is refused.
    url : str or None
        Source of the download; None for a file in the package.
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
        description="the package's own, pretrained on simulated signals of seven modalities and "
        "generic ones (three quarters of the images) and on recordings (one quarter): examples of "
        "NeuroKit2 and biosignalsnotebooks (MIT), and five minutes of record 208 of the MIT-BIH "
        "Arrhythmia Database (ODC-BY 1.0)",
        licence="BSD-3-Clause",
        citation="sklearn_biomoe, docs/open_weights.md",
        file="open.safetensors",
        size="15 MB",
        sha256="43180792dc869ed2fca2479c409b343c766cd38ff5d59154b187bd757d5ca7be",
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


def find_weights(weights: str | PathLike[str], expected: str | None = None) -> Path:
    """Return the file of weights, downloading it if it is missing.

    "open" is in the package. An address that starts with hf:// is read through the hub's cache,
    see `find_in_hub`. Other named files are searched in the folder in
    ``SKLEARN_BIOMOE_WEIGHTS``, then in the cache, and downloaded into the cache; such a download
    must have the SHA-256 ``expected``.

    Raises
    ------
    ValueError
        If ``expected`` is not a SHA-256.
    OSError
        If the file is missing and cannot be downloaded; a FileNotFoundError without a download.
    """
    check_format(expected)
    name = fspath(weights)
    if name.startswith(PREFIX):
        return find_in_hub(name, expected)
    if name not in NAMED:
        if not (path := Path(name)).is_file():
            raise FileNotFoundError(
                f"No weights file at {path.absolute()}; expected the path of a .safetensors or "
                f".pth state dict, hf://owner/name, or one of the names "
                f"{', '.join(map(repr, NAMED))}."
            )
        return path
    entry = NAMED[name]
    paths = _possible_paths(entry)
    for path in paths:
        if path.is_file():
            return path
    missing = f"Weights {name!r} are not in {', '.join(map(str, paths))}"
    if entry.url is None:
        raise FileNotFoundError(f"{missing}: the installation is incomplete; reinstall it.")
    by_hand = (
        f"To download them yourself, save {entry.url} as {entry.file} in a folder and set "
        f"{FOLDER_VARIABLE} to it, or pass the file's path."
    )
    if is_offline():
        raise FileNotFoundError(f"{missing}, and {OFFLINE_VARIABLE} disables downloads. {by_hand}")
    try:
        download(entry.url, paths[-1], expected or entry.sha256)
    except OSError as error:  # which includes all errors of requests
        raise OSError(f"{missing}, and the download failed: {error} {by_hand}") from error
    return paths[-1]


def _possible_paths(entry: NamedWeights) -> list[Path]:
    folders = [PACKAGED]
    if entry.url is not None:
        chosen = os.environ.get(FOLDER_VARIABLE)
        folders = [*([Path(chosen)] if chosen else []), cache_folder("weights")]
    return [folder / str(entry.file) for folder in folders]


def check_weights(
    found: str, weights: str | PathLike[str], path: Path, expected: str | None
) -> None:
    """Raise ValueError if the hash of a file is not the expected or the published one.

    If the publisher of named weights does not provide a hash, the one at first use is written
    beside the file, in the format of sha256sum, and later ones are compared with it. Hashes of
    files of the hub are compared with those at first use too.
    """
    what = f"Weights {str(path)!r}"
    check_sha256(found, what, expected)
    if fspath(weights).startswith(PREFIX):
        check_record(found, fspath(weights))
    if (entry := NAMED.get(fspath(weights))) is None:
        return
    if entry.sha256 is not None:
        check_sha256(found, what, entry.sha256)
        return
    record = path.with_name(f"{path.name}.sha256")
    if not record.is_file():
        _record_first_use(found, path, record)
        return
    recorded = record.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    if recorded != found:
        raise ValueError(
            f"{what} have sha256 {found}, but had {recorded} at first use ({record}). If the "
            "change is intended, delete that record; otherwise delete both files, and the weights "
            "are downloaded again."
        )


def _record_first_use(found: str, path: Path, record: Path) -> None:
    try:
        replace_file(record, f"{found}  {path.name}\n".encode())
        outcome = f"It is recorded in {record}, and any other content will be an error"
    except OSError as error:
        outcome = f"It cannot be recorded ({error}), so later changes will not be detected"
    warnings.warn(
        f"{path} is used for the first time, and its publisher does not provide a hash. Its sha256 "
        f"is {found}. {outcome}; weights_sha256='{found}' pins it in your code.",
        UserWarning,
        stacklevel=2,
    )
