"""Devices: which there are, how many images fit on them at once, and processes that share them."""

import multiprocessing
import os
import warnings

import torch

LARGEST_BATCH, SMALLEST_BATCH = 256, 8
# An image needs 33 MB in the published layout; other programs keep most of a GPU's memory.
BYTES_PER_IMAGE = 4 * 2**25

_is_forked = False


def _prepare_forked_process() -> None:
    """Run in a forked process: it cannot use CUDA, nor the threads of its parent."""
    global _is_forked
    _is_forked = True
    # The threads of GNU OpenMP do not survive a fork, and a child that uses them waits forever. One
    # thread computes the same bits.
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_prepare_forked_process)


def resolve_device(device: str) -> str:
    """Replace "auto" by an available device, and refuse unavailable ones.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:<index>", "mps"}
        "auto" is CUDA if torch finds a CUDA device, else the CPU. "mps", a GPU of Apple, is
        experimental.

    Returns
    -------
    device : str

    Raises
    ------
    ValueError
        If the name is unknown, or torch does not find the device.
    RuntimeError
        If the device is CUDA, and this process was forked from one that has used CUDA.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if n_cuda else "cpu"
    kind, _, index = str(device).partition(":")
    if device not in ("cpu", "cuda", "mps") and not (kind == "cuda" and index.isdecimal()):
        raise ValueError(
            f"Unknown device {device!r}; expected 'auto', 'cpu', 'cuda', 'cuda:<index>' or 'mps'."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError(
            f"device='mps', but torch {torch.__version__} finds no GPU of Apple; use device='auto' "
            "or 'cpu'."
        )
    if kind == "cuda" and int(index or 0) >= n_cuda:
        raise ValueError(
            f"device={device!r}, but torch {torch.__version__} finds {n_cuda} CUDA devices; use "
            "device='auto' or 'cpu', or install a CUDA build of torch."
        )
    if kind == "cuda" and _is_forked:
        _check_forked(device)
    return str(device)


def _check_forked(device: str) -> None:
    try:
        torch.cuda.init()  # which succeeds if the parent has not used CUDA
    except RuntimeError as error:
        raise RuntimeError(
            f"Device {device!r} cannot be used: this process was forked from one that has used "
            "CUDA, which does not work in forked processes. Pass device='cpu', or start processes "
            "by 'spawn' or 'forkserver', such as multiprocessing.get_context('spawn') or joblib's "
            "default backend."
        ) from error


def drawing_device(device: str) -> str:
    """Return the device that draws images for a network: that of the network, or the CPU.

    Examples
    --------
    >>> drawing_device("cuda:1"), drawing_device("mps")  # MPS has no float64
    ('cuda:1', 'cpu')
    """
    return "cpu" if device.startswith("mps") else device


def choose_batch_size(device: str) -> int:
    """Choose how many images to embed at once.

    On a CUDA device this depends on its total memory, not on its free memory, since the last bits
    of embeddings depend on the batch size.

    Parameters
    ----------
    device : str
        As `resolve_device` returns it.

    Returns
    -------
    batch_size : int

    Examples
    --------
    >>> choose_batch_size("cpu")
    8
    """
    if not device.startswith("cuda"):
        return SMALLEST_BATCH
    n_images = torch.cuda.get_device_properties(device).total_memory // BYTES_PER_IMAGE
    power_of_two = 2 ** max(0, n_images.bit_length() - 1)
    return min(max(power_of_two, SMALLEST_BATCH), LARGEST_BATCH)


def warn_of_workers(device: str) -> None:
    """Warn if a worker process is about to use a GPU that other workers may use too."""
    if device == "cpu" or multiprocessing.parent_process() is None:
        return
    warnings.warn(
        f"Device {device!r} is used from a worker process: each worker holds a copy of the "
        "backbone on it, and they wait for each other. Embed with a cache before the parallel "
        "part, or pass n_jobs=1.",
        UserWarning,
        stacklevel=2,
    )
