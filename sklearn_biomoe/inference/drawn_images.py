"""Images drawn for a network, on its device, and ahead of it in a thread of their own."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .._typing import Array, Rows
from ..images.stack import BiosignalImages, copy_to_device
from .devices import drawing_device

N_AHEAD = 2  # pieces that are drawn before the network needs them
DRAWN_AT_ONCE = 128  # images on a GPU: fewer do not occupy it

Item = TypeVar("Item")
_END: Any = object()


def draw_images(images: BiosignalImages | Array, positions: Rows, device: str) -> Tensor:
    """Draw images for a network.

    Parameters
    ----------
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    positions : ndarray of shape (n,), int64
        In the flat stack: window * n_images + image.
    device : str
        Of the network.

    Returns
    -------
    drawn : Tensor of shape (n, H, W, 3), float32
        In [0, 1], on ``device``.
    """
    if isinstance(images, BiosignalImages):
        drawn = images.draw(positions, drawing_device(device)).to(device)
    else:
        windows, numbers = np.divmod(positions, images.shape[1])
        drawn = copy_to_device(torch.from_numpy(images[windows, numbers]), device)
    return drawn.float() / (1 if drawn.is_floating_point() else 255)


def draw_pieces(
    images: BiosignalImages | Array, todo: Iterator[Rows], batch_size: int, device: str
) -> Generator[tuple[Rows, Tensor], None, None]:
    """Draw images in pieces of one or more batches, on a GPU ahead of the network.

    Parameters
    ----------
    images : BiosignalImages or ndarray
        Shape (n_windows, n_images, H, W, 3), uint8 or float in [0, 1].
    todo : iterator of ndarray of shape (n,), int64
        Positions in the flat stack.
    batch_size : int
    device : str
        Of the network.

    Yields
    ------
    positions : ndarray of shape (n,), int64
    drawn : Tensor of shape (n, H, W, 3), float32
        Complete when it is yielded. All but the last have the same size.
    """
    is_gpu = device != "cpu"
    size = max(batch_size, DRAWN_AT_ONCE - DRAWN_AT_ONCE % batch_size) if is_gpu else batch_size
    stream = _side_stream(torch.device(device)) if device.startswith("cuda") else None
    drawn = ((piece, _draw(images, piece, device, stream)) for piece in _regroup(todo, size))
    is_one_piece = images.shape[0] * images.shape[1] <= size
    return prefetch(drawn, N_AHEAD) if is_gpu and not is_one_piece else drawn


def prefetch(items: Iterator[Item], n_ahead: int) -> Generator[Item, None, None]:
    """Take items from an iterator in a thread of their own, some of them ahead.

    Errors in the thread are raised where the item would be yielded. The thread ends with the last
    item, at an error, and when the generator is closed, which waits for the item in progress.

    Examples
    --------
    >>> list(prefetch(iter("abc"), n_ahead=2))
    ['a', 'b', 'c']
    """
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="sklearn_biomoe") as thread:
        try:
            waiting.extend(thread.submit(next, items, _END) for _ in range(n_ahead))
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def refuse_single(n_images: int, device: str, error: Exception) -> None:
    """Raise RuntimeError if a device has too little memory for one image."""
    if n_images == 1:
        raise RuntimeError(
            f"Device {device!r} has too little free memory to embed a single image. Free memory "
            "that other programs use, or pass device='cpu'."
        ) from error


def _regroup(groups: Iterator[Rows], size: int) -> Iterator[Rows]:
    """Join and split groups to pieces of ``size``, of which the last may be smaller."""
    waiting = np.empty(0, dtype=np.int64)
    for group in groups:
        waiting = np.concatenate([waiting, group])
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if len(waiting):
        yield waiting


def _draw(
    images: BiosignalImages | Array, positions: Rows, device: str, stream: Any | None
) -> Tensor:
    """Draw on a stream of a CUDA device, and wait until the images are complete."""
    with torch.inference_mode():  # which applies to one thread
        if stream is None:
            return _draw_in_parts(images, positions, device)
        with torch.cuda.stream(stream):
            drawn = _draw_in_parts(images, positions, device)
    stream.synchronize()
    return drawn


def _draw_in_parts(images: BiosignalImages | Array, positions: Rows, device: str) -> Tensor:
    """Draw at once, or in parts if a GPU has too little memory for that."""
    try:
        return draw_images(images, positions, device)
    except torch.OutOfMemoryError as error:
        refuse_single(len(positions), device, error)
    halves = np.array_split(positions, 2)
    return torch.cat([_draw_in_parts(images, half, device) for half in halves])


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return a stream for drawing, always the same, since torch keeps memory for each."""
    return torch.cuda.Stream(device)
