"""The backbone in ONNX Runtime, which on a CPU is several times as fast as torch.

From the top: the session and its cached file, the export, and the exportable layers. These compute
the same as the readable layers, in operations that ONNX has and that run fast.
"""

import copy
import hashlib
import logging
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._files import cache_folder, replace_file
from .fast import fold_batch_norms, replace_layers
from .network import (
    IMAGE_SIZE,
    CascadedGroupAttention,
    DepthwiseConv,
    SpectralGating,
    to_grid,
    to_tokens,
)

GRAPH_VERSION = 1  # increase it whenever results of the network or its exported form change
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # as the extra "onnx" installs them
# A cached file ends with an additional entry of ONNX metadata: the SHA-256 of all bytes before it.
# It is field 14, of 74 bytes: field 1 (the key) of 6 bytes, and field 2 (the value) of 64 bytes.
DIGEST_ENTRY = b"\x72\x4a" + b"\x0a\x06sha256" + b"\x12\x40"

_EXPORTING = threading.Lock()  # torch's exporter is not thread-safe


def load_session(
    backbone: nn.Module, weights_sha256: str, n_threads: int | None = None
) -> Callable[[Tensor], Tensor]:
    """Load the backbone into ONNX Runtime, from a cached file if it was exported before.

    Parameters
    ----------
    backbone : torch.nn.Module
        float32 (B, 3, 224, 224) to (B, 192), on any device. It is not changed.
    weights_sha256 : str
        Part of the cached file's name; different networks need different ones.
    n_threads : int, optional
        Threads per call; by default as many as torch uses.

    Returns
    -------
    embed : callable
        Takes float32 images (B, 3, 224, 224) on the CPU, in any memory layout, and returns
        float32 (B, 192). It is thread-safe.

    Raises
    ------
    ImportError
        If onnx, onnxscript or onnxruntime is missing.

    Warns
    -----
    UserWarning
        If the cached file is damaged, which is then exported again, or cannot be written.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Running the backbone in ONNX Runtime needs {', '.join(missing)}: "
            "pip install 'sklearn-biomoe[onnx]'."
        )
    exporters = f"torch{torch.__version__}-onnxscript{version('onnxscript')}"
    path = cache_folder("onnx") / f"{weights_sha256}-{GRAPH_VERSION}-{exporters}.onnx"
    with _EXPORTING:
        session = _cached_session(path, n_threads)
        if session is None:
            model = export(backbone)
            session = _start_session(model, n_threads)
            _write_to_cache(path, model)
    input_name = session.get_inputs()[0].name

    def embed(images: Tensor) -> Tensor:
        (embeddings,) = session.run(None, {input_name: images.detach().contiguous().numpy()})
        return torch.from_numpy(embeddings)

    return embed


def _cached_session(path: Path, n_threads: int | None) -> Any:
    """Return a session of the file, or None if it is missing or, with a warning, damaged."""
    try:
        content = path.read_bytes()
        if content != with_digest(content[: -len(DIGEST_ENTRY) - 64]):
            raise ValueError("its checksum differs from its content")
        return _start_session(content, n_threads)
    except FileNotFoundError:
        return None
    except Exception as error:  # errors of ONNX Runtime have no other common base class
        warnings.warn(
            f"The cached network {path} cannot be used ({error}) and is exported again.",
            stacklevel=3,
        )
        return None


def _start_session(model: bytes, n_threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = n_threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Idle threads must not keep cores from torch, which renders the next images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _write_to_cache(path: Path, model: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, model)
    except OSError as error:
        warnings.warn(
            f"The exported network cannot be written to {path} ({error}), so other processes will "
            "export it again. Set SKLEARN_BIOMOE_CACHE to a writable folder.",
            stacklevel=3,
        )


def with_digest(model: bytes) -> bytes:
    """Append the SHA-256 of a model to its metadata."""
    return model + DIGEST_ENTRY + hashlib.sha256(model).hexdigest().encode()


def export(backbone: nn.Module) -> bytes:
    """Return the content of an ONNX file for batches of any size, with a checksum."""
    example = torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE)
    with torch.no_grad(), _quiet_exporter():
        program = torch.onnx.export(
            exportable(backbone),
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=20,
            verbose=False,
        )
    assert program is not None
    return with_digest(program.model_proto.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence two messages of torch 2.13's exporter that users cannot act on."""

    def is_relevant(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    logger.addFilter(is_relevant)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)  # of its own code
            yield
    finally:
        logger.removeFilter(is_relevant)


def exportable(backbone: nn.Module) -> nn.Module:
    """Return a copy of the backbone on the CPU with exportable layers: equal up to rounding."""
    network = copy.deepcopy(backbone).cpu().eval().requires_grad_(False)
    fold_batch_norms(network)
    return replace_layers(network, exportable_layer)


def exportable_layer(layer: nn.Module) -> nn.Module:
    """Return the exportable form of one layer, or the layer itself."""
    if isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 3:
        return TwoPassImageNorm(layer)
    if isinstance(layer, nn.Sequential) and any(isinstance(m, DepthwiseConv) for m in layer):
        return GridMlp(layer)
    if isinstance(layer, SpectralGating):
        return RealSpectralGating(layer)
    if isinstance(layer, CascadedGroupAttention):
        layer.attend = attend
    return layer


class TwoPassImageNorm(nn.Module):
    """Layer normalisation of whole images in two passes, with means of means.

    The error of ONNX Runtime's own, over all 150,528 values of a mostly white image, is 1e-3.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        centred = images - mean_of_means(images)
        scale = (mean_of_means(centred * centred) + self.eps).rsqrt()
        return centred * scale * self.weight + self.bias


def mean_of_means(images: Tensor) -> Tensor:
    """Average axis by axis, for small rounding errors: (B, C, H, W) -> (B, 1, 1, 1)."""
    return images.mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True)


class GridMlp(nn.Module):
    """The MLP with neighbouring tokens as convolutions on the grid.

    ONNX Runtime runs consecutive convolutions in a memory layout of its own.
    """

    def __init__(self, mlp: nn.Sequential) -> None:
        super().__init__()
        fc1, neighbours, activation, fc2 = mlp
        conv: Any = neighbours.dwconv
        self.layers = nn.Sequential(pointwise_conv(fc1), conv, activation, pointwise_conv(fc2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return to_tokens(self.layers(to_grid(x)))


def pointwise_conv(linear: Any) -> nn.Conv2d:
    """Return the 1 x 1 convolution that applies a linear layer to each cell of a grid."""
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
    conv.weight, conv.bias = nn.Parameter(linear.weight[:, :, None, None]), linear.bias
    return conv.requires_grad_(False)


class RealSpectralGating(nn.Module):
    """Spectral gating with the Fourier transforms as products with real matrices."""

    def __init__(self, gating: SpectralGating) -> None:
        super().__init__()
        gains = gating.complex_weight.detach()  # (H, W/2 + 1, C, 2)
        side, n_widths = gains.shape[:2]
        positions = torch.arange(side)
        angles = 2 * math.pi * (torch.outer(positions, positions) % side).double() / side
        fourier = torch.polar(torch.full_like(angles, side**-0.5), -angles)  # symmetric
        # Half of the frequencies along the width represent all: each except 0 and W/2 counts twice.
        counts = torch.full((n_widths,), 2.0).double()
        counts[0] = 1
        if side % 2 == 0:
            counts[-1] = 1
        half = fourier[:n_widths]
        inverse = half.conj().T * counts
        self.side = side
        self.widths = constant(torch.cat([half.real, half.imag]))  # (2 (W/2 + 1), W)
        self.heights = constant(interleave(fourier))  # (2H, 2H)
        self.inverse_heights = constant(interleave(fourier.conj()))
        self.inverse_widths = constant(torch.cat([inverse.real, -inverse.imag], dim=1))
        self.real, self.imaginary = constant(gains[..., 0]), constant(gains[..., 1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        side, (n_widths, dim) = self.side, self.real.shape[1:]
        grid = x.unflatten(1, (side, side))  # (B, H, W, C)
        # W' = W/2 + 1; real and imaginary parts: (B, H, 2 W', C) -> (B, 2H, W' * C)
        rows = (self.widths @ grid).reshape(-1, 2 * side, n_widths * dim)
        spectrum = (self.heights @ rows).reshape(-1, side, 2, n_widths, dim)
        real, imaginary = spectrum[:, :, 0], spectrum[:, :, 1]  # each (B, H, W', C)
        gated_real = real * self.real - imaginary * self.imaginary
        gated_imaginary = real * self.imaginary + imaginary * self.real
        gated = torch.stack([gated_real, gated_imaginary], dim=2)
        rows = self.inverse_heights @ gated.reshape(-1, 2 * side, n_widths * dim)
        rows = rows.reshape(-1, side, 2 * n_widths, dim)
        return (self.inverse_widths @ rows).flatten(1, 2)  # (B, N, C)


def constant(matrix: Tensor) -> nn.Buffer:
    """Return a contiguous float32 buffer."""
    return nn.Buffer(matrix.float().contiguous())


def interleave(matrix: Tensor) -> Tensor:
    """Return a complex (n, m) matrix as real (2n, 2m), for vectors of re, im, re, im, …."""
    real, imaginary = matrix.real, matrix.imag
    rows = [torch.stack([real, -imaginary], dim=2), torch.stack([imaginary, real], dim=2)]
    return torch.stack(rows, dim=1).reshape(2 * matrix.shape[0], 2 * matrix.shape[1])


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention of basic operations: (B, N, d) -> (B, N, d)."""
    scores = queries * queries.shape[2] ** -0.5 @ keys.transpose(1, 2) + bias
    return (values.transpose(1, 2) @ scores.softmax(dim=2).transpose(1, 2)).transpose(1, 2)
