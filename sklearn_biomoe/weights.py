"""Weights of the backbone: random ones from a seed, or a file's, read without executing code."""

import hashlib
import pickle
import threading
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .backbone import TinyBioMoE

_SEEDING = threading.Lock()  # torch's random state is one for all threads


def weights_sha256(weights: str | PathLike[str], seed: int) -> str:
    """Identify weights by their content.

    Parameters
    ----------
    weights : "random" or path
    seed : int
        Of the random weights.

    Returns
    -------
    sha256 : str
        Of the file's bytes; of the keys and values of random weights.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    """
    if weights == "random":
        return _random_sha256(seed)
    with _existing_file(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=16)
def _random_sha256(seed: int) -> str:
    digest = hashlib.sha256()
    for key, value in random_backbone(seed).state_dict().items():
        digest.update(key.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def load_backbone(weights: str | PathLike[str], seed: int) -> TinyBioMoE:
    """Build the backbone with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    weights : "random" or path
        A ``.safetensors`` or ``.pth`` state dict, bare or under the key ``model_state_dict`` as in
        the authors' checkpoint. Files are read as data: nothing in them is executed.
    seed : int
        Of the random weights.

    Returns
    -------
    backbone : TinyBioMoE

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file cannot be read, or does not hold every key in its shape with finite values.

    Examples
    --------
    >>> load_backbone("random", seed=0).training
    False
    """
    if weights == "random":
        return random_backbone(seed)
    path = _existing_file(weights)
    state = read_state_dict(path)
    backbone = random_backbone(seed)
    _check_state_dict(state, backbone.state_dict(), path)
    backbone.load_state_dict(state)
    return backbone


def random_backbone(seed: int) -> TinyBioMoE:
    """Build an untrained backbone, leaving torch's global random state as it was."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return TinyBioMoE().eval()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a ``.safetensors`` or ``.pth`` file, executing nothing."""
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in (".pth", ".pt"):
        raise ValueError(
            f"Weights file {path} has suffix {path.suffix!r}; expected .safetensors, .pth or .pt."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"Weights file {path} cannot be read as a state dict: it is damaged, or holds more "
            "than tensors and plain values, which is never executed. Get the file again from "
            "where it was published."
        ) from error
    if isinstance(content, dict) and "model_state_dict" in content:
        content = content["model_state_dict"]
    return _tensors_by_name(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            f"Reading {path} needs safetensors: pip install 'sklearn-biomoe[safetensors]'."
        ) from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"Weights file {path} is no readable safetensors file ({error}). Get the file again "
            "from where it was published."
        ) from error


def _tensors_by_name(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise ValueError(
            f"Weights file {path} holds a {type(content).__name__}; expected a state dict, which "
            "maps names to tensors."
        )
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise ValueError(
            f"Weights file {path} holds entries that are no tensors, {others[:3]} among them; "
            "expected a state dict, bare or under the key 'model_state_dict'."
        )
    return content


def _check_state_dict(state: dict[str, Tensor], expected: dict[str, Tensor], path: Path) -> None:
    """Raise one ValueError that lists what differs from the backbone's keys and shapes."""
    missing, unknown = (
        sorted(expected.keys() - state.keys()),
        sorted(state.keys() - expected.keys()),
    )
    shared = expected.keys() & state.keys()
    reshaped = [
        f"{key} has shape {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in sorted(shared)
        if state[key].shape != expected[key].shape
    ]
    reindexed = [
        key
        for key in sorted(shared)
        if key.endswith("attention_bias_idxs") and not torch.equal(state[key], expected[key])
    ]
    infinite = [key for key in sorted(shared) if not state[key].isfinite().all()]
    problems = [
        f"{len(found)} {what}: {', '.join(found[:3])}{', …' if len(found) > 3 else ''}"
        for what, found in [
            ("keys are missing", missing),
            ("keys are unknown", unknown),
            ("shapes differ", reshaped),
            ("index tables differ", reindexed),
            ("entries hold NaN or infinity", infinite),
        ]
        if found
    ]
    if problems:
        raise ValueError(
            f"Weights file {path} does not fit the Tiny-BioMoE backbone. {'; '.join(problems)}."
        )


def _existing_file(weights: str | PathLike[str]) -> Path:
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"No weights file at {path.absolute()}; expected 'random' or the path of a "
            ".safetensors or .pth state dict."
        )
    return path
