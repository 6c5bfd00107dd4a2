"""Checkpoints: one file for each training run, whole or not at all, read without executing code."""

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._files import new_file
from .._version import __version__
from ..images.stack import BiosignalImages

FORMAT_VERSION = 1


class Checkpoint:
    """The file that a run goes on from, named by all that decides the run.

    Folds and grid points of a search are runs of their own, so that they can share a folder.

    Parameters
    ----------
    folder : path
        Made where there is none.
    fingerprint : str
        As from `fingerprint_of`.
    """

    def __init__(self, folder: str | PathLike[str], fingerprint: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder) / f"{fingerprint[:16]}.pth"
        self.fingerprint = fingerprint

    def read(self) -> dict[str, Any] | None:
        """Return what was written last, on the CPU; None where nothing was.

        Raises
        ------
        ValueError
            Where the file is damaged, or of another run.
        """
        if not self.path.is_file():
            return None
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
        # Damaged files make torch's reader raise whatever its parts do, from KeyError to EOFError.
        except Exception as error:
            raise ValueError(
                f"Checkpoint {self.path} cannot be read: it is damaged, or holds more than tensors "
                "and plain values, which is never executed. Delete it, and training begins anew."
            ) from error
        if not isinstance(kept, dict) or kept.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"Checkpoint {self.path} was written by training with other parameters, images "
                "or labels; delete it, or name another folder."
            )
        return kept

    def write(self, state: dict[str, Any]) -> None:
        """Put a state in place of the one that was there."""
        with new_file(self.path) as file:
            torch.save({"fingerprint": self.fingerprint, **state}, file)


def fingerprint_of(
    decisions: dict[str, Any], images: BiosignalImages | NDArray[Any], *arrays: NDArray[Any]
) -> str:
    """Hash all that decides what a run comes to.

    Parameters
    ----------
    decisions : dict
        Of values whose representation tells them apart, such as parameters.
    images : BiosignalImages or ndarray
    *arrays : ndarray
        Such as labels.

    Returns
    -------
    fingerprint : str
    """
    digest = hashlib.sha256(repr((FORMAT_VERSION, __version__, sorted(decisions.items()))).encode())
    digest.update(repr(images.shape).encode())
    if isinstance(images, BiosignalImages):
        for content in images.contents():
            digest.update(content)
    else:
        digest.update(images.dtype.str.encode() + np.ascontiguousarray(images).tobytes())
    for array in arrays:
        digest.update(repr((array.dtype.str, array.tolist())).encode())
    return digest.hexdigest()
