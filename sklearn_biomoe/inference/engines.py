"""Engines: loaded backbones by device and precision, one copy of each per process."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from .cuda_graphs import GraphedNetwork
from .devices import warn_of_workers
from .precision import PRECISIONS, use_precision

# Of embeddings, whose values are around 1, of a compiled network from the network itself.
LARGEST_DEVIATIONS = {"float32": 1e-4, "tf32": 2e-2, "bfloat16": 0.5}

_LOADING = threading.Lock()
_COMPILING = threading.RLock()


@dataclass(frozen=True)
class Engine:
    """A backbone ready to run.

    Parameters
    ----------
    run : callable
        float32 images (B, H, W, 3) in [0, 1] on ``device`` to float32 embeddings (B, 192), which
        are complete when they are returned.
    device : str
        With its index, if it has one.
    identity : str
        Names everything but the image that determines an embedding: weights, precision, engine.
    """

    run: Callable[[Tensor], Tensor]
    device: str
    identity: str


def resolve_engine(engine: str, device: str, precision: str) -> str:
    """Replace "auto" by an available engine, and refuse combinations that cannot run.

    Parameters
    ----------
    engine : {"auto", "torch", "compile", "onnxruntime"}
        "auto" is ONNX Runtime on a CPU in float32 if its packages are installed, else torch.
    device : str
    precision : str

    Returns
    -------
    engine : {"torch", "compile", "onnxruntime"}

    Raises
    ------
    ValueError
        If the name is unknown, for ONNX Runtime on a GPU or in a precision but float32, and for
        torch.compile on MPS, or on a CPU in bfloat16.

    Examples
    --------
    >>> resolve_engine("torch", "cpu", "bfloat16")
    'torch'
    """
    check_option("engine", engine, ["auto", "compile", "onnxruntime", "torch"])
    fits = device == "cpu" and precision == "float32"
    if engine == "auto":
        return "onnxruntime" if fits and all(map(find_spec, ONNX_PACKAGES)) else "torch"
    if engine == "onnxruntime" and not fits:
        raise ValueError(
            f"engine='onnxruntime' runs on device='cpu' in precision='float32', not on {device!r} "
            f"in {precision!r}; pass engine='torch'."
        )
    # On CPUs, torch 2.13 compiles the network in bfloat16 to code that returns NaN.
    if engine == "compile" and not (fits or device.startswith("cuda")):
        raise ValueError(
            "engine='compile' runs on CUDA devices, and on a CPU in precision='float32', not on "
            f"{device!r} in {precision!r}; pass engine='torch'."
        )
    return engine


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

    Clones, modalities and threads share it; the last four are kept. "cuda" and "cuda:0" have
    copies of their own.

    Parameters
    ----------
    backbone : BackboneWeights or another object with ``sha256`` and ``load``
    device : str
        As `resolve_device` returns it.
    precision : {"float32", "tf32", "bfloat16"}
    engine : {"torch", "compile", "onnxruntime"}

    Returns
    -------
    engine : Engine

    Raises
    ------
    ValueError
        If the weights no longer have their hash, and if torch.compile does not work here.
    """
    with _LOADING:
        return _load(backbone, device, precision, engine)


@lru_cache(maxsize=4)
def _load(backbone: LoadableBackbone, device: str, precision: str, engine: str) -> Engine:
    warn_of_workers(device)
    if engine == "compile":
        _check_compiler(device)
    readable = backbone.load().to(device)
    kind, release = device.partition(":")[0], str(torch.__version__)
    network: Callable[[Tensor], Tensor]
    if engine == "onnxruntime":
        network, release = load_session(readable, backbone.sha256), version("onnxruntime")
    else:
        network = _torch_network(readable, kind, precision, engine)

    def forward(images: Tensor) -> Tensor:
        return network(images.permute(0, 3, 1, 2))  # (B, H, W, 3) -> (B, 3, H, W)

    place = next(readable.parameters()).device
    compute = GraphedNetwork(forward, place) if kind == "cuda" else forward

    def run(images: Tensor) -> Tensor:
        with use_precision(precision, kind):
            return compute(images)

    return Engine(run, str(place), f"{backbone.sha256} {precision} {kind} {engine} {release}")


def _torch_network(
    readable: nn.Module, kind: str, precision: str, engine: str
) -> Callable[[Tensor], Tensor]:
    if kind == "mps":  # the layouts of the fast form are those of other devices
        return readable
    network = FastBackbone(readable, PRECISIONS[precision]).eval()
    if engine != "compile":
        return network
    return _compared(_compiled(network), network, LARGEST_DEVIATIONS[precision])


def _compared(
    compiled: Callable[[Tensor], Tensor], network: Callable[[Tensor], Tensor], largest: float
) -> Callable[[Tensor], Tensor]:
    """Compare the first batch of each size with the network: compilers have errors."""
    checked: set[torch.Size] = set()

    def run(images: Tensor) -> Tensor:
        if images.shape in checked:
            return compiled(images)
        with _quiet():
            embeddings = compiled(images)
        expected = network(images)
        deviation = float((embeddings - expected).abs().max())
        if expected.isfinite().all() and not deviation <= largest:  # NaN is not
            raise RuntimeError(
                f"engine='compile': embeddings deviate by {deviation:.1e} from those of the "
                f"network before compilation; expected up to {largest:g}. torch.compile of "
                f"torch {torch.__version__} does not work for it; pass engine='torch'."
            )
        checked.add(images.shape)
        return embeddings

    return run


def _compiled(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    with _quiet():
        compiled: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False)
    return compiled


@contextmanager
def _quiet() -> Iterator[None]:
    """Ignore warnings of torch.compile, while one thread at a time compiles.

    It warns of deprecated parts of its own, and of complex numbers, which it does not compile.
    """
    with _COMPILING, warnings.catch_warnings(action="ignore"):
        yield


def _check_compiler(device: str) -> None:
    """Compile a small function, which takes seconds; the backbone takes up to a minute."""
    try:
        with _quiet():
            _compiled(torch.square)(torch.ones(2, device=device))
    except Exception as error:  # errors of torch.compile have no other common base class
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"engine='compile', but torch.compile does not work on device {device!r} here "
            f"({type(error).__name__}: {reason}). It needs a C++ compiler on a CPU and Triton on a "
            "CUDA device; install them, or pass engine='torch'."
        ) from error


def free_engines() -> None:
    """Release all loaded backbones and their memory.

    Embedders and fine-tuned estimators stay usable: they load the backbone again.
    """
    with _LOADING:
        _load.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
