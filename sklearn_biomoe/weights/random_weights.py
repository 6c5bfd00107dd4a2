"""Random weights: the untrained backbone of a seed, and its hash."""

import hashlib
import threading
from functools import lru_cache

import torch

from ..backbone.network import TinyBioMoE

_SEEDING = threading.Lock()  # threads share torch's random state


def random_backbone(seed: int) -> TinyBioMoE:
    """Return an untrained backbone in evaluation mode; torch's random state is not changed."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return TinyBioMoE().eval()


@lru_cache(maxsize=16)
def random_sha256(seed: int) -> str:
    """Return the SHA-256 of the keys and values of a seed's weights."""
    digest = hashlib.sha256()
    for key, value in random_backbone(seed).state_dict().items():
        digest.update(key.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
