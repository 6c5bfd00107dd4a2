"""Precisions of the network: which a device has, and torch's settings for them during a call."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .._validation.parameters import check_option

# Of the network's layers. "tf32" is float32 whose products round their factors to 10 bits.
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}

_backends: Any = torch.backends
# Convolutions and matrix products have a setting each, by device. Without it, they inherit that of
# their parents, the most general first.
OPERATIONS = {
    "cpu": (_backends.mkldnn.conv, _backends.mkldnn.matmul),
    "cuda": (_backends.cudnn.conv, _backends.cuda.matmul),
}
PARENTS = {"cpu": (_backends, _backends.mkldnn), "cuda": (_backends, _backends.cudnn)}
EXACT = ("none", "ieee")  # float32 without rounding; "none" is the default of most operations

# torch's settings are those of the process: one thread at a time may change those of a device, and
# one may look up which of them are inherited, for which it changes the general ones.
_LOCKS = {kind: threading.RLock() for kind in OPERATIONS}
_READING = threading.Lock()


def check_precision(precision: str, device: str) -> None:
    """Raise ValueError if a device has no instructions for a precision.

    Parameters
    ----------
    precision : {"float32", "tf32", "bfloat16"}
    device : str
        As `resolve_device` returns it.

    Examples
    --------
    >>> check_precision("float16", "cpu")
    Traceback (most recent call last):
    ...
    ValueError: Unknown precision 'float16'; expected one of ['bfloat16', 'float32', 'tf32']. Did
    you mean 'bfloat16'?
    """
    check_option("precision", precision, list(PRECISIONS))
    if precision == "float32" or _is_supported(precision, device):
        return
    raise ValueError(
        f"precision={precision!r}, but device {device!r} has no instructions for it"
        f"{' (TF32 needs CUDA and an Ampere or later GPU)' if precision == 'tf32' else ''}; pass "
        "precision='float32'."
    )


def _is_supported(precision: str, device: str) -> bool:
    if device == "cpu":
        able = torch.cpu.get_capabilities()
        names = ("avx512_bf16", "amx_bf16", "bf16") if precision == "bfloat16" else ()
        return any(able.get(name) for name in names)
    if device == "mps":
        return False
    with torch.cuda.device(device):
        if precision == "tf32":
            return torch.cuda.is_tf32_supported()
        return torch.cuda.is_bf16_supported(including_emulation=False)


@contextmanager
def use_precision(precision: str, device: str) -> Iterator[None]:
    """Set torch to a precision on a device, and restore its settings afterwards.

    By default, torch computes float32 convolutions on a CUDA device in TF32, and settings such as
    `torch.set_float32_matmul_precision` change products on any device. Within this context, they
    are exact in float32, or all in TF32. On a CUDA device, algorithms of convolutions are
    deterministic and do not depend on measured times.

    The settings apply to the whole process. Other threads that use this context for the same kind
    of device wait, except on a CPU with torch's default settings, which are not changed.

    Parameters
    ----------
    precision : {"float32", "tf32", "bfloat16"}
        "bfloat16" is "float32" here: for operations whose values are float32.
    device : str
        As `resolve_device` returns it.

    Examples
    --------
    >>> import torch
    >>> with use_precision("float32", "cuda"):
    ...     print(torch.backends.cudnn.conv.fp32_precision)
    ieee
    >>> torch.backends.cudnn.conv.fp32_precision
    'tf32'
    """
    kind = device.partition(":")[0]
    if kind == "mps" or (kind == "cpu" and _is_exact(kind)):
        yield
        return
    cudnn = torch.backends.cudnn
    with _LOCKS[kind]:
        with _READING:
            before = _own_values(kind)
        flags = cudnn.benchmark, cudnn.deterministic
        try:
            for operation in OPERATIONS[kind]:
                operation.fp32_precision = "tf32" if precision == "tf32" else "ieee"
            if kind == "cuda":
                cudnn.benchmark, cudnn.deterministic = False, True
            yield
        finally:
            for operation, value in zip(OPERATIONS[kind], before, strict=True):
                operation.fp32_precision = value
            if kind == "cuda":
                cudnn.benchmark, cudnn.deterministic = flags


def _is_exact(kind: str) -> bool:
    with _LOCKS[kind], _READING:  # not while another thread has changed the settings
        return all(operation.fp32_precision in EXACT for operation in OPERATIONS[kind])


def _own_values(kind: str) -> list[str]:
    """Return the settings of operations, and "none" for those that inherit that of a parent."""
    general = []
    for parent in PARENTS[kind]:  # of which the second may inherit the first one's
        general.append(parent.fp32_precision)
        parent.fp32_precision = "none"
    values = [operation.fp32_precision for operation in OPERATIONS[kind]]
    for parent, value in reversed(list(zip(PARENTS[kind], general, strict=True))):
        parent.fp32_precision = value
    return values
