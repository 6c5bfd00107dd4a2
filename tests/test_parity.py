"""The backbone against the published reference: keys, shapes, embeddings, intermediate outputs."""

import csv
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_biomoe.backbone.fast import FastBackbone
from sklearn_biomoe.backbone.network import TinyBioMoE

GOLDEN = np.load(Path(__file__).parent / "data" / "tiny_biomoe_seed7.npz")
# The reference's float32 sums in another order differ by this much at most.
TOLERANCE = 2e-5


def golden_array(key, shape, seed=7):
    """Fill one parameter by the rule that the golden numbers were computed with."""
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        values = rng.uniform(0.5, 1.5, shape)
    elif leaf in ("running_mean", "bias"):
        values = rng.normal(0, 0.1, shape)
    elif leaf in ("attention_biases", "complex_weight"):
        values = rng.normal(0, 0.5, shape)
    elif key.endswith(".bn.weight"):
        values = rng.uniform(0.4, 0.9, shape)
    elif key == "ln_img.weight" or len(shape) == 1:
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
    return torch.from_numpy(values.astype("float32"))


def golden_state(backbone, seed=7):
    return {
        key: golden_array(key, tuple(value.shape), seed) if value.is_floating_point() else value
        for key, value in backbone.state_dict().items()
    }


def golden_images(seed=7, n=4):
    rng, grid = np.random.default_rng([seed, 0]), np.linspace(0, 1, 224)
    images = np.zeros((n, 3, 224, 224), np.uint8)
    for i in range(n):
        for channel in range(3):
            frequency, phase = rng.uniform(1, 12, 2), rng.uniform(0, 6.28, 2)
            image = (
                np.sin(6.28 * frequency[0] * grid + phase[0])[:, None]
                + np.sin(6.28 * frequency[1] * grid + phase[1])[None]
                + rng.normal(0, 0.3, (224, 224))
            )
            scaled = (image - image.min()) / (image.max() - image.min()) * 255
            images[i, channel] = np.clip(scaled, 0, 255).astype(np.uint8)
    return torch.from_numpy(images) / 255


@pytest.fixture(scope="module")
def backbone():
    backbone = TinyBioMoE().eval()
    backbone.load_state_dict(golden_state(backbone), strict=True)
    return backbone


@pytest.fixture(scope="module")
def outputs(backbone):
    """Outputs of every named module for the golden images, and the embedding."""
    captured = {}
    for name, module in backbone.named_modules():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: captured.__setitem__(name, output)
        )
    with torch.inference_mode():
        backbone(golden_images())
    return captured


def test_state_dict_is_the_published_one():
    text = (Path(__file__).parent / "data" / "state_dict.tsv").read_text()
    published = {
        row["key"]: (row["shape"], row["dtype"])
        for row in csv.DictReader(text.splitlines(), delimiter="\t")
    }
    ours = {
        key: ("x".join(map(str, value.shape)) or "scalar", str(value.dtype).removeprefix("torch."))
        for key, value in TinyBioMoE().state_dict().items()
    }
    assert len(published) == 510
    assert ours == published


def test_number_of_parameters():
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    backbone = TinyBioMoE()
    assert count(backbone) == 7_337_278
    assert count(backbone.enc1) == 2_897_856
    assert count(backbone.enc2) == 4_128_478


def test_embedding(outputs):
    np.testing.assert_allclose(outputs[""], GOLDEN["embedding"], rtol=0, atol=TOLERANCE)


def test_embedding_of_the_fast_form(backbone):
    with torch.inference_mode():
        embedding = FastBackbone(backbone, torch.float32)(golden_images())
    np.testing.assert_allclose(embedding, GOLDEN["embedding"], rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", ["enc1", "enc2"])
def test_expert_output(outputs, name):
    np.testing.assert_allclose(outputs[name], GOLDEN[f"full/{name}"], rtol=0, atol=TOLERANCE)


def test_gate_of_the_second_expert(outputs):
    # The gate runs once per expert; the hook keeps the last run, which is Encoder-2's.
    np.testing.assert_allclose(outputs["fcn"], GOLDEN["full/fcn"], rtol=0, atol=TOLERANCE)


INTERMEDIATE = sorted(key.partition("/")[2] for key in GOLDEN if key.startswith("mean_std/"))


@pytest.mark.parametrize("name", INTERMEDIATE)
def test_intermediate_output(outputs, name):
    values = outputs[name].flatten(1)
    # Relative to the output's own size: intermediate outputs are not normalised.
    scale = float(values.abs().max())
    np.testing.assert_allclose(
        values[:, :64], GOLDEN[f"flat_first64/{name}"], rtol=0, atol=TOLERANCE * scale
    )
    mean_and_std = torch.stack([values.mean(1), values.std(1, correction=0)], dim=1)
    np.testing.assert_allclose(mean_and_std, GOLDEN[f"mean_std/{name}"], rtol=1e-4, atol=1e-5)


def test_there_are_intermediate_outputs():
    assert len(INTERMEDIATE) == 10


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    backbone = TinyBioMoE().train()
    backbone.load_state_dict(golden_state(backbone))
    weights = torch.randn(192)
    (backbone(golden_images(n=2)) * weights).sum().backward()
    without = [name for name, p in backbone.named_parameters() if not p.grad.abs().max() > 0]
    assert without == []


def test_a_second_state_dict_changes_the_output(backbone):
    """The reference kept indexed attention biases from the weights it was built with."""
    model = TinyBioMoE().eval()
    images = golden_images(n=1)
    with torch.inference_mode():
        first = model(images)
        model.load_state_dict(backbone.state_dict())
        second = model(images)
        biases_only = {
            key: torch.zeros_like(value) if key.endswith("attention_biases") else value
            for key, value in backbone.state_dict().items()
        }
        model.load_state_dict(biases_only)
        third = model(images)
    assert not torch.allclose(first, second, atol=1e-3)
    assert not torch.allclose(second, third, atol=1e-3)
