"""Embedding with the published network: independent of the batch, the order and the process."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.inference import (
    Engine,
    drawn_images,
    embed,
    free_engines,
    get_engine,
    read_images,
)
from sklearn_biomoe.inference.cache import ProcessCache
from sklearn_biomoe.inference.drawn_images import prefetch
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


# Images are drawn ahead on a GPU; here, the CPU is the device


@pytest.fixture
def overlapped(monkeypatch):
    """Draw on the CPU as for another device: in larger pieces, in a thread of their own."""
    original = drawn_images.draw_images
    threads = []

    def draw(images, positions, device):
        threads.append(threading.current_thread().name)
        assert torch.is_inference_mode_enabled()
        return original(images, positions, "cpu")

    monkeypatch.setattr(drawn_images, "draw_images", draw)
    monkeypatch.setattr(drawn_images, "DRAWN_AT_ONCE", 8)
    yield threads
    assert not [each for each in threading.enumerate() if "sklearn_biomoe" in each.name]


def on_other_device(engine):
    return dataclasses.replace(engine, run=lambda batch: engine.run(batch), device="other")


@pytest.mark.parametrize("batch_size", [3, 4, 16])
def test_images_drawn_ahead_have_the_same_bits(engine, images, overlapped, batch_size):
    stack = images[np.arange(12) % N_WINDOWS]
    settings = {"batch_size": batch_size, "progress": False}
    expected = embed(engine, stack, **settings)
    overlapped.clear()
    rows = ProcessCache(10**6)
    for cache in (None, rows, rows):
        found = embed(on_other_device(engine), stack, cache=cache, **settings)
        np.testing.assert_array_equal(found, expected)
    assert all(name.startswith("sklearn_biomoe") for name in overlapped)
    n_pieces = -(-24 // max(batch_size, 8 - 8 % batch_size))
    n_pieces_of_unequal = -(-10 // max(batch_size, 8 - 8 % batch_size))
    assert len(overlapped) == n_pieces + n_pieces_of_unequal


def test_a_single_piece_needs_no_thread(engine, images, overlapped):
    embed(on_other_device(engine), images[:4], batch_size=8, progress=False)
    assert overlapped == ["MainThread"]


@pytest.mark.parametrize("error", [ValueError("cannot"), KeyboardInterrupt("stop")])
def test_errors_while_images_are_drawn_ahead(images, overlapped, monkeypatch, error):
    engine, shapes = mean_engine()
    original = drawn_images.draw_images
    rows = ProcessCache(10**6)

    def draw(stack, positions, device):
        if positions[0] >= 8:
            raise error
        return original(stack, positions, device)

    monkeypatch.setattr(drawn_images, "draw_images", draw)
    with pytest.raises(type(error), match=str(error)):
        embed(on_other_device(engine), images, cache=rows, **SETTINGS)
    assert len(shapes) == 2  # batches of the piece that was drawn before
    assert rows.info().rows == 8


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupt_while_images_are_drawn_ahead(images, overlapped, monkeypatch, request):
    """The thread ends before the call returns, without drawing what is left."""
    engine, _ = mean_engine()
    original, n_drawn = drawn_images.draw_images, []

    def draw(stack, positions, device):
        n_drawn.append(len(positions))
        if len(n_drawn) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # in which the main thread is interrupted
        return original(stack, positions, device)

    monkeypatch.setattr(drawn_images, "draw_images", draw)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    stack = images[np.arange(40) % N_WINDOWS]
    with pytest.raises(KeyboardInterrupt):
        embed(on_other_device(engine), stack, **SETTINGS)
    assert sum(n_drawn) < 80


def test_errors_of_the_network_end_the_thread(images, overlapped):
    def run(batch):
        raise RuntimeError("illegal memory access")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        embed(Engine(run, "other", "failing"), images, **SETTINGS)


def test_few_images_are_drawn_ahead():
    taken = []
    items = prefetch((taken.append(i) or i for i in range(10)), n_ahead=2)
    assert not taken  # nothing happens before the first item is requested
    for item in range(4):
        assert next(items) == item
        time.sleep(0.05)
        assert len(taken) <= item + 4
    items.close()
    assert len(taken) < 10


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
