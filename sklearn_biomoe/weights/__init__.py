"""Weights of the backbone: named, found, verified, and read without executing anything."""

import hashlib
import threading
from functools import lru_cache
from os import PathLike
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ..backbone import TinyBioMoE
from ..storage import replace_file
from .finding import check_digest, find_weights
from .reading import fit_to_backbone, parse_state_dict, read_content

_SEEDING = threading.Lock()  # torch's random state is one for all threads


def weights_sha256(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> str:
    """Identify weights by their content, after downloading named ones that are not here yet.

    Parameters
    ----------
    weights : str or path
        A name of `sklearn_biomoe.weights.finding.NAMED`, or a file.
    seed : int, default=0
        Of the random weights.
    expected : str or None, default=None
        The only hash that is accepted.

    Returns
    -------
    sha256 : str
        Of the file's bytes; of the keys and values of random weights.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For another hash than the expected one, the one that is published for a name, or the one
        that its file had at its first use; and for a file that is no weights file at first sight.
    OSError
        Where a download failed.
    """
    if weights == "random":
        return check_digest(_random_sha256(seed), "Random weights", expected)
    return _read(weights, expected)[2]


@lru_cache(maxsize=16)
def _random_sha256(seed: int) -> str:
    digest = hashlib.sha256()
    for key, value in random_backbone(seed).state_dict().items():
        digest.update(key.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def load_backbone(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> TinyBioMoE:
    """Build the backbone with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    weights : str or path
        A name of `sklearn_biomoe.weights.finding.NAMED`, or a ``.safetensors`` or ``.pth`` state
        dict. Of what else a checkpoint holds beside ``model_state_dict`` nothing is used; prefixes
        ``module.`` and ``_orig_mod.`` and the encoders' old names m1 and m2 are understood. Files
        are read as data: nothing in them is executed.
    seed : int, default=0
        Of the random weights.
    expected : str or None, default=None
        The only hash that is accepted, as `weights_sha256` tells it. What is hashed is what is
        read, before anything in it is looked at.

    Returns
    -------
    backbone : TinyBioMoE

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file has another hash, cannot be read, or does not hold every key in its shape
        with finite values.
    OSError
        Where a download failed.

    Examples
    --------
    >>> load_backbone("random", seed=0).training
    False
    """
    backbone = random_backbone(seed)
    if weights == "random":
        if expected is not None:
            check_digest(_random_sha256(seed), "Random weights", expected)
        return backbone
    path, content, _ = _read(weights, expected)
    state = parse_state_dict(content, path)
    backbone.load_state_dict(fit_to_backbone(state, backbone.state_dict(), path))
    return backbone


def random_backbone(seed: int) -> TinyBioMoE:
    """Build an untrained backbone, leaving torch's global random state as it was."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return TinyBioMoE().eval()


def convert(
    source: str | PathLike[str], target: str | PathLike[str], dtype: str = "float32"
) -> Path:
    """Write verified weights as safetensors: a third of a checkpoint with its optimiser's state.

    Parameters
    ----------
    source : str or path
        As for `load_backbone`.
    target : path
        A ``.safetensors`` file; replaced once the new one is whole.
    dtype : {"float32", "float16"}, default="float32"
        float16 takes half the space; its values are rounded, to 11 significant bits.

    Returns
    -------
    target : Path

    Raises
    ------
    ValueError
        As from `load_backbone`; for another suffix or dtype, and values too large for float16.
    OSError
        Where the target cannot be written.
    """
    target = Path(target)
    if target.suffix != ".safetensors":
        raise ValueError(f"target={str(target)!r}; expected a name that ends in .safetensors.")
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype={dtype!r}; expected 'float32' or 'float16'.")
    sha256 = weights_sha256(source)
    state = load_backbone(source, expected=sha256).state_dict()
    converted = {key: _converted(value, getattr(torch, dtype)) for key, value in state.items()}
    content = safetensors.torch.save(converted, {"format": "pt", "source_sha256": sha256})
    fit_to_backbone(parse_state_dict(content, target), state, target)
    replace_file(target, content)
    return target


def _converted(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _read(weights: str | PathLike[str], expected: str | None) -> tuple[Path, bytes, str]:
    """Find and read a file, and hash what was read: path, content, hash."""
    path, check = find_weights(weights, expected)
    content = read_content(path)
    return path, content, check(hashlib.sha256(content).hexdigest())
