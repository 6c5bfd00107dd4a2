"""Images in, embeddings out: each image once, in batches of one size, cached."""

import hashlib
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._progress import progress_bar
from .._typing import Array, Rows
from .._version import __version__
from ..backbone.network import EMBEDDING_SIZE
from ..images.stack import BiosignalImages
from .cache import FORMAT_VERSION, EmbeddingCache
from .engines import Engine

ROWS_PUT_AT_ONCE = 1024

# Device and requested batch size -> batch size that the memory of the device allows.
_SMALLER_BATCHES: dict[tuple[str, int], int] = {}


def embed(
    engine: Engine,
    images: BiosignalImages | Array,
    *,
    batch_size: int,
    progress: bool | str,
    cache: EmbeddingCache | None = None,
) -> NDArray[np.float32]:
    """Embed every image of every window, equal ones once; missing windows become NaN.

    Each batch has exactly ``batch_size`` images; the last one is filled with blanks. The last bits
    of a convolution's output depend on the size of the batch, and so would an embedding.

    Parameters
    ----------
    engine : Engine
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    batch_size : int
    progress : "auto" or bool
        Whether to show a progress bar.
    cache : EmbeddingCache or None
        Where embeddings are looked up and stored.

    Returns
    -------
    embeddings : ndarray of shape (n_windows, n_images, 192), float32

    Raises
    ------
    RuntimeError
        If a GPU has too little memory for a single image, and if weights are so large that
        embeddings are not finite.
    """
    n_windows, n_images = images.shape[:2]
    # One array from the start: rows allocated between large batches would fragment the heap.
    embeddings = np.full((n_windows * n_images, EMBEDDING_SIZE), np.nan, dtype=np.float32)
    missing = images.missing if isinstance(images, BiosignalImages) else np.zeros(n_windows, bool)
    positions = np.flatnonzero(np.repeat(~missing, n_images)).tolist()
    present = images[~missing] if missing.any() else images
    keys = dict(zip(positions, image_keys(present, engine.identity), strict=True))
    first: dict[bytes, int] = {}
    for position, key in keys.items():
        first.setdefault(key, position)
    known = {} if cache is None else cache.get(first)
    for key, row in known.items():
        embeddings[first[key]] = row
    todo = np.array([at for key, at in first.items() if key not in known], dtype=np.int64)
    n_done = n_put = 0

    def put() -> None:
        nonlocal n_put
        if cache is not None:
            cache.put({keys[at]: embeddings[at] for at in todo[n_put:n_done].tolist()})
        n_put = n_done

    requested = (engine.device, batch_size)
    size = before = _SMALLER_BATCHES.get(requested, batch_size)
    try:
        bars = progress_bar(len(todo), "embedding", "image", progress, short=True)
        with torch.inference_mode(), bars as bar:
            while n_done < len(todo):
                batch = todo[n_done : n_done + size]
                try:
                    embeddings[batch] = _run(engine, images, batch, size)
                except torch.OutOfMemoryError as error:
                    _refuse_single(engine.device, size, error)
                    size //= 2
                    continue
                n_done += len(batch)
                if n_done - n_put >= ROWS_PUT_AT_ONCE:
                    put()
                if bar is not None:
                    bar.update(len(batch))
    finally:  # also if interrupted
        put()
    if size < before:
        _SMALLER_BATCHES[requested] = size
        warnings.warn(
            f"Device {engine.device!r} ran out of memory with {before} images at once; going on "
            f"with {size}, also in later calls. Pass batch_size={size} to silence this warning.",
            UserWarning,
            stacklevel=2,
        )
    for position, key in keys.items():  # equal images have equal embeddings
        embeddings[position] = embeddings[first[key]]
    return embeddings.reshape(n_windows, n_images, EMBEDDING_SIZE)


def _run(
    engine: Engine, images: BiosignalImages | Array, positions: Rows, batch_size: int
) -> NDArray[np.float32]:
    """Embed images at positions of the flat stack, in a batch filled with blanks."""
    shape = (batch_size, *images.shape[2:])
    batch = torch.zeros(shape, dtype=torch.float32, device=engine.device)
    batch[: len(positions)] = draw_images(images, positions, engine.device)
    embedded = engine.run(batch)[: len(positions)].cpu().numpy()
    if not np.isfinite(embedded).all():  # NaN would mean a missing window
        raise RuntimeError(
            "The backbone computes NaN or infinity from valid images: its weights are too large "
            "for its precision. Check them with 'sklearn-biomoe weights verify'."
        )
    return embedded


def _refuse_single(device: str, batch_size: int, error: Exception) -> None:
    if batch_size == 1:
        raise RuntimeError(
            f"Device {device!r} has too little free memory to embed a single image. Free memory "
            "that other programs use, or pass device='cpu'."
        ) from error


def draw_images(images: BiosignalImages | Array, positions: Rows, device: str) -> Tensor:
    """Draw images on a device.

    Parameters
    ----------
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    positions : ndarray of shape (n,), int64
        In the flat stack: window * n_images + image.
    device : str

    Returns
    -------
    drawn : Tensor of shape (n, H, W, 3), float32
        In [0, 1].
    """
    if isinstance(images, BiosignalImages):
        drawn = images.draw(positions, device)
    else:
        windows, numbers = np.divmod(positions, images.shape[1])
        drawn = torch.from_numpy(images[windows, numbers]).to(device)
    return drawn.float() / (1 if drawn.is_floating_point() else 255)


def image_keys(images: BiosignalImages | Array, identity: str) -> list[bytes]:
    """Hash each image, window by window, with everything else that determines its embedding.

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
    return [hashlib.sha256(prefix + content).digest() for content in _contents(images)]


def _contents(images: BiosignalImages | Array) -> Iterator[bytes]:
    if isinstance(images, BiosignalImages):
        yield from images.contents()
        return
    kind = f"{images.dtype.str} {images.shape[2:]} ".encode()
    for image in images.reshape(-1, *images.shape[2:]):
        yield kind + np.ascontiguousarray(image).tobytes()
