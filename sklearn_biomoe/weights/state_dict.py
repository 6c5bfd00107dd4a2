"""State dicts from untrusted files: read as data only, and checked completely."""

import io
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

MAX_BYTES = 2**30  # of a file; the weights take 30 MB, and an optimiser's state 60 MB
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
STATE_KEYS = ("model_state_dict", "state_dict")  # of checkpoints; the second one is Lightning's
# Of DataParallel, of torch.compile, and of modules with the backbone as an attribute.
PREFIXES = ("module.", "_orig_mod.", "backbone.", "model.", "network.")
OLD_NAMES = {"m1": "enc1", "m2": "enc2"}


def read_content(path: Path) -> bytes:
    """Read a file; raise ValueError if suffix, size or first bytes cannot be those of weights."""
    if path.suffix not in SUFFIXES:
        raise _error(path, f"has suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}.")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise _error(path, f"has {size:,} bytes; expected about 30,000,000, below {MAX_BYTES:,}.")
    content = path.read_bytes()
    if not content:
        raise _damaged(path, "is empty")
    if content.startswith(b"version https://git-lfs"):
        raise _error(path, "is a Git LFS pointer; run 'git lfs pull' in its repository.")
    if content[:1000].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise _damaged(path, "is a web page")
    return content


def parse_state_dict(content: bytes, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file under the backbone's names, without executing anything.

    The suffix of the path determines the format. A ValueError is raised if the content is damaged
    or is not a state dict.
    """
    if path.suffix == ".safetensors":
        loaded = _parse_safetensors(content, path)
    else:
        _check_archive(content, path)
        loaded = _parse_pickle(content, path)
    names = [key for key in STATE_KEYS if isinstance(loaded, dict) and key in loaded]
    return _rename(_check_tensors(loaded[names[0]] if names else loaded, path), path)


def fit_to_backbone(
    state: dict[str, Tensor], expected: dict[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Return the state in the dtypes of the backbone; raise ValueError if an entry does not fit."""
    problems = defaultdict(list)
    for key in sorted(expected.keys() | state.keys()):
        kind, detail = _find_problem(key, state.get(key), expected.get(key))
        if kind:
            problems[kind].append(f"{key}{detail}")
    if problems:
        listed = [
            f"{kind} ({len(found)}): {', '.join(found[:3])}{', …' if len(found) > 3 else ''}"
            for kind, found in problems.items()
        ]
        raise _error(path, f"does not fit the Tiny-BioMoE backbone: {'; '.join(listed)}.")
    return {key: tensor.to(expected[key].dtype) for key, tensor in state.items()}


def _find_problem(key: str, found: Tensor | None, expected: Tensor | None) -> tuple[str, str]:
    """Return the kind and the details of what is wrong with one entry; both empty if nothing is."""
    if found is None:
        return "missing keys", ""
    if expected is None:
        return "unknown keys", ""
    if found.shape != expected.shape:
        return "wrong shapes", f" has {tuple(found.shape)} instead of {tuple(expected.shape)}"
    if (kind := _kind(found)) != _kind(expected):
        return "wrong types", f" holds {kind}"
    values = found.to(expected.dtype)
    if not values.isfinite().all():
        return "NaN or infinity", ""
    if key.endswith("attention_bias_idxs") and not torch.equal(values, expected):
        return "wrong index tables", ""
    if key.endswith("running_var") and (values < 0).any():
        return "negative variances", ""
    return "", ""


def _parse_safetensors(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # its own, ValueError, KeyError for a dtype that torch lacks
        raise _damaged(path, f"is not a readable safetensors file ({error})") from error


def _parse_pickle(content: bytes, path: Path) -> Any:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of any type, from KeyError to MemoryError, for damaged files
        raise _error(
            path,
            "cannot be read as a state dict: it is damaged, or contains objects other than tensors "
            "and plain values, which are not loaded. Save the state dict alone, or download the "
            "file again.",
        ) from error


def _check_archive(content: bytes, path: Path) -> None:
    """Refuse archives that torch does not write: compressed ones, and with paths outside."""
    if not content.startswith(b"PK"):
        return  # the format of torch before version 1.6
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except Exception as error:  # of any type, for damaged fields
        raise _damaged(path, f"is a damaged archive ({error})") from error
    is_compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if is_compressed or sum(entry.file_size for entry in entries) > len(content):
        raise _damaged(path, "contains compressed entries, which torch does not write")
    for name in (entry.filename for entry in entries):
        if name.startswith(("/", "\\")) or ".." in Path(name).parts:
            raise _damaged(path, f"contains entry {name!r}, a path outside the archive")


def _check_tensors(state: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(state, dict):
        found = type(state).__name__
        raise _error(path, f"contains a {found}; expected a state dict, from names to tensors.")
    others = [
        key
        for key, value in state.items()
        if not isinstance(key, str) or not isinstance(value, Tensor)
    ]
    if others:
        raise _error(
            path,
            f"contains {len(others)} entries that are not tensors, such as {others[:3]}; expected "
            f"a state dict, bare or under one of the keys {STATE_KEYS}.",
        )
    return state


def _rename(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Remove prefixes from names, and replace the encoders' old names."""
    renamed = {}
    for name, tensor in state.items():
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        first, dot, rest = name.partition(".")
        renamed[OLD_NAMES.get(first, first) + dot + rest] = tensor
    if len(renamed) < len(state):
        problem = "contains entries whose names are equal without prefixes such as 'module.'"
        raise _damaged(path, problem)
    return renamed


def _kind(tensor: Tensor) -> str:
    """Return the kind of values in a tensor, without their precision."""
    if tensor.is_quantized or tensor.layout != torch.strided or tensor.device.type != "cpu":
        return f"a {tensor.device.type} {tensor.layout} tensor of {tensor.dtype}"
    if tensor.is_floating_point():
        return "floating-point numbers"
    if tensor.is_complex() or tensor.dtype == torch.bool:
        return str(tensor.dtype).removeprefix("torch.")
    return "integers"


def _error(path: Path, problem: str) -> ValueError:
    return ValueError(f"Weights file {path} {problem}")


def _damaged(path: Path, problem: str) -> ValueError:
    return _error(path, f"{problem}. Download it again from its publisher.")
