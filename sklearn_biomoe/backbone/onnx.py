"""The backbone run by ONNX Runtime: on a CPU, several times as fast as torch runs it.

From the top: the session and its cached file, the export, and the layers as the graph holds them,
which compute what the readable ones do in forms that can be exported and that run fast.
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
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .._files import cache_folder, replace_file
from .network import (
    IMAGE_SIZE,
    CascadedGroupAttention,
    DepthwiseConv,
    SpectralGating,
    to_grid,
    to_tokens,
)

# To be raised whenever the network or its exported form changes.
GRAPH_VERSION = 1
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # as the extra installs them
# The file ends with one more entry of ONNX's metadata, the SHA-256 of all that comes before it:
# field 14 of 74 bytes, which are field 1 of 6 bytes, the key, and field 2 of 64, the value.
DIGEST_ENTRY = b"\x72\x4a" + b"\x0a\x06sha256" + b"\x12\x40"

_EXPORTING = threading.Lock()  # torch's exporter works on one network at a time


def load_session(
    backbone: nn.Module, weights_sha256: str, n_threads: int | None = None
) -> Callable[[Tensor], Tensor]:
    """Load the backbone into ONNX Runtime, from a cached file where it has been exported before.

    Parameters
    ----------
    backbone : torch.nn.Module
        float32 (B, 3, 224, 224) to (B, 192), on any device; it stays as it is.
    weights_sha256 : str
        What the file is named by. Another network needs another one.
    n_threads : int, optional
        Threads that one call uses; by default as many as torch does.

    Returns
    -------
    embed : callable
        Takes float32 images (B, 3, 224, 224) on the CPU, in any memory layout, and returns
        float32 (B, 192). Threads may share it.

    Raises
    ------
    ImportError
        Where onnx, onnxscript or onnxruntime is missing.

    Warns
    -----
    UserWarning
        Where the cached file is damaged, and exported anew; or cannot be written.
    """
    _check_packages()
    path = cache_folder("onnx") / file_name(weights_sha256)
    with _EXPORTING:
        session = _cached_session(path, n_threads)
        if session is None:
            model = export(backbone)
            session = _session(model, n_threads)
            _keep(path, model)
    name = session.get_inputs()[0].name

    def embed(images: Tensor) -> Tensor:
        (embeddings,) = session.run(None, {name: images.detach().contiguous().numpy()})
        return torch.from_numpy(embeddings)

    return embed


def _check_packages() -> None:
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Running the backbone in ONNX Runtime needs {', '.join(missing)}: "
            "pip install 'sklearn-biomoe[onnx]'."
        )


def file_name(weights_sha256: str) -> str:
    """Name a file by its weights and by what exports them."""
    exporters = f"torch{torch.__version__}-onnxscript{version('onnxscript')}"
    return f"{weights_sha256}-{GRAPH_VERSION}-{exporters}.onnx"


def _cached_session(path: Path, n_threads: int | None) -> Any:
    """Return a session of the file, or None where there is none or, warning, it is damaged."""
    try:
        content = path.read_bytes()
        _check_digest(content)
        return _session(content, n_threads)
    except FileNotFoundError:
        return None
    except Exception as error:  # ONNX Runtime's errors share no other base class
        warnings.warn(
            f"The cached network {path} cannot be used ({error}) and is exported anew.",
            stacklevel=3,
        )
        return None


def _session(model: bytes, n_threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = n_threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Threads that wait for work would keep cores from torch, which draws the next images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _keep(path: Path, model: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, model)
    except OSError as error:
        warnings.warn(
            f"The exported network cannot be kept as {path} ({error}): other processes will export "
            "it again. Name a folder that can be written to in SKLEARN_BIOMOE_CACHE.",
            stacklevel=3,
        )


def export(backbone: nn.Module) -> bytes:
    """Export the backbone as an ONNX model that takes batches of any size.

    Parameters
    ----------
    backbone : torch.nn.Module
        float32 (B, 3, 224, 224) to (B, 192), on any device; it stays as it is.

    Returns
    -------
    model : bytes
        A file's content, with its own checksum.
    """
    network = exportable(backbone)
    example = torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE)
    with torch.no_grad(), _quiet_exporter():
        program = torch.onnx.export(
            network,
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
    """Keep two messages of torch 2.13's exporter from users, who can do nothing about them."""

    def is_relevant(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    logger.addFilter(is_relevant)
    try:
        with warnings.catch_warnings():
            # It calls a form of its own that it has deprecated.
            warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)
            yield
    finally:
        logger.removeFilter(is_relevant)


def with_digest(model: bytes) -> bytes:
    """Append a model's SHA-256 to its metadata."""
    return model + DIGEST_ENTRY + hashlib.sha256(model).hexdigest().encode()


def _check_digest(content: bytes) -> None:
    if content != with_digest(content[: -len(DIGEST_ENTRY) - 64]):
        raise ValueError("its checksum does not fit")


def exportable(backbone: nn.Module) -> nn.Module:
    """Copy the backbone to the CPU, with layers replaced by those below.

    Parameters
    ----------
    backbone : torch.nn.Module

    Returns
    -------
    network : torch.nn.Module
        Computes the same, but for rounding.
    """
    return _replaced(copy.deepcopy(backbone).cpu().eval().requires_grad_(False))


def _replaced(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        setattr(module, name, _replaced(child))
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 3:
        return ImageNorm(module)
    if isinstance(module, nn.Sequential):
        has_neighbours = any(isinstance(layer, DepthwiseConv) for layer in module)
        return GridMlp(module) if has_neighbours else without_batch_norm(module)
    if isinstance(module, SpectralGating):
        return RealSpectralGating(module)
    if isinstance(module, CascadedGroupAttention):
        return ExplicitCascadedAttention(module)
    return module


def without_batch_norm(layers: nn.Sequential) -> nn.Sequential:
    """Fold each batch normalisation into the convolution before it."""
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(folded[-1], nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(folded[-1], layer)
        else:
            folded.append(layer)
    return nn.Sequential(*folded)


class ImageNorm(nn.Module):
    """The image's layer normalisation in two passes, with means of means.

    ONNX Runtime's own, over all 150,528 values of a mostly white image, is off by 1e-3.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        centred = images - mean_of_means(images)  # (B, C, H, W)
        spread = (mean_of_means(centred * centred) + self.eps).rsqrt()
        return centred * spread * self.weight + self.bias


def mean_of_means(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, 1, 1), adding up no more numbers at a time than rounding allows."""
    return images.mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True)


class GridMlp(nn.Module):
    """The tokens' MLP with neighbours, on the grid throughout: its linear layers as convolutions.

    ONNX Runtime runs convolutions that follow one another in one memory layout of its own.
    """

    def __init__(self, mlp: nn.Sequential) -> None:
        super().__init__()
        fc1, neighbours, activation, fc2 = mlp
        around: Any = neighbours
        self.layers = nn.Sequential(pointwise(fc1), around.dwconv, activation, pointwise(fc2))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return to_tokens(self.layers(to_grid(x)))  # (B, N, C)


def pointwise(linear: Any) -> nn.Conv2d:
    """Return the convolution that does to each cell of a grid what the linear layer does."""
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
    conv.weight, conv.bias = nn.Parameter(linear.weight[:, :, None, None]), linear.bias
    return conv.requires_grad_(False)


class RealSpectralGating(nn.Module):
    """Spectral gating with the Fourier transforms as products with real matrices."""

    widths: Tensor
    heights: Tensor
    inverse_heights: Tensor
    inverse_widths: Tensor
    real: Tensor
    imaginary: Tensor

    def __init__(self, gating: SpectralGating) -> None:
        super().__init__()
        gains = gating.complex_weight.detach()  # (H, W/2 + 1, C, 2)
        side, n_widths = gains.shape[:2]
        self.side = side
        positions = torch.arange(side)
        angles = 2 * math.pi * (torch.outer(positions, positions) % side).double() / side
        fourier = torch.polar(torch.full_like(angles, side**-0.5), -angles)  # symmetric
        # Half the frequencies along the width stand for all: each but 0 and W/2 counts twice.
        counts = torch.full((n_widths,), 2.0).double()
        counts[0] = 1
        if side % 2 == 0:
            counts[-1] = 1
        half = fourier[:n_widths]
        back = half.conj().T * counts
        matrices = {
            "widths": torch.cat([half.real, half.imag]),  # (2 (W/2 + 1), W)
            "heights": interleaved(fourier),  # (2H, 2H)
            "inverse_heights": interleaved(fourier.conj()),
            "inverse_widths": torch.cat([back.real, -back.imag], dim=1),  # (W, 2 (W/2 + 1))
            "real": gains[..., 0],
            "imaginary": gains[..., 1],
        }
        for name, matrix in matrices.items():
            self.register_buffer(name, matrix.float().contiguous())

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        side, (n_widths, dim) = self.side, self.real.shape[1:]
        grid = x.unflatten(1, (side, side))  # (B, N, C) -> (B, H, W, C)
        # (B, H, parts * W', C) -> (B, H * parts, W' * C), parts being the real and the imaginary
        rows = (self.widths @ grid).reshape(-1, 2 * side, n_widths * dim)
        spectrum = (self.heights @ rows).reshape(-1, side, 2, n_widths, dim)
        real, imaginary = spectrum[:, :, 0], spectrum[:, :, 1]  # each (B, H, W', C)
        gated = torch.stack(
            [
                real * self.real - imaginary * self.imaginary,
                real * self.imaginary + imaginary * self.real,
            ],
            dim=2,
        )
        rows = self.inverse_heights @ gated.reshape(-1, 2 * side, n_widths * dim)
        rows = rows.reshape(-1, side, 2 * n_widths, dim)
        return (self.inverse_widths @ rows).flatten(1, 2)  # (B, N, C)


def interleaved(matrix: Tensor) -> Tensor:
    """(n, m) complex -> (2n, 2m) real, for vectors whose parts alternate: re, im, re, im, …."""
    real, imaginary = matrix.real, matrix.imag
    rows = [torch.stack([real, -imaginary], dim=2), torch.stack([imaginary, real], dim=2)]
    return torch.stack(rows, dim=1).reshape(2 * matrix.shape[0], 2 * matrix.shape[1])


class ExplicitCascadedAttention(nn.Module):
    """Cascaded group attention written out, channels first, with its biases looked up once."""

    biases: Tensor

    def __init__(self, attention: CascadedGroupAttention) -> None:
        super().__init__()
        self.key_dim, self.head_dim = attention.KEY_DIM, attention.head_dim
        self.qkvs, self.dws, self.proj = attention.qkvs, attention.dws, attention.proj
        biases = attention.attention_biases.detach()[:, attention.attention_bias_idxs]
        self.register_buffer("biases", biases.contiguous())  # (heads, N, N)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        outputs: list[Tensor] = []
        groups = x.split(self.head_dim, dim=1)
        for group, qkv, dw, bias in zip(groups, self.qkvs, self.dws, self.biases, strict=True):
            head_input = group + outputs[-1] if outputs else group
            outputs.append(self._head(head_input, qkv, dw, bias))
        return self.proj(torch.cat(outputs, dim=1))  # (B, C, H, W)

    def _head(self, x: Tensor, qkv: nn.Module, dw: nn.Module, bias: Tensor) -> Tensor:
        q, k, v = qkv(x).split([self.key_dim, self.key_dim, self.head_dim], dim=1)
        q, k, v = dw(q).flatten(2), k.flatten(2), v.flatten(2)  # (B, d, H, W) -> (B, d, N)
        attention = (q.transpose(1, 2) * self.key_dim**-0.5 @ k + bias).softmax(dim=2)
        return (v @ attention.transpose(1, 2)).unflatten(2, x.shape[2:])
