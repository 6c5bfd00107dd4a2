"""What several test modules share."""

import dataclasses
import hashlib
import os
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import sklearn_biomoe

RECORDINGS = Path(__file__).parents[2] / "shared" / "data"
if RECORDINGS.is_dir():
    os.environ.setdefault("SKLEARN_BIOMOE_DATA", str(RECORDINGS))


class SmallBackbone(nn.Module):
    """Stands in for the backbone where embedding is not the point: thousands of images a second."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(14)
        self.linear = nn.Linear(3 * 16 * 16, 192)

    def forward(self, images):
        return self.linear(self.pool(images).flatten(1))


@pytest.fixture
def small_backbone(monkeypatch, tmp_path_factory):
    """Embed with `SmallBackbone`: "open" weights are its own, "random" ones do not warn."""
    from safetensors.torch import save

    from sklearn_biomoe import inference
    from sklearn_biomoe.inference import cache
    from sklearn_biomoe.weights import named_weights as finding
    from sklearn_biomoe.weights import random_weights

    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        content = save(SmallBackbone().state_dict())
    sha256 = hashlib.sha256(content).hexdigest()
    packaged = dataclasses.replace(finding.NAMED["open"], sha256=sha256)
    (folder / packaged.file).write_bytes(content)
    monkeypatch.setattr(finding, "PACKAGED", folder)
    monkeypatch.setitem(finding.NAMED, "open", packaged)

    def forget():
        inference.free_engines()
        random_weights.random_sha256.cache_clear()
        cache._open.cache_clear()

    monkeypatch.setattr("sklearn_biomoe.weights.random_weights.TinyBioMoE", SmallBackbone)
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn_biomoe.UntrainedBackboneWarning)
        yield SmallBackbone
    forget()


@pytest.fixture(autouse=True, scope="session")
def _two_threads():
    """Bitwise comparisons and time limits assume the two cores that checks run on."""
    torch.set_num_threads(2)
