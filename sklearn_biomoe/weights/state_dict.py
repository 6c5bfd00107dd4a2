"""State dicts from files that may hold anything: read as data, checked whole, or refused."""

import io
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

LARGEST_FILE = 2**30  # bytes; the weights take 30 MB, and an optimiser's state twice that
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
OLD_NAMES = {"m1": "enc1", "m2": "enc2"}
AGAIN = "Get the file again from where it was published."


def read_content(path: Path) -> bytes:
    """Read a file whose size and beginning could be those of weights.

    Raises
    ------
    ValueError
        For a suffix that is not known, an empty or a huge file, a web page and a Git LFS pointer.
    """
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ValueError(
            f"Weights file {path} has suffix {path.suffix!r}; expected .safetensors, .pth or .pt."
        )
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise ValueError(
            f"Weights file {path} has {size:,} bytes; expected about 30,000,000, and no more than "
            f"{LARGEST_FILE:,}."
        )
    content = path.read_bytes()
    if not content:
        raise ValueError(f"Weights file {path} is empty. {AGAIN}")
    if content.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"Weights file {path} is a Git LFS pointer, not the file that it points to: run "
            "'git lfs pull' where it was cloned."
        )
    if content[:1000].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ValueError(f"Weights file {path} is a web page, no weights. {AGAIN}")
    return content


def parse_state_dict(content: bytes, path: Path) -> dict[str, Tensor]:
    """Read tensors by name, executing nothing.

    Parameters
    ----------
    content : bytes
        Of a file that may come from anywhere.
    path : Path
        Of the file, whose suffix tells how it is read.

    Returns
    -------
    state : dict of str to Tensor
        Under the names that the backbone has.

    Raises
    ------
    ValueError
        Where the content cannot be read, or holds something else.
    """
    if path.suffix == ".safetensors":
        return _with_our_names(_parse_safetensors(content, path), path)
    _check_archive(content, path)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # Damaged files make torch's reader raise whatever its parts do, from KeyError to MemoryError.
    except Exception as error:
        raise ValueError(
            f"Weights file {path} cannot be read as a state dict: it is damaged, or holds more "
            f"than tensors and plain values, which is never executed. {AGAIN}"
        ) from error
    if isinstance(loaded, dict) and "model_state_dict" in loaded:
        loaded = loaded["model_state_dict"]
    return _with_our_names(_tensors_by_name(loaded, path), path)


def fit_to_backbone(
    state: dict[str, Tensor], expected: dict[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Return the state in the backbone's dtypes.

    Raises
    ------
    ValueError
        That lists what differs from the backbone's keys, shapes and kinds of values.
    """
    fitting: dict[str, Tensor] = {}
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    problems: dict[str, list[str]] = {
        "keys are missing": sorted(missing),
        "keys are unknown": sorted(unknown),
        "shapes differ": [],
        "kinds of values differ": [],
        "index tables differ": [],
        "entries hold NaN or infinity": [],
        "variances are negative": [],
    }
    for key in sorted(expected.keys() & state.keys()):
        found, wanted = state[key], expected[key]
        if found.shape != wanted.shape:
            told = f"{key} has shape {tuple(found.shape)} instead of {tuple(wanted.shape)}"
            problems["shapes differ"].append(told)
        elif (kind := _kind(found)) != _kind(wanted):
            problems["kinds of values differ"].append(f"{key} holds {kind}")
        else:
            fitting[key] = found.to(wanted.dtype)
            if key.endswith("attention_bias_idxs") and not torch.equal(fitting[key], wanted):
                problems["index tables differ"].append(key)
            if not fitting[key].isfinite().all():
                problems["entries hold NaN or infinity"].append(key)
            elif key.endswith("running_var") and (fitting[key] < 0).any():
                problems["variances are negative"].append(key)
    listed = [
        f"{len(found)} {what}: {', '.join(found[:3])}{', …' if len(found) > 3 else ''}"
        for what, found in problems.items()
        if found
    ]
    if listed:
        raise ValueError(
            f"Weights file {path} does not fit the Tiny-BioMoE backbone. {'; '.join(listed)}."
        )
    return fitting


def _parse_safetensors(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # its own, ValueError, KeyError for a dtype that torch lacks
        raise ValueError(
            f"Weights file {path} is no readable safetensors file ({error}). {AGAIN}"
        ) from error


def _check_archive(content: bytes, path: Path) -> None:
    """Refuse archives that no torch wrote: those that grow when read, or reach elsewhere."""
    if not content.startswith(b"PK"):
        return  # what torch wrote before version 1.6
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile's own, and whatever damaged fields lead to
        raise ValueError(f"Weights file {path} is a damaged archive ({error}). {AGAIN}") from error
    compressed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if compressed or sum(entry.file_size for entry in entries) > len(content):
        raise ValueError(
            f"Weights file {path} holds compressed entries, which torch never writes. {AGAIN}"
        )
    outside = [
        entry.filename
        for entry in entries
        if entry.filename.startswith(("/", "\\")) or ".." in Path(entry.filename).parts
    ]
    if outside:
        raise ValueError(
            f"Weights file {path} holds the entry {outside[0]!r}, which points outside of it. "
            f"{AGAIN}"
        )


def _tensors_by_name(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise ValueError(
            f"Weights file {path} holds a {type(content).__name__}; expected a state dict, which "
            "maps names to tensors."
        )
    others = [
        key
        for key, value in content.items()
        if not isinstance(key, str) or not isinstance(value, Tensor)
    ]
    if others:
        raise ValueError(
            f"Weights file {path} holds entries that are no tensors, {others[:3]} among them; "
            "expected a state dict, bare or under the key 'model_state_dict'."
        )
    return content


def _with_our_names(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    renamed = {_our_name(name): tensor for name, tensor in state.items()}
    if len(renamed) < len(state):
        raise ValueError(
            f"Weights file {path} holds entries twice, under names that differ by prefixes such as "
            f"'module.' alone. {AGAIN}"
        )
    return renamed


def _our_name(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    first, dot, rest = name.partition(".")
    return OLD_NAMES.get(first, first) + dot + rest


def _kind(tensor: Tensor) -> str:
    """Say what a tensor holds, as far as it matters: how exact numbers are does not."""
    if tensor.is_quantized or tensor.layout != torch.strided or tensor.device.type != "cpu":
        return f"a {tensor.device.type} {tensor.layout} tensor of {tensor.dtype}"
    if tensor.is_floating_point():
        return "floating-point numbers"
    if tensor.is_complex() or tensor.dtype == torch.bool:
        return str(tensor.dtype).removeprefix("torch.")
    return "integers"
