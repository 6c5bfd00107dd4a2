"""Images in, embeddings out: in batches of one size, cached; with a cache, equal images once."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._progress import progress_bar
from .._typing import Array, Mask, Rows
from .._version import __version__
from ..backbone.network import EMBEDDING_SIZE
from ..images.stack import BiosignalImages
from .cache import FORMAT_VERSION, EmbeddingCache
from .drawn_images import draw_pieces, refuse_single
from .engines import Engine

ROWS_AT_ONCE = 1024  # of images that are looked up in a cache, and of embeddings put into it

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
    """Embed every image of every window; missing windows become NaN.

    Each batch has exactly ``batch_size`` images; the last one is filled with blanks. The last bits
    of a convolution's output depend on the size of the batch, and so would an embedding. On a GPU,
    images are hashed, looked up and drawn in a thread of their own while the network runs.

    Parameters
    ----------
    engine : Engine
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    batch_size : int
    progress : "auto" or bool
        Whether to show a progress bar.
    cache : EmbeddingCache or None
        Where embeddings are looked up and stored. With a cache, equal images are embedded once.

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
    present = ~images.missing if isinstance(images, BiosignalImages) else np.ones(n_windows, bool)
    positions = np.flatnonzero(np.repeat(present, n_images))
    lookup = None if cache is None else _Lookup(images, present, engine.identity, cache, embeddings)
    todo = iter([positions]) if lookup is None else lookup.find_new()
    n_done = 0
    try:
        with (
            torch.inference_mode(),
            progress_bar(len(positions), "embedding", "image", progress, short=True) as bar,
            closing(draw_pieces(images, todo, batch_size, engine.device)) as pieces,
        ):
            for piece, drawn in pieces:
                embeddings[piece] = _run(engine, drawn, batch_size)
                n_done += len(piece)
                if lookup is not None:
                    lookup.add(piece)
                if bar is not None:
                    bar.update(n_done + (0 if lookup is None else lookup.n_found) - bar.n)
            if bar is not None:
                bar.update(bar.total - bar.n)
    finally:  # also if interrupted
        if lookup is not None:
            lookup.put()
    if lookup is not None:
        lookup.copy_to_equal_images()
    return embeddings.reshape(n_windows, n_images, EMBEDDING_SIZE)


def _run(engine: Engine, drawn: Tensor, batch_size: int) -> NDArray[np.float32]:
    """Embed drawn images in batches of one size, halved if a GPU runs out of memory."""
    requested = (engine.device, batch_size)
    size = before = _SMALLER_BATCHES.get(requested, batch_size)
    embeddings = np.empty((len(drawn), EMBEDDING_SIZE), dtype=np.float32)
    n_done = 0
    while n_done < len(drawn):
        batch = drawn[n_done : n_done + size]
        try:
            embeddings[n_done : n_done + size] = _run_batch(engine, batch, size)
        except torch.OutOfMemoryError as error:
            refuse_single(size, engine.device, error)
            size //= 2
        else:
            n_done += len(batch)
    if size < before:
        _SMALLER_BATCHES[requested] = size
        warnings.warn(
            f"Device {engine.device!r} ran out of memory with {before} images at once; going on "
            f"with {size}, also in later calls. Pass batch_size={size} to silence this warning.",
            UserWarning,
            stacklevel=3,
        )
    return embeddings


def _run_batch(engine: Engine, images: Tensor, batch_size: int) -> NDArray[np.float32]:
    """Embed up to ``batch_size`` images, in a batch filled with blanks."""
    batch = images.contiguous()
    if len(images) < batch_size:
        batch = images.new_zeros((batch_size, *images.shape[1:]))
        batch[: len(images)] = images
    embedded = engine.run(batch)[: len(images)].cpu().numpy()
    if not np.isfinite(embedded).all():  # NaN would mean a missing window
        raise RuntimeError(
            "The backbone computes NaN or infinity from valid images: its weights are too large "
            "for its precision. Check them with 'sklearn-biomoe weights verify'."
        )
    return embedded


class _Lookup:
    """Finds out which images have to be embedded, and puts their embeddings into the cache.

    `find_new` may run in another thread than the other methods.
    """

    def __init__(
        self,
        images: BiosignalImages | Array,
        present: Mask,
        identity: str,
        cache: EmbeddingCache,
        embeddings: NDArray[np.float32],
    ) -> None:
        self.images, self.present, self.identity = images, present, identity
        self.cache, self.embeddings = cache, embeddings
        self.n_found = 0  # images that are cached, or equal to an earlier one
        self._keys: dict[int, bytes] = {}  # of images to embed, by position
        self._equal: list[tuple[int, int]] = []  # of an image, and of an earlier one
        self._waiting: list[int] = []  # positions of embeddings to put into the cache

    def find_new(self) -> Iterator[Rows]:
        """Fill in embeddings that are cached, and yield the positions of images to embed."""
        n_windows, n_images = self.images.shape[:2]
        n_at_once = max(1, ROWS_AT_ONCE // n_images)
        first: dict[bytes, int] = {}
        for start in range(0, n_windows, n_at_once):
            windows = slice(start, start + n_at_once)
            keys = image_keys(self.images[windows], self.identity)
            new: dict[bytes, int] = {}
            for position, key in enumerate(keys, start * n_images):
                if not self.present[position // n_images]:
                    continue
                if key in first:
                    self._equal.append((position, first[key]))
                else:
                    first[key] = new[key] = position
            known = self.cache.get(new)
            for key, row in known.items():
                self.embeddings[new.pop(key)] = row
            self._keys.update((position, key) for key, position in new.items())
            n_present = int(self.present[windows].sum()) * n_images
            self.n_found += n_present - len(new)
            yield np.fromiter(new.values(), dtype=np.int64)

    def add(self, positions: Rows) -> None:
        """Note that images have been embedded; put many of them into the cache at once."""
        self._waiting += positions.tolist()
        if len(self._waiting) >= ROWS_AT_ONCE:
            self.put()

    def put(self) -> None:
        """Put embeddings that are waiting into the cache."""
        if self._waiting:
            self.cache.put({self._keys[at]: self.embeddings[at] for at in self._waiting})
            self._waiting = []

    def copy_to_equal_images(self) -> None:
        """Fill in the embeddings of images that are equal to an earlier one."""
        for position, earlier in self._equal:
            self.embeddings[position] = self.embeddings[earlier]


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
