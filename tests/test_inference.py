"""Embedding with the real backbone: the same whatever else is in the batch, on any call."""

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning
from sklearn_biomoe.inference import (
    Engine,
    choose_batch_size,
    embed,
    embedding,
    engines,
    free_engines,
    get_engine,
    read_images,
    resolve_device,
)
from sklearn_biomoe.weights import BackboneWeights, random_backbone, weights_sha256

SETTINGS = {"progress": False}


@pytest.fixture(scope="module")
def images():
    windows = 5 + 0.01 * np.cumsum(np.random.default_rng(0).normal(size=(11, 240)), axis=1)
    drawer = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    )
    return drawer.fit_transform(windows)


@pytest.fixture(scope="module")
def backbone():
    return random_backbone(0)


@pytest.fixture(scope="module")
def engine():
    return get_engine(BackboneWeights("random", 0, weights_sha256("random")), "cpu", "float32")


@pytest.fixture(scope="module")
def embeddings(engine, images):
    return embed(engine, images, batch_size=8, **SETTINGS)


def test_equals_the_backbone_on_drawn_images(backbone, images, embeddings):
    drawn = torch.from_numpy(np.asarray(images)).flatten(0, 1).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = backbone(drawn).reshape(11, 2, 192)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, atol=2e-5)
    assert embeddings.std(axis=0).min() > 1e-5  # windows differ in every value


def test_bitwise_the_same_in_any_order_alone_or_together(engine, images, embeddings):
    order = np.random.default_rng(1).permutation(11)
    shuffled = embed(engine, images[order], batch_size=8, **SETTINGS)
    np.testing.assert_array_equal(shuffled, embeddings[order])
    alone = embed(engine, images[5:6], batch_size=8, **SETTINGS)
    np.testing.assert_array_equal(alone, embeddings[5:6])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_sizes_agree(engine, images, embeddings, batch_size):
    # 3 does not divide the two images of a window, 1 is fewer than they are.
    other = embed(engine, images[:4], batch_size=batch_size, **SETTINGS)
    np.testing.assert_allclose(other, embeddings[:4], atol=2e-5)


def test_arrays_embed_as_the_lazy_stack_does(engine, images, embeddings):
    drawn = np.asarray(images[:3])
    for arrays in (drawn, drawn / np.float32(255), drawn[:, ::-1][:, ::-1]):
        result = embed(engine, arrays, batch_size=8, **SETTINGS)
        np.testing.assert_allclose(result, embeddings[:3], atol=2e-5)


def test_every_batch_has_the_same_size(images):
    seen = []

    def run(batch):
        seen.append(tuple(batch.shape))
        return batch.new_zeros(len(batch), 192)

    embed(Engine(run, "cpu", "spy"), images, batch_size=4, **SETTINGS)
    assert set(seen) == {(4, 224, 224, 3)}
    assert len(seen) == 6  # 22 images in full batches but for the last


def test_progress_bar(engine, images, capsys):
    embed(engine, images[:1], batch_size=2, progress=True)
    assert "embedding: 100%" in capsys.readouterr().err
    embed(engine, images[:1], batch_size=2, **SETTINGS)
    assert capsys.readouterr().err == ""


def test_one_copy_per_process_even_from_two_threads(monkeypatch):
    loaded = []
    original = BackboneWeights.load
    monkeypatch.setattr(
        BackboneWeights, "load", lambda weights: loaded.append(weights) or original(weights)
    )
    sha256 = weights_sha256("random", 123)
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(
                get_engine(BackboneWeights("random", 123, sha256), "cpu", "float32")
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert all(result is results[0] for result in results)


def test_freed_backbones_are_loaded_again(images, embeddings):
    sha256 = weights_sha256("random", 0)
    before = get_engine(BackboneWeights("random", 0, sha256), "cpu", "float32")
    free_engines()
    after = get_engine(BackboneWeights("random", 0, sha256), "cpu", "float32")
    assert after is not before
    np.testing.assert_array_equal(embed(after, images, batch_size=8, **SETTINGS), embeddings)


def test_worker_processes_give_the_same_bits(images, embeddings):
    embedder = TinyBioMoEEmbedder(cache=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrainedBackboneWarning)
        embedder.fit(images)
    with Parallel(n_jobs=2) as parallel:
        parts = parallel(delayed(embedder.transform)(images[i : i + 4]) for i in (0, 4))
    np.testing.assert_array_equal(
        np.concatenate(parts), embedder.transform(images[:8]).reshape(8, -1)
    )


def test_gpus_in_worker_processes_warn(monkeypatch):
    engines.warn_of_workers("cuda")
    monkeypatch.setattr(engines.multiprocessing, "parent_process", lambda: "parent")
    engines.warn_of_workers("cpu")
    with pytest.warns(UserWarning, match="'cuda' is used from a worker process"):
        engines.warn_of_workers("cuda")


class Cramped:
    """A device on which no more than ``most`` images find room."""

    def __init__(self, most):
        self.most, self.batches = most, []

    def __call__(self, batch):
        self.batches.append(len(batch))
        if len(batch) > self.most:
            raise torch.OutOfMemoryError
        return batch.mean(dim=(1, 2, 3))[:, None].expand(-1, 192)


def test_batches_are_halved_where_memory_lacks(images, monkeypatch):
    monkeypatch.setattr(embedding, "_SMALLER_BATCHES", {})
    roomy, cramped = Cramped(most=100), Cramped(most=2)
    expected = embed(Engine(roomy, "cpu", "roomy"), images, batch_size=8, **SETTINGS)
    engine = Engine(cramped, "cpu", "cramped")
    with pytest.warns(UserWarning, match="with 8 images at once; going on with 2") as caught:
        found = embed(engine, images, batch_size=8, **SETTINGS)
    assert len(caught) == 1
    np.testing.assert_array_equal(found, expected)  # each once, in order
    assert cramped.batches == [8, 4] + [2] * 11
    embed(engine, images, batch_size=8, **SETTINGS)  # remembered, and no warning again
    assert cramped.batches[13:] == [2] * 11
    with pytest.raises(RuntimeError, match="too little free memory to embed a single image"):
        embed(Engine(Cramped(most=0), "cpu", "none"), images, batch_size=2, **SETTINGS)


@pytest.mark.skipif(sys.platform != "linux", reason="counts resident memory as Linux does")
def test_memory_does_not_grow_with_the_windows():
    script = Path(__file__).parents[1] / "benchmarks" / "memory.py"
    command = [sys.executable, str(script), "embedded", "2000"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # 2,000 images are 1,200 MB in float32; what is kept of each is its row.
    assert found["growth_megabytes"] < 200


def test_weights_that_changed_are_refused():
    with pytest.raises(ValueError, match=r"Random weights have sha256 .* but 0000.* was expected"):
        get_engine(BackboneWeights("random", 0, "0" * 64), "cpu", "float32")


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    for unknown in ("gpu", "cuda:x", "mps", ""):
        with pytest.raises(ValueError, match="Unknown device"):
            resolve_device(unknown)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_without_cuda(device):
    with pytest.raises(ValueError, match="finds 0 CUDA devices; use device='auto' or 'cpu'"):
        resolve_device(device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu(images, embeddings):  # pragma: no cover
    sha256 = weights_sha256("random", 0)
    on_cuda = get_engine(BackboneWeights("random", 0, sha256), "cuda", "float32")
    on_cuda = embed(on_cuda, images, batch_size=8, progress=False)
    np.testing.assert_allclose(on_cuda, embeddings, atol=1e-3)


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)


def test_forms_of_images():
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
        (np.zeros((5, 240)), "put the image transformer before it"),
        (np.zeros((5, 2, 240)), "put the image transformer before it"),
        (np.zeros(5), "put the image transformer before it"),
        ([np.zeros(5), np.zeros(6)], "got list of shape"),
        ([], "got list of shape"),
        ([IMAGES[0], IMAGES[0, :9]], "takes images"),
        (np.array([["a"]]), "takes images"),
        (None, "takes images"),
        (np.empty((0, 224, 224, 3), np.uint8), "takes images"),
        (IMAGES[:, :128], r"shape \(128, 224, 3\); the backbone takes \(224, 224, 3\)"),
        (IMAGES.transpose(0, 3, 1, 2), "image_size=224"),
        (IMAGES.astype(np.int64), "dtype int64; expected uint8"),
        (IMAGES.astype(np.float32), r"window 0 span \[0, 255\]; divide by 255"),
        (np.full((1, 224, 224, 3), np.nan), "divide by 255"),
        (IMAGES / 255 - 0.1, r"\[-0.1, 0.9\]"),
    ],
)
def test_what_is_no_image(X, message):
    with pytest.raises(ValueError, match=message):
        read_images(X)


def test_images_of_another_size_are_refused():
    small = BiosignalImageTransformer(image_size=64).fit_transform(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"\(64, 64, 3\).*Draw them with image_size=224"):
        read_images(small)


def test_no_global_state_is_left_behind(engine, images):
    before = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
    state, environment = torch.random.get_rng_state(), dict(os.environ)
    embed(engine, images[:1], batch_size=2, **SETTINGS)
    after = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
    assert before == after
    assert torch.equal(state, torch.random.get_rng_state())
    assert environment == dict(os.environ)


@pytest.mark.parametrize(("gibibytes", "expected"), [(0.5, 8), (8, 64), (12, 64), (139, 256)])
def test_batches_by_memory(monkeypatch, gibibytes, expected):
    properties = SimpleNamespace(total_memory=int(gibibytes * 2**30))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    assert choose_batch_size("cuda") == expected
    assert choose_batch_size("cpu") == 8
