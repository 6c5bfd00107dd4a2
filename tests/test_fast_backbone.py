"""The fast form of the backbone: layers, precisions and threads; test_parity.py has its results."""

import torch
from torch import nn

from sklearn_biomoe.backbone.fast import FastBackbone, fold_batch_norms
from sklearn_biomoe.inference import get_engine
from sklearn_biomoe.weights import BackboneWeights, load_backbone, weights_sha256

GENERATOR = torch.Generator().manual_seed(0)


def test_bfloat16_keeps_the_differences_between_images():
    backbone = load_backbone("open")
    images = torch.rand(3, 3, 7, 7, generator=GENERATOR)
    images = nn.functional.interpolate(images, size=(224, 224))
    with torch.inference_mode():
        low, exact = FastBackbone(backbone, torch.bfloat16)(images), backbone(images)
    assert low.dtype == torch.float32
    similarity = nn.functional.cosine_similarity(low - low.mean(0), exact - exact.mean(0))
    assert similarity.min() > 0.97
    assert (low - exact).abs().max() > 1e-4  # otherwise it is not bfloat16


def test_batch_norms_are_folded():
    conv, norm = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)
    norm.running_mean.fill_(0.5)
    layers = nn.Sequential(conv, norm, nn.ReLU()).eval()
    x = torch.rand(1, 2, 8, 8, generator=GENERATOR)
    expected = layers(x)
    fold_batch_norms(layers)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
    torch.testing.assert_close(layers(x), expected)
    fast = FastBackbone(load_backbone("random"), torch.float32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())


def test_bits_do_not_depend_on_threads():
    engine = get_engine(BackboneWeights("random", 0, weights_sha256("random")), "cpu", "float32")
    batch = torch.rand(8, 224, 224, 3, generator=GENERATOR)
    before, found = torch.get_num_threads(), []
    with torch.inference_mode():
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            found.append(engine.run(batch))
    torch.set_num_threads(before)
    assert torch.equal(*found)
