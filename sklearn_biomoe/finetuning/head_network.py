"""The head on the backbone, what of the two is trained, and how fast."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..backbone.network import named
from ..weights import load_backbone

# Parts of the backbone by stage: each halves both encoders' grids. What is not listed is the last:
# the last stage of both encoders, and what gates and joins them.
EARLY_STAGES = (
    ("ln_img", "enc1.patch_embed1", "enc1.block1", "enc1.norm1", "enc2.patch_embed"),
    ("enc1.patch_embed2", "enc1.block2", "enc1.norm2", "enc2.blocks1"),
    ("enc1.patch_embed3", "enc1.block3", "enc1.norm3", "enc2.blocks2"),
)
LAST_STAGE = len(EARLY_STAGES)
STAGE_DECAY = 0.5  # a stage's learning rate to that of the stage after it
FIRST_TRAINED = {"all": 0, "last_stages": LAST_STAGE}

Arrays = dict[str, NDArray[np.float32]]


class Head(nn.Module):
    """Standardise, ELU, linear: a window's embeddings to logits, or to one value.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_images * 192,)
        Of the training windows' embeddings.
    n_outputs : int
    seed : int
        Of the first weights. They are drawn as `torch.nn.Linear` does; biases begin at 0.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: NDArray[Any], scale: NDArray[Any], n_outputs: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        weight = torch.empty(n_outputs, len(mean))
        largest = len(mean) ** -0.5
        # Its own generator: torch's random state is one for all threads, and the user's.
        weight.uniform_(-largest, largest, generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, n_images * 192) -> (B, n_outputs)."""
        standardised = (embeddings - self.mean) / self.scale
        return functional.linear(functional.elu(standardised), self.weight, self.bias)


class Network(nn.Module):
    """The backbone and the head: images of windows to logits, or to one value.

    Parameters
    ----------
    backbone : torch.nn.Module
        Parameters of stages that are not trained get no gradients.
    head : Head
    trainable : {"all", "last_stages"}
    """

    def __init__(self, backbone: nn.Module, head: Head, trainable: str) -> None:
        super().__init__()
        self.head, self.backbone = head, backbone  # the head's rate is the first
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(stage_of(name) >= FIRST_TRAINED[trainable])
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d):  # a fifth faster on processors
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def train(self, mode: bool = True) -> "Network":
        """Switch the head alone.

        Batch normalisations go on using the averages of pretraining, though their gains and biases
        are trained: those of a few windows, of a few subjects, would be far from those of all, and
        frozen stages would change without a gradient. Nothing else in the backbone has two modes.
        """
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(B, n_images, H, W, 3) -> (B, n_outputs)."""
        embeddings = self.backbone(images.flatten(0, 1).permute(0, 3, 1, 2))  # (B * n_images, 192)
        with torch.autocast(images.device.type, enabled=False):  # spreads are small beside values
            return self.head(embeddings.float().unflatten(0, images.shape[:2]).flatten(1))


def make_module(head: Head, backbone: nn.Module | None, trainable: str) -> nn.Module:
    """Put together what is trained: the head on embeddings, or on the backbone."""
    return named(head=head) if backbone is None else Network(backbone, head, trainable)


def stage_of(name: str) -> int:
    """Return the stage, from 0, that a parameter of the backbone belongs to.

    Examples
    --------
    >>> stage_of("enc1.block2.0.attn.complex_weight"), stage_of("ln_out.weight")
    (1, 3)
    """
    for stage, prefixes in enumerate(EARLY_STAGES):
        if any(name.startswith(f"{prefix}.") for prefix in prefixes):
            return stage
    return LAST_STAGE


def parameter_groups(
    module: nn.Module, rate: float, backbone_factor: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Group what is trained by its learning rate, and by whether it decays.

    Parameters
    ----------
    module : torch.nn.Module
        As from `make_module`.
    rate : float
        The head's learning rate.
    backbone_factor : float
        Of the last stage's rate to it.
    weight_decay : float
        Of weights; biases and gains, which have one axis, do not decay.

    Returns
    -------
    groups : list of dict
        As torch's optimisers take them.
    """
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        part, _, rest = name.partition(".")
        factor = 1.0
        if part == "backbone":
            factor = backbone_factor * STAGE_DECAY ** (LAST_STAGE - stage_of(rest))
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate * factor, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": own_rate, "weight_decay": decay}
        for (own_rate, decay), parameters in groups.items()
    ]


def learnt_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what training decides: trained parameters, and all that the head consists of."""
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name, tensor in module.state_dict().items():
        if name in trained or name.startswith("head."):
            yield name, tensor


def changes_of_backbone(learnt: Mapping[str, Tensor]) -> Arrays:
    """Return the backbone's part of what was learnt, under the backbone's own names."""
    return {
        name.removeprefix("backbone."): tensor.float().cpu().numpy()
        for name, tensor in learnt.items()
        if name.startswith("backbone.")
    }


def hash_backbone(weights_sha256: str, changes: Arrays) -> str:
    """Identify a backbone by the weights that it began with and by what changed."""
    digest = hashlib.sha256(weights_sha256.encode())
    for name in sorted(changes):
        digest.update(name.encode() + changes[name].tobytes())
    return digest.hexdigest()


class TunedBackbone:
    """A backbone with changes, which equals another one of the same hash.

    Parameters
    ----------
    weights : str
    seed : int
        Of random weights.
    weights_sha256 : str
        What it began with.
    changes : dict of str to ndarray
    sha256 : str
        As `hash_backbone` tells it.
    """

    def __init__(
        self, weights: str, seed: int, weights_sha256: str, changes: Arrays, sha256: str
    ) -> None:
        self.weights, self.seed, self.weights_sha256 = weights, seed, weights_sha256
        self.changes, self.sha256 = changes, sha256

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TunedBackbone) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def load(self) -> nn.Module:
        """Return the readable network, on the CPU."""
        backbone = load_backbone(self.weights, self.seed, expected=self.weights_sha256)
        changed = {name: torch.tensor(values) for name, values in self.changes.items()}
        backbone.load_state_dict(backbone.state_dict() | changed)
        return backbone
