"""The backbone and its fast and ONNX forms against the published reference."""

import csv
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.backbone.fast import FastBackbone
from sklearn_biomoe.backbone.network import TinyBioMoE
from sklearn_biomoe.backbone.onnx import exportable, load_session

GOLDEN = np.load(Path(__file__).parent / "data" / "tiny_biomoe_seed7.npz")
TOLERANCE = 2e-5  # for float32 sums in another order than the reference's
TOLERANCES = {"published": TOLERANCE, "fast": 5e-5, "onnx": 5e-5}  # of embeddings, by form


def golden_array(key, shape, seed=7):
    """Return one parameter of the network that the golden values were computed with."""
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


def golden_backbone(seed=7):
    backbone = TinyBioMoE().eval()
    state = {
        key: golden_array(key, tuple(value.shape), seed) if value.is_floating_point() else value
        for key, value in backbone.state_dict().items()
    }
    backbone.load_state_dict(state, strict=True)
    return backbone


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
    return golden_backbone()


@pytest.fixture(scope="module")
def outputs():
    """Outputs of every named module for the golden images; the embedding is of the module ""."""
    backbone, captured = golden_backbone(), {}
    for name, module in backbone.named_modules():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: captured.__setitem__(name, output)
        )
    with torch.inference_mode():
        backbone(golden_images())
    return captured


@pytest.fixture(scope="module")
def onnx_session(backbone, tmp_path_factory):
    """Load the network into ONNX Runtime; it is exported once for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def load(n_threads=None):
        with pytest.MonkeyPatch.context() as patched, FileLock(folder / "onnx.lock"):
            patched.setenv("SKLEARN_BIOMOE_CACHE", str(folder))
            return load_session(backbone, "golden", n_threads)

    return load


@pytest.fixture(scope="module")
def forms(backbone, onnx_session):
    fast = FastBackbone(backbone, torch.float32)
    return {"published": backbone, "fast": fast, "onnx": onnx_session()}


def random_images(n):
    """Images in the layout of rendered ones: channels last in memory."""
    images = torch.rand(n, 224, 224, 3, generator=torch.Generator().manual_seed(0))
    return images.permute(0, 3, 1, 2)


def assert_close(form, found, expected):
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[form])


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


@pytest.mark.parametrize("form", TOLERANCES)
def test_embedding(forms, form):
    with torch.inference_mode():
        assert_close(form, forms[form](golden_images()), GOLDEN["embedding"])


# The gate "fcn" runs once per expert; the hook keeps its last output, which is of expert 2.
@pytest.mark.parametrize("name", ["enc1", "enc2", "fcn"])
def test_output_of_experts_and_gate(outputs, name):
    np.testing.assert_allclose(outputs[name], GOLDEN[f"full/{name}"], rtol=0, atol=TOLERANCE)


INTERMEDIATE = sorted(key.partition("/")[2] for key in GOLDEN if key.startswith("mean_std/"))
assert len(INTERMEDIATE) == 10


@pytest.mark.parametrize("name", INTERMEDIATE)
def test_intermediate_output(outputs, name):
    values = outputs[name].flatten(1)
    # Intermediate outputs are not normalised, so the tolerance is relative to their size.
    scale = float(values.abs().max())
    np.testing.assert_allclose(
        values[:, :64], GOLDEN[f"flat_first64/{name}"], rtol=0, atol=TOLERANCE * scale
    )
    mean_and_std = torch.stack([values.mean(1), values.std(1, correction=0)], dim=1)
    np.testing.assert_allclose(mean_and_std, GOLDEN[f"mean_std/{name}"], rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    backbone = golden_backbone().train()
    weights = torch.randn(192)
    (backbone(golden_images(n=2)) * weights).sum().backward()
    without = [name for name, p in backbone.named_parameters() if not p.grad.abs().max() > 0]
    assert without == []


def test_a_second_state_dict_changes_the_output(backbone):
    """The reference implementation caches the indexed attention biases of its first weights."""
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


def test_deriving_a_form_does_not_change_the_backbone(backbone):
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    for _derived in (FastBackbone(backbone, torch.float32), exportable(backbone)):
        assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("form", ["fast", "onnx"])
@pytest.mark.parametrize("n", [1, 3])
def test_forms_accept_any_batch_size_and_memory_layout(forms, form, n):
    images = random_images(n)
    with torch.inference_mode():
        expected = forms["published"](images)
        for layout in (images, images.contiguous(), images.flip(3).flip(3)):
            assert_close(form, forms[form](layout), expected)


@pytest.mark.parametrize("form", ["fast", "onnx"])
def test_mostly_white_images(forms, form):
    """Their small variance causes rounding errors in a normalisation in one pass."""
    windows = np.cumsum(np.random.default_rng(0).normal(size=(4, 240)), axis=1)
    drawn = BiosignalImageTransformer(["waveform"]).fit_transform(windows)
    images = torch.from_numpy(np.asarray(drawn)[:, 0]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        assert_close(form, forms[form](images), forms["published"](images))


def test_onnx_bits_do_not_depend_on_order_or_other_images(forms):
    embed, images = forms["onnx"], random_images(8)
    embeddings = embed(images)
    order = torch.tensor([3, 7, 0, 1, 6, 2, 5, 4])
    assert torch.equal(embed(images[order]), embeddings[order])
    for i in range(8):
        padded = torch.zeros_like(images)
        padded[0] = images[i]
        assert torch.equal(embed(padded)[0], embeddings[i])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_onnx_bits_do_not_depend_on_threads(forms, onnx_session, n_threads):
    images, embed = random_images(2), onnx_session(n_threads)
    with ThreadPoolExecutor(2) as executor:  # two threads share the session
        for found in executor.map(embed, [images, images]):
            assert torch.equal(found, forms["onnx"](images))
