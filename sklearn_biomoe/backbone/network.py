"""The Tiny-BioMoE network: two image encoders, from 224 x 224 images to 192-D embeddings.

From the top: the mixture, its two experts, their stages, and the layers of these. Attribute names
are those of the published checkpoint, so that its state dict loads unchanged. Shapes in comments:
B images, N tokens, C channels, (H, W) the grid of the tokens.

Source: Gkikas et al., "Tiny-BioMoE: a Lightweight Embedding Model for Biosignal Analysis",
arXiv 2507.21875, doi 10.1145/3747327.3764788.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE_SIZE = 224
EMBEDDING_SIZE = 192


class TinyBioMoE(nn.Module):
    """Two expert encoders, gated element by element and concatenated.

    The network has 7,337,278 parameters. ``forward`` takes float32 (B, 3, 224, 224) with RGB
    values in [0, 1] and returns float32 (B, 192). Nothing is cached between calls, so loading
    another state dict always changes the output, and every parameter receives gradients.

    Examples
    --------
    >>> import torch
    >>> backbone = TinyBioMoE().eval()
    >>> backbone(torch.rand(2, 3, 224, 224)).shape
    torch.Size([2, 192])
    """

    def __init__(self) -> None:
        super().__init__()
        self.ln_img = nn.LayerNorm((3, IMAGE_SIZE, IMAGE_SIZE))
        self.enc1 = SpectralAttentionEncoder()
        self.enc2 = CascadedAttentionEncoder()
        self.ln_e = nn.LayerNorm(96)
        self.fcn = nn.Sequential(nn.ELU(), nn.Linear(96, 96), nn.Hardtanh(0, 1))
        self.ln_out = nn.LayerNorm(EMBEDDING_SIZE)

    def forward(self, images: Tensor) -> Tensor:
        images = self.ln_img(images)  # (B, 3, 224, 224)
        experts = [self.enc1(images), self.enc2(images)]  # each (B, 96)
        gated = [self.ln_e(expert) * self.fcn(expert) for expert in experts]
        return self.ln_out(torch.cat(gated, dim=1))  # (B, 192)


class SpectralAttentionEncoder(nn.Module):
    """Expert 1: two stages of spectral gating, two of self-attention, and class attention."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed1 = PatchEmbedding(32, 64, conv=stem(3, 32))
        self.block1 = nn.Sequential(
            TokenBlock(64, SpectralGating(64, grid=56), mlp(64, ratio=8, on_grid=True))
        )
        self.norm1 = nn.LayerNorm(64, eps=1e-6)
        self.patch_embed2 = PatchEmbedding(64, 128)
        self.block2 = nn.Sequential(
            TokenBlock(128, SpectralGating(128, grid=28), mlp(128, ratio=8, on_grid=True))
        )
        self.norm2 = nn.LayerNorm(128, eps=1e-6)
        self.patch_embed3 = PatchEmbedding(128, 320)
        self.block3 = nn.Sequential(
            TokenBlock(320, SelfAttention(320, n_heads=10), mlp(320, ratio=4, on_grid=True))
        )
        self.norm3 = nn.LayerNorm(320, eps=1e-6)
        self.patch_embed4 = PatchEmbedding(320, 96)
        self.block4 = nn.Sequential(
            TokenBlock(96, SelfAttention(96, n_heads=16), mlp(96, ratio=4, on_grid=True))
        )
        class_block = ClassBlock(96, SelfAttention(96, n_heads=16), mlp(96, ratio=4))
        self.post_network = nn.Sequential(class_block)
        self.norm4 = nn.LayerNorm(96, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        x = self.block1(self.patch_embed1(images))  # (B, 3136, 64)
        x = self.block2(self.patch_embed2(to_grid(self.norm1(x))))  # (B, 784, 128)
        x = self.block3(self.patch_embed3(to_grid(self.norm2(x))))  # (B, 196, 320)
        x = self.block4(self.patch_embed4(to_grid(self.norm3(x))))  # (B, 49, 96)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)  # (B, 1 + 49, 96)
        return self.norm4(self.post_network(x))  # (B, 96)


class PatchEmbedding(nn.Module):
    """Halve the grid and return it as normalised tokens; ``conv`` is applied to the grid first."""

    def __init__(self, in_channels: int, out_channels: int, conv: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv if conv is not None else nn.Identity()
        self.proj = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, grid: Tensor) -> Tensor:
        return self.norm(to_tokens(self.proj(self.conv(grid))))  # (B, C, H, W) -> (B, N, C')


def stem(in_channels: int, channels: int) -> nn.Sequential:
    """Return three convolutions on the image, of which the first halves the grid."""
    layers: list[nn.Module] = []
    for in_, kernel, stride in [(in_channels, 7, 2), (channels, 3, 1), (channels, 3, 1)]:
        conv = nn.Conv2d(in_, channels, kernel, stride, padding=kernel // 2, bias=False)
        layers += [conv, nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


class TokenBlock(nn.Module):
    """Mixing across tokens, then an MLP on each token and its neighbours; both residual."""

    def __init__(self, dim: int, attn: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))  # (B, N, C)
        return x + self.mlp(self.norm2(x))


class ClassBlock(TokenBlock):
    """A block that updates only the first token, the class token, and returns it."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm1(x)  # (B, 1 + N, C)
        class_token = x[:, :1] + self.attn(tokens, queries=tokens[:, :1])  # (B, 1, C)
        return (class_token + self.mlp(self.norm2(class_token)))[:, 0]  # (B, C)


class SpectralGating(nn.Module):
    """One learnt complex gain per frequency of the token grid and channel."""

    def __init__(self, dim: int, grid: int) -> None:
        super().__init__()
        # (H, W/2 + 1, C, real and imaginary part)
        self.complex_weight = nn.Parameter(0.02 * torch.randn(grid, grid // 2 + 1, dim, 2))

    def forward(self, x: Tensor) -> Tensor:
        side = self.complex_weight.shape[0]
        grid = x.unflatten(1, (side, side))  # (B, N, C) -> (B, H, W, C)
        spectrum = torch.fft.rfft2(grid, dim=(1, 2), norm="ortho")  # (B, H, W/2 + 1, C)
        spectrum = spectrum * torch.view_as_complex(self.complex_weight)
        grid = torch.fft.irfft2(spectrum, s=(side, side), dim=(1, 2), norm="ortho")
        return grid.flatten(1, 2)


class SelfAttention(nn.Module):
    """Multi-head attention of ``queries`` over all tokens; by default of all tokens."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, queries: Tensor | None = None) -> Tensor:
        q = self.q(x if queries is None else queries).unflatten(2, (self.n_heads, -1))
        kv = self.kv(x).unflatten(2, (2, self.n_heads, -1))  # (B, N, 2, heads, C / heads)
        k, v = kv.unbind(dim=2)
        # (B, N, heads, C / heads) -> (B, heads, N, C / heads)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        # Not torch's fused attention: for a single query, its bits depend on the batch order.
        mixed = (q * q.shape[3] ** -0.5 @ k.transpose(2, 3)).softmax(dim=3) @ v
        return self.proj(mixed.transpose(1, 2).flatten(2))  # (B, N, C)


def mlp(dim: int, ratio: int, on_grid: bool = False) -> nn.Sequential:
    """Return linear, GELU, linear; ``on_grid`` adds a convolution over neighbouring tokens."""
    inner = dim * ratio
    neighbours = {"dwconv": DepthwiseConv(inner)} if on_grid else {}
    return named(fc1=nn.Linear(dim, inner), **neighbours, act=nn.GELU(), fc2=nn.Linear(inner, dim))


class DepthwiseConv(nn.Module):
    """A 3 x 3 depthwise convolution of tokens on their grid."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return to_tokens(self.dwconv(to_grid(x)))  # (B, N, C)


def named(**layers: nn.Module) -> nn.Sequential:
    """Return a sequence of layers under the names that their weights have in the checkpoint."""
    return nn.Sequential(OrderedDict(layers))


def to_grid(tokens: Tensor) -> Tensor:
    """(B, H * W, C) -> (B, C, H, W), on a square grid."""
    side = int(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def to_tokens(grid: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H * W, C)."""
    return grid.flatten(2).transpose(1, 2)


class CascadedAttentionEncoder(nn.Module):
    """Expert 2: convolutions with cascaded group attention at three resolutions."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, out_channels in [(3, 24), (24, 48), (48, 96), (96, 192)]:
            layers += [conv_bn(in_channels, out_channels, 3, stride=2), nn.ReLU()]
        self.patch_embed = nn.Sequential(*layers[:-1])
        self.blocks1 = nn.Sequential(cascaded_block(192, grid=14, n_heads=3))
        self.blocks2 = nn.Sequential(
            conv_ffn(192), patch_merging(192, 288), conv_ffn(288), cascaded_block(288, 7, n_heads=3)
        )
        self.blocks3 = nn.Sequential(
            conv_ffn(288), patch_merging(288, 96), conv_ffn(96), cascaded_block(96, 4, n_heads=4)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed(images)  # (B, 192, 14, 14)
        x = self.blocks1(x)
        x = self.blocks2(x)  # (B, 288, 7, 7)
        x = self.blocks3(x)  # (B, 96, 4, 4)
        return x.mean(dim=(2, 3))  # (B, 96)


def cascaded_block(dim: int, grid: int, n_heads: int) -> nn.Sequential:
    """Return cascaded group attention with convolution and feed-forward before and after."""
    (dw0, ffn0), (dw1, ffn1) = conv_ffn(dim), conv_ffn(dim)
    mixer = Residual(WindowedAttention(dim, window=min(grid, 7), n_heads=n_heads))
    return named(dw0=dw0, ffn0=ffn0, mixer=mixer, dw1=dw1, ffn1=ffn1)


def conv_ffn(dim: int) -> nn.Sequential:
    """Return a depthwise convolution and a feed-forward of twice the channels; both residual."""
    ffn = named(pw1=conv_bn(dim, 2 * dim, 1), relu=nn.ReLU(), pw2=conv_bn(2 * dim, dim, 1))
    return nn.Sequential(Residual(conv_bn(dim, dim, 3, groups=dim)), Residual(ffn))


def patch_merging(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a wide depthwise convolution that halves the grid, with squeeze-and-excitation."""
    hidden = 4 * in_channels
    return named(
        conv1=conv_bn(in_channels, hidden, 1),  # (B, C, H, W) -> (B, 4C, H, W)
        relu1=nn.ReLU(),
        conv2=conv_bn(hidden, hidden, 3, stride=2, groups=hidden),  # (B, 4C, H/2, W/2)
        relu2=nn.ReLU(),
        se=SqueezeExcite(hidden),
        conv3=conv_bn(hidden, out_channels, 1),  # (B, C', H/2, W/2)
    )


class Residual(nn.Module):
    """``x + m(x)``."""

    def __init__(self, m: nn.Module) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        return x + self.m(x)


def conv_bn(in_: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution without bias, padded to keep the grid, and batch normalisation."""
    conv = nn.Conv2d(in_, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return named(c=conv, bn=nn.BatchNorm2d(out))


class SqueezeExcite(nn.Module):
    """Scaling of each channel by a gate computed from the means of all channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, dim // 4, 1)
        self.fc2 = nn.Conv2d(dim // 4, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(functional.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * gate.sigmoid()  # (B, C, H, W) * (B, C, 1, 1)


class WindowedAttention(nn.Module):
    """Cascaded group attention in each square window of the grid."""

    def __init__(self, dim: int, window: int, n_heads: int) -> None:
        super().__init__()
        self.window = window
        self.attn = CascadedGroupAttention(dim, window, n_heads)

    def forward(self, x: Tensor) -> Tensor:
        batch, dim, height, width = x.shape
        rows, columns = height // self.window, width // self.window
        x = x.reshape(batch, dim, rows, self.window, columns, self.window)
        # (B, C, H, W) -> (B * windows, C, window, window) and back
        x = self.attn(x.permute(0, 2, 4, 1, 3, 5).flatten(0, 2))
        x = x.unflatten(0, (batch, rows, columns)).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(batch, dim, height, width)


class CascadedGroupAttention(nn.Module):
    """Attention heads on channel groups; each also receives the output of the previous head."""

    KEY_DIM = 16
    QUERY_KERNELS = (7, 5, 3, 3)
    attention_bias_idxs: Tensor
    # Queries, keys and values (B, N, d) and biases (N, N) -> (B, N, d); the ONNX form has its own.
    attend: Callable[..., Tensor] = staticmethod(functional.scaled_dot_product_attention)

    def __init__(self, dim: int, grid: int, n_heads: int) -> None:
        super().__init__()
        self.head_dim = dim // n_heads
        widths = [self.KEY_DIM, self.KEY_DIM, self.head_dim]
        self.qkvs = nn.ModuleList(conv_bn(self.head_dim, sum(widths), 1) for _ in range(n_heads))
        self.dws = nn.ModuleList(
            conv_bn(self.KEY_DIM, self.KEY_DIM, kernel, groups=self.KEY_DIM)
            for kernel in self.QUERY_KERNELS[:n_heads]
        )
        self.proj = nn.Sequential(nn.ReLU(), conv_bn(dim, dim, 1))
        self.attention_biases = nn.Parameter(torch.zeros(n_heads, grid * grid))
        self.register_buffer("attention_bias_idxs", relative_offset_indices(grid))

    def forward(self, x: Tensor) -> Tensor:
        biases = self.attention_biases[:, self.attention_bias_idxs]  # (heads, N, N)
        outputs: list[Tensor] = []
        groups = x.split(self.head_dim, dim=1)
        for group, qkv, dw, bias in zip(groups, self.qkvs, self.dws, biases, strict=True):
            head_input = group + outputs[-1] if outputs else group
            outputs.append(self._head(head_input, qkv, dw, bias))
        return self.proj(torch.cat(outputs, dim=1))  # (B, C, H, W)

    def _head(self, x: Tensor, qkv: nn.Module, dw: nn.Module, bias: Tensor) -> Tensor:
        q, k, v = qkv(x).split([self.KEY_DIM, self.KEY_DIM, self.head_dim], dim=1)
        # (B, d, H, W) -> (B, N, d); scaled by KEY_DIM ** -0.5
        attended = self.attend(to_tokens(dw(q)), to_tokens(k), to_tokens(v), bias)
        return attended.transpose(1, 2).unflatten(2, x.shape[2:])


def relative_offset_indices(grid: int) -> Tensor:
    """Return a number for the absolute offset of each pair of grid positions: (N, N)."""
    positions = torch.cartesian_prod(torch.arange(grid), torch.arange(grid))
    rows, columns = (positions[:, None] - positions).abs().unbind(dim=2)  # each (N, N)
    # Row-major: the order of the offsets from the first position, (0, 0).
    return rows * grid + columns
