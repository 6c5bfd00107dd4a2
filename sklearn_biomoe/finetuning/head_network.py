"""The network that is trained: the backbone and a head, their learning rates, their changes."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..backbone.fast import use_channels_last
from ..weights import BackboneWeights

# Layers of the backbone by stage; each stage halves both encoders' grids. All other layers are the
# last stage: that of both encoders, and the layers that gate and join them.
EARLY_STAGES = (
    ("ln_img", "enc1.patch_embed1", "enc1.block1", "enc1.norm1", "enc2.patch_embed"),
    ("enc1.patch_embed2", "enc1.block2", "enc1.norm2", "enc2.blocks1"),
    ("enc1.patch_embed3", "enc1.block3", "enc1.norm3", "enc2.blocks2"),
)
LAST_STAGE = len(EARLY_STAGES)
STAGE_DECAY = 0.5  # ratio of a stage's learning rate to that of the next stage
FIRST_TRAINED = {"all": 0, "last_stages": LAST_STAGE}

Arrays = dict[str, NDArray[np.float32]]


class Head(nn.Module):
    """Map a window's embeddings to logits or a value: standardisation, ELU and a linear layer.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_images * 192,)
        Of the training windows' embeddings.
    n_outputs : int
    seed : int
        Of the initial weights, distributed as in `torch.nn.Linear`; initial biases are 0.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: NDArray[Any], scale: NDArray[Any], n_outputs: int, seed: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        weight = torch.empty(n_outputs, len(mean))
        largest = len(mean) ** -0.5
        # A generator of its own leaves the global random state of torch unchanged.
        weight.uniform_(-largest, largest, generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, n_images * 192) -> (B, n_outputs)."""
        standardised = (embeddings - self.mean) / self.scale
        return functional.linear(functional.elu(standardised), self.weight, self.bias)


class Network(nn.Module):
    """The backbone and the head: a window's images to logits, or to a value.

    Parameters
    ----------
    backbone : torch.nn.Module
        Parameters of stages that are not trained get no gradients.
    head : Head
    trainable : {"all", "last_stages"}
    precision : {"float32", "tf32", "bfloat16"}, default="float32"
        Of the backbone's computations; parameters and the head stay float32.
    """

    def __init__(
        self, backbone: nn.Module, head: Head, trainable: str, precision: str = "float32"
    ) -> None:
        super().__init__()
        self.head, self.backbone = head, backbone  # the first learning rate is the head's
        self.precision = precision
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(stage_of(name) >= FIRST_TRAINED[trainable])
        use_channels_last(backbone)  # trains a fifth faster on a CPU

    def train(self, mode: bool = True) -> "Network":
        """Set the mode of the head; the backbone stays in evaluation mode.

        Batch normalisations keep the averages of pretraining, though their gains and biases are
        trained: averages over a few windows of a few subjects would be far from those of all
        subjects, and would change frozen stages. No other layer of the backbone has two modes.
        """
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(B, n_images, H, W, 3) -> (B, n_outputs), float32."""
        inputs = images.flatten(0, 1).permute(0, 3, 1, 2)  # (B * n_images, 3, H, W)
        mixed = self.precision == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            embeddings = self.backbone(inputs)  # (B * n_images, 192)
        # Embeddings vary little relative to their size: standardise them in float32.
        return self.head(embeddings.float().unflatten(0, images.shape[:2]).flatten(1))


def stage_of(name: str) -> int:
    """Return the stage, from 0, of a parameter of the backbone.

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
    """Group trained parameters by learning rate and weight decay, for an optimizer of torch.

    Parameters
    ----------
    module : torch.nn.Module
        A `Network`, or a module whose head is named "head".
    rate : float
        The head's learning rate.
    backbone_factor : float
        Ratio of the last stage's learning rate to the head's.
    weight_decay : float
        Of weights; biases and gains, which have one axis, do not decay.
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
    """Yield names and values of trained parameters, and of everything in the head."""
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    for name, tensor in module.state_dict().items():
        if name in trained or name.startswith("head."):
            yield name, tensor


def backbone_changes(learnt: Mapping[str, Tensor]) -> Arrays:
    """Return the backbone's parameters among those that were learnt, by their names in it."""
    return {
        name.removeprefix("backbone."): tensor.float().cpu().numpy()
        for name, tensor in learnt.items()
        if name.startswith("backbone.")
    }


def hash_backbone(weights_sha256: str, changes: Arrays) -> str:
    """Hash a fine-tuned backbone: the hash of its initial weights, and the changes."""
    digest = hashlib.sha256(weights_sha256.encode())
    for name in sorted(changes):
        digest.update(name.encode() + changes[name].tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class TunedBackbone:
    """A fine-tuned backbone, as `sklearn_biomoe.inference.get_engine` loads it.

    Parameters
    ----------
    initial : BackboneWeights
    changes : dict of str to ndarray
        Parameters that were trained.
    sha256 : str
        As from `hash_backbone`; backbones are equal if their hashes are.
    """

    initial: BackboneWeights = field(compare=False)
    changes: Arrays = field(compare=False)
    sha256: str

    def load(self) -> nn.Module:
        """Return the readable network on the CPU."""
        backbone = self.initial.load()
        changed = {name: torch.tensor(values) for name, values in self.changes.items()}
        backbone.load_state_dict(backbone.state_dict() | changed)
        return backbone
