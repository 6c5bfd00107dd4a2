"""Reading weights into the backbone, and writing them."""

import hashlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from .._files import replace_file
from ..backbone.network import TinyBioMoE
from .named_weights import check_digest, find_weights
from .random_weights import random_backbone, random_sha256
from .state_dict import fit_to_backbone, parse_state_dict, read_content


@dataclass(frozen=True)
class BackboneWeights:
    """Which weights a backbone has: what `sklearn_biomoe.inference.get_engine` loads.

    Parameters
    ----------
    weights : str
        "random" or a name or path, as for `load_backbone`.
    seed : int
        Of random weights.
    sha256 : str
        The only hash that is accepted, as `weights_sha256` returns it.
    """

    weights: str
    seed: int
    sha256: str

    def load(self) -> TinyBioMoE:
        """Return the readable network on the CPU."""
        return load_backbone(self.weights, self.seed, expected=self.sha256)


def weights_sha256(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> str:
    """Identify weights by their content, after downloading named ones that are not here yet.

    Parameters
    ----------
    weights : str or path
        A name of `sklearn_biomoe.weights.named_weights.NAMED`, or a file.
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
        return check_digest(random_sha256(seed), "Random weights", expected)
    return _read(weights, expected)[2]


def load_backbone(
    weights: str | PathLike[str], seed: int = 0, *, expected: str | None = None
) -> TinyBioMoE:
    """Build the backbone with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    weights : str or path
        A name of `sklearn_biomoe.weights.named_weights.NAMED`, or a ``.safetensors`` or ``.pth``
        state dict. Only ``model_state_dict`` of a checkpoint is used; the prefixes ``module.`` and
        ``_orig_mod.`` and the encoders' old names m1 and m2 are understood. Files are read as
        data: nothing in them is executed.
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
            check_digest(random_sha256(seed), "Random weights", expected)
        return backbone
    path, content, _ = _read(weights, expected)
    state = parse_state_dict(content, path)
    backbone.load_state_dict(fit_to_backbone(state, backbone.state_dict(), path))
    return backbone


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
