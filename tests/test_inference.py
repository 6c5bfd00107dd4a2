"""Embedding with the published network: independent of the batch, the order and the process."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.inference import (
    Engine,
    choose_batch_size,
    embed,
    engines,
    free_engines,
    get_engine,
    read_images,
    resolve_device,
)
from sklearn_biomoe.weights import BackboneWeights, random_backbone, weights_sha256

SETTINGS = {"batch_size": 4, "progress": False}
N_WINDOWS = 5


def random_weights(seed=0):
    return BackboneWeights("random", seed, weights_sha256("random", seed))


@pytest.fixture(scope="module")
def images():
    windows = 5 + 0.01 * np.cumsum(np.random.default_rng(0).normal(size=(N_WINDOWS, 240)), axis=1)
    to_images = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    )
    return to_images.fit_transform(windows)


@pytest.fixture(scope="module")
def engine():
    return get_engine(random_weights(), "cpu", "float32")


@pytest.fixture(scope="module")
def embeddings(engine, images):
    return embed(engine, images, **SETTINGS)


def test_embeddings_equal_those_of_the_published_network(images, embeddings):
    drawn = torch.from_numpy(np.asarray(images)).flatten(0, 1).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = random_backbone(0)(drawn).reshape(N_WINDOWS, 2, 192)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, atol=2e-5)
    assert embeddings.std(axis=0).min() > 1e-5  # windows differ in each dimension


def test_order_and_other_windows_change_no_bit(engine, images, embeddings, two_threads):
    order = np.random.default_rng(1).permutation(N_WINDOWS)
    shuffled = embed(engine, images[order], **SETTINGS)
    np.testing.assert_array_equal(shuffled, embeddings[order])
    alone = embed(engine, images[3:4], **SETTINGS)
    np.testing.assert_array_equal(alone, embeddings[3:4])


@pytest.mark.parametrize("batch_size", [1, 3])  # 3 splits the two images of a window
def test_batch_sizes_agree(engine, images, embeddings, batch_size):
    other = embed(engine, images[:3], batch_size=batch_size, progress=False)
    np.testing.assert_allclose(other, embeddings[:3], atol=2e-5)


def test_arrays_embed_like_lazy_images(engine, images, embeddings):
    drawn = np.asarray(images[:2])
    for arrays in (drawn, drawn / np.float32(255), drawn[:, ::-1][:, ::-1]):
        np.testing.assert_allclose(embed(engine, arrays, **SETTINGS), embeddings[:2], atol=2e-5)


def mean_engine():
    """Embed by the mean, and record the shapes of batches."""
    shapes = []

    def run(batch):
        shapes.append(tuple(batch.shape))
        return batch.mean(dim=(1, 2, 3))[:, None].expand(-1, 192)

    return Engine(run, "cpu", "mean"), shapes


def test_every_batch_has_the_same_size(images):
    engine, shapes = mean_engine()
    embed(engine, images, **SETTINGS)
    assert shapes == [(4, 224, 224, 3)] * 3  # of 10 images; blanks fill the last batch


def test_progress_bar(images, capsys):
    engine, _ = mean_engine()
    embed(engine, images, batch_size=2, progress=True)
    assert "embedding: 100%" in capsys.readouterr().err
    embed(engine, images, **SETTINGS)
    assert capsys.readouterr().err == ""


def test_weights_are_loaded_once_by_several_threads(monkeypatch):
    loaded = []
    original = BackboneWeights.load
    monkeypatch.setattr(
        BackboneWeights, "load", lambda weights: loaded.append(weights) or original(weights)
    )
    weights = random_weights(123)
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: get_engine(weights, "cpu", "float32"), range(4)))
    assert len(loaded) == 1
    assert all(engine is engines[0] for engine in engines)


def test_freed_backbones_are_loaded_again(images, embeddings):
    before = get_engine(random_weights(), "cpu", "float32")
    free_engines()
    after = get_engine(random_weights(), "cpu", "float32")
    assert after is not before
    np.testing.assert_array_equal(embed(after, images[:1], **SETTINGS), embeddings[:1])


@pytest.mark.slow
def test_worker_processes_compute_the_same_bits(images):
    embedder = TinyBioMoEEmbedder(device="cpu", cache=None, batch_size=2).fit(images)
    with Parallel(n_jobs=2) as parallel:
        parts = parallel(delayed(embedder.transform)(images[row : row + 1]) for row in (0, 1))
    np.testing.assert_array_equal(np.concatenate(parts), embedder.transform(images[:2]))


def test_cuda_in_worker_processes_warns(monkeypatch):
    engines.warn_of_workers("cuda")
    monkeypatch.setattr(engines.multiprocessing, "parent_process", lambda: "parent")
    engines.warn_of_workers("cpu")
    with pytest.warns(UserWarning, match="'cuda' is used from a worker process"):
        engines.warn_of_workers("cuda")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is measured as Linux does")
def test_memory_does_not_grow_with_the_windows():
    script = Path(__file__).parents[1] / "benchmarks" / "memory.py"
    command = [sys.executable, str(script), "embedded", "1000"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # 1,000 images are 600 MB in float32; only their embeddings are kept.
    assert found["growth_megabytes"] < 150


def test_changed_weights_are_an_error():
    with pytest.raises(ValueError, match=r"Random weights have sha256 .* but 0000.* was expected"):
        get_engine(BackboneWeights("random", 0, "0" * 64), "cpu", "float32")


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == "cpu"
    for unknown in ("gpu", "cuda:x", "mps", ""):
        with pytest.raises(ValueError, match="Unknown device"):
            resolve_device(unknown)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_without_a_device(device):
    with pytest.raises(ValueError, match="finds 0 CUDA devices; use device='auto' or 'cpu'"):
        resolve_device(device)


@pytest.mark.cuda
def test_cuda_agrees_with_the_cpu(images, embeddings):
    assert resolve_device("auto") == "cuda"
    on_cuda = embed(get_engine(random_weights(), "cuda", "float32"), images, **SETTINGS)
    np.testing.assert_allclose(on_cuda, embeddings, atol=1e-3)


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)


def test_containers_of_images():
    from PIL import Image

    expected = IMAGES[:, None]
    for form in (IMAGES, list(IMAGES), expected, [Image.fromarray(p) for p in IMAGES]):
        np.testing.assert_array_equal(read_images(form), expected)
    scaled = read_images(IMAGES / 255)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((5, 240)), "put an image transformer before it"),
        (np.zeros((5, 2, 240)), "put an image transformer before it"),
        (np.zeros(5), "put an image transformer before it"),
        ([np.zeros(5), np.zeros(6)], "got list of shape"),
        ([], "got list of shape"),
        ([IMAGES[0], IMAGES[0, :9]], "expects images"),
        (np.array([["a"]]), "expects images"),
        (None, "expects images"),
        (np.empty((0, 224, 224, 3), np.uint8), "expects images"),
        (IMAGES[:, :128], r"shape \(128, 224, 3\); the backbone needs \(224, 224, 3\)"),
        (IMAGES.transpose(0, 3, 1, 2), "image_size=224"),
        (IMAGES.astype(np.int64), "dtype int64; expected uint8"),
        (IMAGES.astype(np.float32), r"window 0 are in \[0, 255\]; divide them by 255"),
        (np.full((1, 224, 224, 3), np.nan), "divide them by 255"),
        (IMAGES / 255 - 0.1, r"\[-0.1, 0.9\]"),
    ],
)
def test_other_arrays_are_errors(X, message):
    with pytest.raises(ValueError, match=message):
        read_images(X)


def test_images_of_another_size_are_errors():
    small = BiosignalImageTransformer(image_size=64).fit_transform(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"\(64, 64, 3\).*Draw them with image_size=224"):
        read_images(small)


@pytest.mark.parametrize(("gibibytes", "expected"), [(0.5, 8), (8, 64), (12, 64), (139, 256)])
def test_default_batch_sizes(monkeypatch, gibibytes, expected):
    properties = SimpleNamespace(total_memory=int(gibibytes * 2**30))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    assert choose_batch_size("cuda") == expected
    assert choose_batch_size("cpu") == 8
