"""The fast form computes what the readable network does."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.backbone.fast import FastBackbone, fold_normalisations
from sklearn_biomoe.inference import check_precision, engines, get_engine
from sklearn_biomoe.weights import BackboneWeights, random_backbone, weights_sha256


@pytest.fixture(scope="module")
def backbone():
    """Random weights and running statistics that folding could not ignore."""
    network = random_backbone(5)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
    return network


@pytest.fixture(scope="module")
def images():
    windows = np.cumsum(np.random.default_rng(0).normal(size=(3, 240)), axis=1)
    drawer = BiosignalImageTransformer(
        ["waveform", "scalogram", "gadf"], sampling_rate=4, modality="resp"
    )
    drawn = torch.from_numpy(np.asarray(drawer.fit_transform(windows))).flatten(0, 1)
    return drawn.permute(0, 3, 1, 2) / 255


def test_float32_is_the_readable_network(backbone, images):
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with torch.inference_mode():
        fast = FastBackbone(backbone, torch.float32)(images)
        expected = backbone(images)
    assert (fast - expected).abs().max() < 5e-5
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


def test_bfloat16_keeps_what_tells_images_apart(backbone, images):
    with torch.inference_mode():
        low = FastBackbone(backbone, torch.bfloat16)(images)
        exact = backbone(images)
    assert low.dtype == torch.float32
    similarity = nn.functional.cosine_similarity(low - low.mean(0), exact - exact.mean(0))
    assert similarity.min() > 0.97
    assert (low - exact).abs().max() > 1e-4  # or it was not bfloat16


def test_normalisations_are_folded(backbone):
    fast = FastBackbone(backbone, torch.float32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    conv, norm = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)
    norm.running_mean.fill_(0.5)
    layers = nn.Sequential(conv, norm, nn.ReLU()).eval()
    x = torch.rand(1, 2, 8, 8)
    expected = layers(x)
    fold_normalisations(layers)
    torch.testing.assert_close(layers(x), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_on_one_and_two_threads(threads, images):
    engine = get_engine(BackboneWeights("random", 0, weights_sha256("random")), "cpu", "float32")
    batch = images[:8].permute(0, 2, 3, 1)
    before = torch.get_num_threads()
    with torch.inference_mode():
        torch.set_num_threads(2)
        expected = engine.run(batch)
        torch.set_num_threads(threads)
        found = engine.run(batch)
    torch.set_num_threads(before)
    assert torch.equal(found, expected)


def test_precisions(monkeypatch):
    check_precision("float32", "cpu")
    monkeypatch.setattr(engines.torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    check_precision("bfloat16", "cpu")
    monkeypatch.setattr(engines.torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(ValueError, match="this cpu has no instructions for it"):
        check_precision("bfloat16", "cpu")
    with pytest.raises(ValueError, match=r"Unknown precision 'bf16'.*Did you mean 'bfloat16'"):
        TinyBioMoEEmbedder(precision="bf16").fit(np.zeros((1, 224, 224, 3), np.uint8))
