"""Checkpoints: one file for each training run, replaced as a whole, read without executing code."""

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._files import new_file
from .._typing import Array
from .._version import __version__
from ..images.stack import BiosignalImages

FORMAT_VERSION = 2


class Checkpoint:
    """The file of one training run, named by a hash of everything that determines the run.

    Folds and grid points of a search are separate runs, and can share a folder.

    Parameters
    ----------
    folder : path
        Created if missing.
    fingerprint : str
        As from `compute_fingerprint`.
    """

    def __init__(self, folder: str | PathLike[str], fingerprint: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder) / f"{fingerprint[:16]}.pth"
        self.fingerprint = fingerprint

    def read(self) -> dict[str, Any] | None:
        """Return the last state, with tensors on the CPU; None if there is no file.

        Raises
        ------
        ValueError
            If the file is damaged, or belongs to another run.
        """
        if not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        # torch raises many types of errors for damaged files, from KeyError to EOFError.
        except Exception as error:
            raise ValueError(
                f"Checkpoint {self.path} cannot be read: it is damaged, or contains objects other "
                "than tensors and plain values, which are never loaded. Delete it to train from "
                "the start."
            ) from error
        if not isinstance(state, dict) or state.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"Checkpoint {self.path} belongs to a run with other parameters, images or labels. "
                "Delete it, or pass another folder."
            )
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the last state."""
        with new_file(self.path) as file:
            torch.save({"fingerprint": self.fingerprint, **state}, file)


def compute_fingerprint(
    parameters: Mapping[str, Any], images: BiosignalImages | Array, *arrays: Array
) -> str:
    """Hash everything that determines the result of a run.

    Parameters
    ----------
    parameters : dict
        Values that differ if and only if their representations differ.
    images : BiosignalImages or ndarray
    *arrays : ndarray
        Such as labels.

    Returns
    -------
    fingerprint : str
    """
    header = (FORMAT_VERSION, __version__, sorted(parameters.items()), images.shape)
    digest = hashlib.sha256(repr(header).encode())
    if isinstance(images, BiosignalImages):
        for content in images.contents():
            digest.update(content)
    else:
        digest.update(images.dtype.str.encode() + np.ascontiguousarray(images).tobytes())
    for array in arrays:
        digest.update(repr((array.dtype.str, array.tolist())).encode())
    return digest.hexdigest()
