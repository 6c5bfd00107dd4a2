"""Random weights: the untrained backbone of a seed, and its hash."""

import hashlib
import threading
from functools import lru_cache

import torch

from ..backbone.network import TinyBioMoE

_SEEDING = threading.Lock()  # torch's random state is one for all threads


def random_backbone(seed: int) -> TinyBioMoE:
    """Build an untrained backbone, leaving torch's global random state as it was."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return TinyBioMoE().eval()


@lru_cache(maxsize=16)
def random_sha256(seed: int) -> str:
    """Return the hash of the keys and values of a seed's weights."""
    digest = hashlib.sha256()
    for key, value in random_backbone(seed).state_dict().items():
        digest.update(key.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
