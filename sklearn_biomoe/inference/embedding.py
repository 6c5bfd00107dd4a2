"""Images in, embeddings out: each once, in batches of one size, remembered."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._progress import progress_bar
from .._version import __version__
from ..backbone.network import EMBEDDING_SIZE
from ..images.stack import BiosignalImages
from .cache import FORMAT_VERSION, Memory
from .engines import Engine

ROWS_PUT_AT_ONCE = 1024

_SMALLER_BATCHES: dict[tuple[str, int], int] = {}  # device and batch size asked for: what it bears


def embed(
    engine: Engine,
    images: BiosignalImages | NDArray[Any],
    *,
    batch_size: int,
    progress: bool,
    memory: Memory | None = None,
    on_batch: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Embed every image of every window, equal ones once; missing windows become NaN.

    Each batch has exactly ``batch_size`` images, the last one filled up with blanks: a conv
    network's last bits depend on the batch's size, and so would a window's embedding.

    Parameters
    ----------
    engine : Engine
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    batch_size : int
    progress : bool
        Show a progress bar.
    memory : Memory or None
        Where embeddings are looked up, and put batch by batch.
    on_batch : callable or None
        Called after each batch.

    Returns
    -------
    embeddings : ndarray of shape (n_windows, n_images, 192), float32

    Raises
    ------
    RuntimeError
        Where a GPU has too little memory for a single image, and where weights are so large that
        embeddings are not finite.
    """
    if isinstance(images, BiosignalImages) and (missing := images.missing).any():
        shape = (*images.shape[:2], EMBEDDING_SIZE)
        everywhere = np.full(shape, np.nan, dtype=np.float32)
        everywhere[~missing] = embed(
            engine,
            images[~missing],
            batch_size=batch_size,
            progress=progress,
            memory=memory,
            on_batch=on_batch,
        )
        return everywhere
    keys = image_keys(images, engine.identity)
    # In one piece from the start: rows of their own, between large batches, would scatter the heap.
    embeddings = np.empty((len(keys), EMBEDDING_SIZE), dtype=np.float32)
    first: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    known = {} if memory is None else memory.get(first)
    for key, row in known.items():
        embeddings[first[key]] = row
    todo = np.array([at for key, at in first.items() if key not in known], dtype=np.int64)
    n_done = n_put = 0
    try:
        with torch.inference_mode(), progress_bar(len(todo), "embedding", "image", progress) as bar:
            for positions, batch in _batches(images, todo, engine.device, batch_size):
                embeddings[positions] = _run(engine, batch, batch_size).cpu().numpy()
                if not np.isfinite(embeddings[positions]).all():  # NaN would mean a missing window
                    raise RuntimeError(
                        "The backbone computes NaN or infinity from images that are sound: its "
                        "weights are beyond what its precision can bear. Check them with "
                        "'sklearn-biomoe weights verify'."
                    )
                n_done += len(positions)
                if memory is not None and n_done - n_put >= ROWS_PUT_AT_ONCE:
                    memory.put(_rows(keys, embeddings, todo[n_put:n_done]))
                    n_put = n_done
                if bar is not None:
                    bar.update(len(positions))
                if on_batch is not None:
                    on_batch()
    finally:  # also when interrupted
        if memory is not None:
            memory.put(_rows(keys, embeddings, todo[n_put:n_done]))
    for position, key in enumerate(keys):  # equal images have equal rows
        if first[key] != position:
            embeddings[position] = embeddings[first[key]]
    return embeddings.reshape(*images.shape[:2], EMBEDDING_SIZE)


def _rows(
    keys: list[bytes], embeddings: NDArray[np.float32], positions: NDArray[np.int64]
) -> dict[bytes, NDArray[np.float32]]:
    return {keys[at]: embeddings[at] for at in positions}


def image_keys(images: BiosignalImages | NDArray[Any], identity: str) -> list[bytes]:
    """Hash each image, window by window, with all else that decides its embedding.

    Parameters
    ----------
    images : BiosignalImages or ndarray
    identity : str
        Of the engine.

    Returns
    -------
    keys : list of bytes
    """
    prefix = f"{FORMAT_VERSION} {__version__} {identity} ".encode()
    if isinstance(images, BiosignalImages):
        contents: Any = images.contents()
    else:
        kind = f"{images.dtype.str} {images.shape[2:]} ".encode()
        flat = images.reshape(-1, *images.shape[2:])
        contents = (kind + np.ascontiguousarray(image).tobytes() for image in flat)
    return [hashlib.sha256(prefix + content).digest() for content in contents]


def _batches(
    images: BiosignalImages | NDArray[Any], todo: NDArray[np.int64], device: str, batch_size: int
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield positions of images, ascending, and as many images (<= batch_size, H, W, 3)."""
    n_images = images.shape[1]
    windows = np.unique(todo // n_images)
    windows_at_once = -(-batch_size // n_images)
    waiting = torch.empty((0, *images.shape[2:]), device=device)
    start = 0
    for first in range(0, len(windows), windows_at_once):
        chosen = windows[first : first + windows_at_once]
        wanted = todo[np.isin(todo // n_images, chosen)]
        drawn = draw_images(images[chosen], device).flatten(
            0, 1
        )  # (windows, n_images, ...) -> (n, ...)
        within = np.searchsorted(chosen, wanted // n_images) * n_images + wanted % n_images
        waiting = torch.cat([waiting, drawn[torch.from_numpy(within).to(device)]])
        while len(waiting) >= batch_size:
            yield todo[start : start + batch_size], waiting[:batch_size]
            start, waiting = start + batch_size, waiting[batch_size:]
    if len(waiting):
        yield todo[start:], waiting


def draw_images(images: BiosignalImages | NDArray[Any], device: str) -> Tensor:
    """Draw images on a device.

    Parameters
    ----------
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    device : str

    Returns
    -------
    drawn : Tensor of shape (n_windows, n_images, H, W, 3), float32
        In [0, 1].
    """
    if isinstance(images, BiosignalImages):
        drawn = images.draw(device)
    else:
        drawn = torch.tensor(np.ascontiguousarray(images), device=device)
    return drawn.float() / (1 if drawn.is_floating_point() else 255)


def _run(engine: Engine, images: Tensor, batch_size: int) -> Tensor:
    """Embed images in batches of one size, smaller ones where the device lacks memory."""
    asked = (engine.device, batch_size)
    size = before = _SMALLER_BATCHES.get(asked, batch_size)
    outputs = []
    while len(images):
        batch = images.new_zeros((size, *images.shape[1:]))
        batch[: len(images)] = images[:size]
        try:
            outputs.append(engine.run(batch)[: len(images)])
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise RuntimeError(
                    f"Device {engine.device!r} has too little free memory to embed a single "
                    "image. Free what other programs hold, or pass device='cpu'."
                ) from error
            size //= 2
            continue
        images = images[size:]
    if size < before:
        _SMALLER_BATCHES[asked] = size
        warnings.warn(
            f"Device {engine.device!r} ran out of memory with {before} images at once; going on "
            f"with {size}, also in later calls. Pass batch_size={size} to be spared this.",
            UserWarning,
            stacklevel=2,
        )
    return torch.cat(outputs)
