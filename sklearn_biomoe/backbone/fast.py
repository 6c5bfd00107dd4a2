"""The backbone in a form for fast inference, derived from the network as published.

The embeddings are equal up to rounding. Batch normalisations are folded into the convolutions
before them, grids are laid out channels last, and wide layers process a few images at a time, so
that their values stay in the processor's caches.
"""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import SpectralGating, TokenBlock

CACHED_VALUES = 2_000_000  # of a wide layer: one image on the largest grid


class FastBackbone(nn.Module):
    """Fast form of a backbone: float32 (B, 3, H, W) to float32 (B, 192), for inference only.

    Parameters
    ----------
    backbone : torch.nn.Module
        In evaluation mode; it is not changed.
    dtype : {torch.float32, torch.bfloat16}
        Of all computations except the image normalisation and the Fourier transforms, which are
        in float32.

    Examples
    --------
    >>> import torch
    >>> from sklearn_biomoe.backbone import TinyBioMoE
    >>> backbone, images = TinyBioMoE().eval(), torch.rand(1, 3, 224, 224)
    >>> with torch.inference_mode():
    ...     difference = FastBackbone(backbone, torch.float32)(images) - backbone(images)
    >>> bool(difference.abs().max() < 5e-5)
    True
    """

    def __init__(self, backbone: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.image_norm: nn.Module = nn.Identity()
        network = copy.deepcopy(backbone).requires_grad_(False)
        if isinstance(norm := getattr(backbone, "ln_img", None), nn.LayerNorm):
            self.image_norm, network.ln_img = ChannelsLastImageNorm(norm), nn.Identity()
        fold_batch_norms(network)
        network.to(dtype)
        use_channels_last(network)
        gatings = (module for module in backbone.modules() if isinstance(module, SpectralGating))

        def fast_layer(layer: nn.Module) -> nn.Module:
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
                return PointwiseLinear(layer)
            if isinstance(layer, SpectralGating):
                return Float32SpectralGating(next(gatings))
            if isinstance(layer, TokenBlock):
                layer.mlp = ChunkedMlp(layer.mlp)
            return layer

        self.network = replace_layers(network, fast_layer)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 192)."""
        return self.network(self.image_norm(images).to(self.dtype)).float()


class ChannelsLastImageNorm(nn.Module):
    """Layer normalisation of whole images, channels last."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        # (C, H, W) -> (H, W, C)
        self.weight = nn.Buffer(norm.weight.detach().permute(1, 2, 0).contiguous())
        self.bias = nn.Buffer(norm.bias.detach().permute(1, 2, 0).contiguous())

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), laid out channels last."""
        images = images.permute(0, 2, 3, 1)
        normed = functional.layer_norm(images, images.shape[1:], self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)


class Float32SpectralGating(nn.Module):
    """Spectral gating in float32: Fourier transforms do not support bfloat16."""

    def __init__(self, gating: SpectralGating) -> None:
        super().__init__()
        self.gating = copy.deepcopy(gating).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return self.gating(x.float()).to(x.dtype)


class ChunkedMlp(nn.Module):
    """An MLP on as many images at a time as the processor's caches hold."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.mlp, self.width = mlp, mlp.fc1.out_features

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        n_images = max(1, CACHED_VALUES // (x.shape[1] * self.width))
        if x.is_cuda or len(x) <= n_images:
            return self.mlp(x)
        out = torch.empty_like(x)
        for chunk, result in zip(x.split(n_images), out.split(n_images), strict=True):
            result.copy_(self.mlp(chunk))
        return out


class PointwiseLinear(nn.Module):
    """A 1 x 1 convolution as a matrix product, whose bits are the same for any number of threads.

    Parameters
    ----------
    conv : torch.nn.Conv2d
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Buffer(conv.weight.detach().flatten(1).clone())
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), laid out channels last."""
        product = functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias)
        return product.permute(0, 3, 1, 2)


def fold_batch_norms(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i, (conv, norm) in enumerate(pairwise(list(module))):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def replace_layers(module: nn.Module, new_layer: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Return ``new_layer(module)`` after replacing the layers inside the module likewise."""
    for name, child in module.named_children():
        setattr(module, name, replace_layers(child, new_layer))
    return new_layer(module)


def use_channels_last(network: nn.Module) -> None:
    """Store the weights of convolutions channels last, the faster layout on a CPU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
