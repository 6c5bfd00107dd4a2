"""The backbone in the form that runs fastest, derived from the readable one when it is loaded.

What it computes stays the same but for rounding: normalisations are folded into the convolutions
before them, grids are laid out channels last, and the widest layers take few images at a time,
so that what they compute stays in the processor's caches.
"""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import SpectralGating, TokenBlock

CACHED_VALUES = 2_000_000  # of a wide layer: one image's on the largest grid


class FastBackbone(nn.Module):
    """The fast form of a backbone: float32 (B, 3, H, W) to float32 (B, 192), for inference only.

    Parameters
    ----------
    backbone : torch.nn.Module
        In evaluation mode; left as it is.
    dtype : {torch.float32, torch.bfloat16}
        What is computed in, but for the normalisation of images and the Fourier transforms.

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
        self.network = copy.deepcopy(backbone).requires_grad_(False)
        self.image_norm: nn.Module = nn.Identity()
        if isinstance(norm := getattr(backbone, "ln_img", None), nn.LayerNorm):
            self.image_norm = ImageNorm(norm)
            self.network.ln_img = nn.Identity()
        fold_normalisations(self.network)
        gains = [m.complex_weight for m in backbone.modules() if isinstance(m, SpectralGating)]
        self.network.to(dtype)
        rewrite(self.network, iter(gains))
        use_channels_last(self.network)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 192)."""
        return self.network(self.image_norm(images).to(self.dtype)).float()


class ImageNorm(nn.Module):
    """The normalisation of whole images, channels last."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        self.weight, self.bias = (
            nn.Parameter(part.permute(1, 2, 0).contiguous(), requires_grad=False)
            for part in (norm.weight, norm.bias)
        )  # (C, H, W) -> (H, W, C)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in, the same out, laid out channels last."""
        images = images.permute(0, 2, 3, 1)
        normed = functional.layer_norm(images, images.shape[1:], self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)


class GatingInFloat32(nn.Module):
    """Spectral gating: Fourier transforms know no bfloat16."""

    def __init__(self, gating: SpectralGating, complex_weight: Tensor) -> None:
        super().__init__()
        self.gating = gating
        self.gating.complex_weight = nn.Parameter(complex_weight.detach().clone(), False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) in and out."""
        return self.gating(x.float()).to(x.dtype)


class FewAtATime(nn.Module):
    """A wide layer on as many images at a time as caches hold."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer = layer
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) in and out."""
        at_once = max(1, CACHED_VALUES // (x.shape[1] * self.width))
        if x.is_cuda or len(x) <= at_once:
            return self.layer(x)
        out = torch.empty_like(x)
        for part, result in zip(x.split(at_once), out.split(at_once), strict=True):
            result.copy_(self.layer(part))
        return out


class PointwiseLinear(nn.Module):
    """A 1 x 1 convolution as a matrix product, whose bits do not depend on how many threads run."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1).clone(), requires_grad=False)
        self.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), laid out channels last."""
        product = functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias)
        return product.permute(0, 3, 1, 2)


def fold_normalisations(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for before, after in itertools.pairwise(list(module._modules)):
            conv, norm = module._modules[before], module._modules[after]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module._modules[before] = fuse_conv_bn_eval(conv, norm)
                module._modules[after] = nn.Identity()


def rewrite(network: nn.Module, gains: Iterator[Tensor]) -> None:
    """Put fast layers in place of those that have one."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1):
                setattr(module, name, PointwiseLinear(child))
        if isinstance(module, TokenBlock):
            mlp: Any = module.mlp
            module.mlp = FewAtATime(mlp, mlp.fc1.out_features)
            if isinstance(module.attn, SpectralGating):
                module.attn = GatingInFloat32(module.attn, next(gains))


def use_channels_last(network: nn.Module) -> None:
    """Store the weights of convolutions channels last, the faster layout on a CPU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
