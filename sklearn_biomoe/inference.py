"""Inference: pictures in, embeddings out, batch by batch on one device."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import weights as weights_module
from .backbone import EMBEDDING_SIZE, IMAGE_SIZE
from .images import BiosignalImages

_LOADING = threading.Lock()


def read_images(X: Any) -> BiosignalImages | NDArray[Any]:
    """Read pictures for the backbone in any supported form.

    Parameters
    ----------
    X : BiosignalImages, array-like or sequence of PIL images
        Shape (n, 224, 224, 3) or (n, k, 224, 224, 3), uint8 or float in [0, 1].

    Returns
    -------
    images : BiosignalImages or ndarray of shape (n, k, 224, 224, 3)
        uint8, or float in [0, 1].

    Raises
    ------
    ValueError
        For other shapes, types and ranges.

    Examples
    --------
    >>> import numpy as np
    >>> read_images(np.zeros((2, 224, 224, 3), dtype=np.uint8)).shape
    (2, 1, 224, 224, 3)
    """
    images = X if isinstance(X, BiosignalImages) else _picture_array(X)
    if images.shape[2:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise ValueError(
            f"Pictures have shape {images.shape[2:]}; the backbone takes "
            f"({IMAGE_SIZE}, {IMAGE_SIZE}, 3). Draw them with image_size={IMAGE_SIZE}."
        )
    return images


def _picture_array(X: Any) -> NDArray[Any]:
    try:
        images = np.asarray(X)
    except ValueError:  # pictures of different shapes
        images = np.empty(0, dtype=object)
    if images.ndim not in (4, 5) or images.dtype.kind not in "uif" or images.size == 0:
        raise ValueError(
            "TinyBioMoEEmbedder takes pictures: the output of BiosignalImageTransformer, or an "
            f"array of shape (n, {IMAGE_SIZE}, {IMAGE_SIZE}, 3) or (n, k, {IMAGE_SIZE}, "
            f"{IMAGE_SIZE}, 3), uint8 or float in [0, 1]; got {type(X).__name__} of shape "
            f"{getattr(X, 'shape', (len(X),) if hasattr(X, '__len__') else ())}. To embed signals, "
            "put the picture transformer before it: "
            "make_pipeline(BiosignalImageTransformer(...), TinyBioMoEEmbedder(...))."
        )
    images = images[:, None] if images.ndim == 4 else images
    if images.dtype.kind == "f":
        _check_range(images)
        return images.astype(np.float32, copy=False)
    if images.dtype != np.uint8:
        raise ValueError(f"Pictures have dtype {images.dtype}; expected uint8, or float in [0, 1].")
    return images


def _check_range(images: NDArray[Any]) -> None:
    for row, window in enumerate(images):
        if not (window.min() >= 0 and window.max() <= 1):  # NaN fails both
            raise ValueError(
                f"Float pictures have to lie in [0, 1], but those of window {row} span "
                f"[{window.min():g}, {window.max():g}]; divide by 255, or pass uint8."
            )


def resolve_device(device: str) -> str:
    """Turn "auto" into a device that is there, and refuse one that is not.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:<index>"}
        "auto" is CUDA where torch sees it, else the CPU.

    Returns
    -------
    device : str

    Raises
    ------
    ValueError
        For an unknown name, and for a CUDA device that torch does not see.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if n_cuda else "cpu"
    kind, _, index = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise ValueError(
            f"Unknown device {device!r}; expected 'auto', 'cpu', 'cuda' or 'cuda:<index>'."
        )
    if kind == "cuda" and int(index or 0) >= n_cuda:
        raise ValueError(
            f"device={device!r} was asked for, but torch {torch.__version__} sees {n_cuda} CUDA "
            "devices here; use device='auto' or 'cpu', or install a CUDA build of torch."
        )
    return str(device)


def get_backbone(weights: str | PathLike[str], seed: int, sha256: str, device: str) -> nn.Module:
    """Return the process's one copy of a backbone on a device, loading it at first use.

    Clones, modalities and threads share it; the last four are kept.

    Parameters
    ----------
    weights : "random" or path
    seed : int
        Of random weights.
    sha256 : str
        What `sklearn_biomoe.weights.weights_sha256` has to say of the weights.
    device : str

    Returns
    -------
    backbone : torch.nn.Module
        In evaluation mode.

    Raises
    ------
    ValueError
        Where the weights are no longer those of ``sha256``.
    """
    with _LOADING:
        return _load(fspath(weights), seed, sha256, device)


@lru_cache(maxsize=4)
def _load(weights: str, seed: int, sha256: str, device: str) -> nn.Module:
    found = weights_module.weights_sha256(weights, seed)
    if found != sha256:
        raise ValueError(
            f"Weights {weights!r} have sha256 {found}, but the embedder was fitted with "
            f"{sha256}; fit it again, or bring the former weights back."
        )
    return weights_module.load_backbone(weights, seed).to(device)


def embed(
    backbone: nn.Module,
    images: BiosignalImages | NDArray[Any],
    *,
    device: str,
    batch_size: int,
    progress: bool,
) -> NDArray[np.float32]:
    """Embed every picture of every window.

    Each batch has exactly ``batch_size`` pictures, the last one filled up with blanks: a conv
    network's last bits depend on the batch's size, and so would a window's embedding.

    Parameters
    ----------
    backbone : torch.nn.Module
        float32 (batch_size, 3, H, W) to (batch_size, 192).
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    device : str
        Where pictures are drawn and embedded; the backbone has to be there.
    batch_size : int
    progress : bool
        Show a progress bar.

    Returns
    -------
    embeddings : ndarray of shape (n_windows, n_images, 192), float32
    """
    n_windows, n_images, *picture_shape = images.shape
    embeddings = np.empty((n_windows * n_images, EMBEDDING_SIZE), dtype=np.float32)
    batch = torch.zeros((batch_size, *picture_shape), device=device)
    with torch.inference_mode(), _progress_bar(n_windows * n_images, progress) as bar:
        done = 0
        for pictures in _batches(images, device, batch_size):
            batch.zero_()
            batch[: len(pictures)] = pictures
            output = backbone(batch.permute(0, 3, 1, 2))  # (B, H, W, 3) -> (B, 3, H, W)
            embeddings[done : done + len(pictures)] = output[: len(pictures)].cpu().numpy()
            done += len(pictures)
            if bar is not None:
                bar.update(len(pictures))
    return embeddings.reshape(n_windows, n_images, EMBEDDING_SIZE)


def _batches(
    images: BiosignalImages | NDArray[Any], device: str, batch_size: int
) -> Iterator[Tensor]:
    """Yield float pictures in [0, 1] of shape (<= batch_size, H, W, 3), window by window."""
    n_windows, n_images = images.shape[:2]
    windows_at_once = max(1, batch_size // n_images)
    for start in range(0, n_windows, windows_at_once):
        windows = images[start : start + windows_at_once]
        if isinstance(windows, BiosignalImages):
            pictures = windows.draw(device)
        else:
            pictures = torch.tensor(np.ascontiguousarray(windows), device=device)
        pictures = pictures.flatten(0, 1)  # (windows, n_images, H, W, 3) -> (pictures, H, W, 3)
        scale = 1 if pictures.is_floating_point() else 255
        for part in pictures.split(batch_size):
            yield part.float() / scale


def _progress_bar(n_pictures: int, progress: bool) -> AbstractContextManager[Any]:
    if not progress:
        return nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm: pip install 'sklearn-biomoe[progress]'."
        ) from error
    return tqdm(total=n_pictures, desc="embedding", unit="image")
