"""Engines: loaded backbones by device and precision, one copy of each per process."""

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor, nn

from .._validation.parameters import check_option
from ..backbone.fast import FastBackbone
from ..backbone.onnx import ONNX_PACKAGES, load_session

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

LARGEST_BATCH, SMALLEST_BATCH = 256, 8
# An image needs 33 MB in the published layout; other programs keep most of a GPU's memory.
BYTES_PER_IMAGE = 4 * 2**25

_LOADING = threading.Lock()

# The threads of GNU OpenMP do not survive a fork, and a child that uses them waits forever. One
# thread computes the same bits.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@dataclass(frozen=True)
class Engine:
    """A backbone ready to run.

    Parameters
    ----------
    run : callable
        float32 images (B, H, W, 3) in [0, 1] on ``device`` to float32 embeddings (B, 192).
    device : str
    identity : str
        Names everything but the image that determines an embedding: weights, precision, engine.
    """

    run: Callable[[Tensor], Tensor]
    device: str
    identity: str


def resolve_device(device: str) -> str:
    """Replace "auto" by an available device, and refuse unavailable ones.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "cuda:<index>"}
        "auto" is CUDA if torch finds a CUDA device, else the CPU.

    Returns
    -------
    device : str

    Raises
    ------
    ValueError
        If the name is unknown, or torch does not find that CUDA device.

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
            f"device={device!r}, but torch {torch.__version__} finds {n_cuda} CUDA devices; use "
            "device='auto' or 'cpu', or install a CUDA build of torch."
        )
    return str(device)


def choose_batch_size(device: str) -> int:
    """Choose how many images to embed at once.

    On a GPU this depends on its total memory, not on its free memory, since the last bits of
    embeddings depend on the batch size.

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
    if device == "cpu":
        return SMALLEST_BATCH
    n_images = torch.cuda.get_device_properties(device).total_memory // BYTES_PER_IMAGE
    power_of_two = 2 ** max(0, n_images.bit_length() - 1)
    return min(max(power_of_two, SMALLEST_BATCH), LARGEST_BATCH)


def check_precision(precision: str, device: str) -> None:
    """Raise ValueError if a device has no instructions for a precision.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
    device : str
        As `resolve_device` returns it.

    Examples
    --------
    >>> check_precision("float16", "cpu")
    Traceback (most recent call last):
    ...
    ValueError: Unknown precision 'float16'; expected one of ['bfloat16', 'float32']. Did you mean
    'bfloat16'?
    """
    check_option("precision", precision, list(PRECISIONS))
    if precision == "float32":
        return
    if device == "cpu":
        able = torch.cpu.get_capabilities()
        supported = any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    else:
        supported = torch.cuda.is_bf16_supported()
    if not supported:
        raise ValueError(
            f"precision='bfloat16', but this {device} has no instructions for it and would be "
            "slower than with precision='float32'; pass precision='float32'."
        )


def resolve_engine(engine: str, device: str, precision: str) -> str:
    """Replace "auto" by an available engine, and refuse combinations that cannot run.

    Parameters
    ----------
    engine : {"auto", "torch", "onnxruntime"}
        "auto" is ONNX Runtime on a CPU in float32 if its packages are installed, else torch.
    device : str
    precision : str

    Returns
    -------
    engine : {"torch", "onnxruntime"}

    Raises
    ------
    ValueError
        If the name is unknown, and for ONNX Runtime on a GPU or in a precision but float32.

    Examples
    --------
    >>> resolve_engine("torch", "cpu", "bfloat16")
    'torch'
    """
    check_option("engine", engine, ["auto", "onnxruntime", "torch"])
    fits = device == "cpu" and precision == "float32"
    if engine == "auto":
        return "onnxruntime" if fits and all(map(find_spec, ONNX_PACKAGES)) else "torch"
    if engine == "onnxruntime" and not fits:
        raise ValueError(
            f"engine='onnxruntime' runs on device='cpu' in precision='float32', not on {device!r} "
            f"in {precision!r}; pass engine='torch'."
        )
    return engine


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


class LoadableBackbone(Protocol):
    """Weights that can be loaded: hashable, and equal to others of the same content."""

    def __hash__(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Hash of the weights."""

    def load(self) -> nn.Module:
        """Return the readable network on the CPU."""


def get_engine(
    backbone: LoadableBackbone, device: str, precision: str = "float32", engine: str = "torch"
) -> Engine:
    """Return the process's one copy of a backbone on a device, loading it at first use.

    Clones, modalities and threads share it; the last four are kept.

    Parameters
    ----------
    backbone : BackboneWeights or another object with ``sha256`` and ``load``
    device : str
        As `resolve_device` returns it.
    precision : {"float32", "bfloat16"}
    engine : {"torch", "onnxruntime"}

    Returns
    -------
    engine : Engine

    Raises
    ------
    ValueError
        If the weights no longer have their hash.
    """
    with _LOADING:
        return _load(backbone, device, precision, engine)


@lru_cache(maxsize=4)
def _load(backbone: LoadableBackbone, device: str, precision: str, engine: str) -> Engine:
    warn_of_workers(device)
    readable = backbone.load().to(device)
    network: Callable[[Tensor], Tensor]
    if engine == "onnxruntime":
        network, release = load_session(readable, backbone.sha256), version("onnxruntime")
    else:
        network, release = FastBackbone(readable, PRECISIONS[precision]).eval(), torch.__version__

    def run(images: Tensor) -> Tensor:
        return network(images.permute(0, 3, 1, 2))  # (B, H, W, 3) -> (B, 3, H, W)

    kind = device.partition(":")[0]
    return Engine(run, device, f"{backbone.sha256} {precision} {kind} {engine} {release}")


def free_engines() -> None:
    """Release all loaded backbones and their memory.

    Embedders and fine-tuned estimators stay usable: they load the backbone again.
    """
    with _LOADING:
        _load.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
