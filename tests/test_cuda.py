"""CUDA: precisions, graphs, drawing, memory and processes; on a machine with a GPU only."""

import gc
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.backbone.fast import FastBackbone
from sklearn_biomoe.finetuning import TinyBioMoEClassifier
from sklearn_biomoe.inference import (
    draw_images,
    embed,
    embedding,
    free_engines,
    get_engine,
    use_precision,
)
from sklearn_biomoe.inference.cuda_graphs import GraphedNetwork
from sklearn_biomoe.inference.drawn_images import DRAWN_AT_ONCE
from sklearn_biomoe.inference.precision import PRECISIONS
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.weights import BackboneWeights, load_backbone, weights_sha256

pytestmark = pytest.mark.cuda

DEVICE = "cuda"
N_WINDOWS = 40
LARGEST_DEVIATION = 5e-5  # in float32, from the CPU
BATCHES = {"batch_size": 8, "progress": False}


def weights(name="open"):
    return BackboneWeights(name, 0, weights_sha256(name, 0))


@pytest.fixture(scope="module")
def images():
    windows = 5 + 0.01 * np.cumsum(np.random.default_rng(0).normal(size=(N_WINDOWS, 240)), axis=1)
    to_images = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
    )
    return to_images.fit_transform(windows)


@pytest.fixture(scope="module")
def arrays(images):
    """The images, drawn on the CPU."""
    return np.asarray(images)


@pytest.fixture(scope="module")
def on_the_cpu(arrays):
    """Embeddings by name of the weights."""
    return {
        name: embed(get_engine(weights(name), "cpu"), arrays, **BATCHES)
        for name in ("open", "random")
    }


@pytest.fixture
def batch(arrays):
    """Eight images on the device, which fixtures of the module cannot use: conftest.py hides it."""
    return draw_images(arrays, np.arange(8), DEVICE)


# Precisions


@pytest.mark.parametrize("name", ["open", "random"])
@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_float32_agrees_with_the_cpu(arrays, on_the_cpu, name, batch_size):
    engine = get_engine(weights(name), DEVICE)
    found = embed(engine, arrays, batch_size=batch_size, progress=False)
    np.testing.assert_allclose(found, on_the_cpu[name], atol=LARGEST_DEVIATION, rtol=0)


def settings():
    backends = torch.backends
    return (
        *(each.fp32_precision for each in (backends, backends.cudnn, backends.cudnn.conv)),
        *(each.fp32_precision for each in (backends.cuda.matmul, backends.mkldnn.matmul)),
        *(getattr(backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")),
        torch.are_deterministic_algorithms_enabled(),
    )


def state():
    return (
        *settings(),
        torch.cuda.current_stream(),
        torch.cuda.current_device(),
        torch.cuda.get_rng_state().numpy().tobytes(),
        torch.random.get_rng_state().numpy().tobytes(),
        torch.is_inference_mode_enabled(),
        threading.active_count(),
    )


def test_settings_of_torch_are_ignored_and_kept(arrays, on_the_cpu):
    torch.backends.fp32_precision = "tf32"
    torch.backends.cudnn.benchmark = True
    try:
        before = state()
        found = embed(get_engine(weights(), DEVICE), arrays, **BATCHES)
        assert state() == before
    finally:
        torch.backends.fp32_precision = "none"
        torch.backends.cudnn.benchmark = False
    np.testing.assert_allclose(found, on_the_cpu["open"], atol=LARGEST_DEVIATION, rtol=0)


@pytest.mark.parametrize(("precision", "largest"), [("tf32", 2e-2), ("bfloat16", 0.5)])
def test_lower_precisions_are_less_exact(arrays, on_the_cpu, precision, largest):
    found = embed(get_engine(weights(), DEVICE, precision), arrays, **BATCHES)
    assert LARGEST_DEVIATION < np.abs(found - on_the_cpu["open"]).max() < largest


# The same bits


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_graphs_have_the_same_bits_as_calls(batch, precision, batch_size):
    free_engines()
    engine = get_engine(weights(), DEVICE, precision)
    network = FastBackbone(load_backbone("open").to(DEVICE), PRECISIONS[precision]).eval()
    parts = batch.split(batch_size)
    with torch.inference_mode(), use_precision(precision, DEVICE):
        expected = torch.cat([network(part.permute(0, 3, 1, 2)) for part in parts])
    for _ in range(4):
        assert torch.equal(torch.cat([engine.run(part) for part in parts]), expected)


def test_repeated_calls_have_the_same_bits(arrays):
    first = embed(get_engine(weights(), DEVICE), arrays, **BATCHES)
    again = embed(get_engine(weights(), DEVICE), arrays, **BATCHES)
    free_engines()
    reloaded = embed(get_engine(weights(), f"{DEVICE}:0"), arrays, **BATCHES)
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(reloaded, first)


@pytest.mark.parametrize("batch_size", [8, 64])
def test_order_and_other_windows_change_the_last_bits_only(arrays, batch_size):
    engine = get_engine(weights(), DEVICE)
    settings = {"batch_size": batch_size, "progress": False}
    order = np.random.default_rng(1).permutation(N_WINDOWS)
    together = embed(engine, arrays, **settings)
    shuffled = embed(engine, arrays[order], **settings)
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5, rtol=0)
    alone = embed(engine, arrays[3:4], **settings)
    np.testing.assert_allclose(alone, together[3:4], atol=1e-5, rtol=0)


def test_images_drawn_ahead_have_the_same_bits(images):
    """The thread that draws, and its stream, change nothing."""
    stack = images[np.arange(200) % N_WINDOWS]
    engine = get_engine(weights(), DEVICE)
    drawn = [
        draw_images(stack, positions, DEVICE)
        for positions in np.split(np.arange(400), range(DRAWN_AT_ONCE, 400, DRAWN_AT_ONCE))
    ]
    expected = [engine.run(part).cpu().numpy() for part in torch.cat(drawn).split(8)]
    found = embed(engine, stack, **BATCHES)
    np.testing.assert_array_equal(found.reshape(400, -1), np.concatenate(expected))


def test_two_threads_with_different_precisions(arrays):
    engines = [get_engine(weights(), DEVICE, precision) for precision in ("float32", "tf32")]
    expected = [embed(engine, arrays, **BATCHES) for engine in engines]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda engine: embed(engine, arrays, **BATCHES), engines * 2))
    for rows, same in zip(found, expected * 2, strict=True):
        np.testing.assert_array_equal(rows, same)


def test_arrays_embed_like_lazy_images(images, arrays):
    engine = get_engine(weights(), DEVICE)
    found = embed(engine, arrays, **BATCHES)
    np.testing.assert_array_equal(embed(engine, arrays / np.float32(255), **BATCHES), found)
    # A few pixels of spectrograms may differ by a level.
    np.testing.assert_allclose(found, embed(engine, images, **BATCHES), atol=1e-2)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_draws_what_the_cpu_draws(name):
    windows = np.cumsum(np.random.default_rng(0).normal(size=(4, 2, 640)), axis=2)
    images = BiosignalImageTransformer([name], sampling_rate=64).fit_transform(windows)
    positions = np.arange(np.prod(images.shape[:2]))
    found = images.draw(positions, DEVICE).cpu().int()
    difference = (found - images.draw(positions).int()).abs()
    assert difference.max() <= 3  # one entry of the colour table
    assert (difference > 0).float().mean() < 1e-3


# Memory


@pytest.fixture
def little_memory(monkeypatch):
    """Allow this process one and a half gibibytes."""
    monkeypatch.setattr(embedding, "_SMALLER_BATCHES", {})
    free_engines()
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 1.5 * 2**30 / total))
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    free_engines()


@pytest.mark.filterwarnings("ignore:A CUDA graph of")
def test_batches_are_halved_without_memory(arrays, on_the_cpu, little_memory):
    stack = arrays[np.arange(150) % N_WINDOWS]
    with pytest.warns(UserWarning, match="ran out of memory with 256 images at once"):
        found = embed(get_engine(weights(), DEVICE), stack, batch_size=256, progress=False)
    expected = on_the_cpu["open"][np.arange(150) % N_WINDOWS]
    np.testing.assert_allclose(found, expected, atol=LARGEST_DEVIATION, rtol=0)


def test_without_memory_for_a_graph(batch):
    """The batch runs as usual, and the device stays usable."""
    network = FastBackbone(load_backbone("open").to(DEVICE), torch.float32).eval()

    def run(images):
        if torch.cuda.is_current_stream_capturing():
            network(images.permute(0, 3, 1, 2))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network(images.permute(0, 3, 1, 2))

    graphed = GraphedNetwork(run, batch.device)
    expected, stream = graphed(batch), torch.cuda.current_stream()
    with pytest.warns(UserWarning, match="graph of 8 images cannot be recorded") as caught:
        found = graphed(batch)
    assert len(caught) == 1
    assert torch.equal(found, expected)
    assert torch.equal(graphed(batch), expected)
    assert torch.cuda.current_stream() == stream
    torch.cuda.synchronize()


def test_freed_engines_release_their_memory(images):
    free_engines()
    gc.collect()
    before = torch.cuda.memory_allocated()
    embed(get_engine(weights(), DEVICE), images, **BATCHES)
    free_engines()
    gc.collect()
    assert torch.cuda.memory_allocated() < before + 2**26  # workspaces of libraries are kept


# Estimators and processes


def test_the_embedder_uses_the_gpu(images):
    embedder = TinyBioMoEEmbedder(cache=None).fit(images)
    assert embedder._engine().device == f"{DEVICE}:0"
    expected = TinyBioMoEEmbedder(cache=None, device="cpu").fit_transform(images)
    np.testing.assert_allclose(embedder.transform(images), expected, atol=1e-2)
    opened = pickle.loads(pickle.dumps(embedder)).set_params(device="cpu")
    np.testing.assert_array_equal(opened.transform(images), expected)


@pytest.mark.slow
def test_compiled_network(arrays, on_the_cpu):
    engine = get_engine(weights(), DEVICE, "float32", "compile")
    for _ in range(2):
        found = embed(engine, arrays, **BATCHES)
        np.testing.assert_allclose(found, on_the_cpu["open"], atol=LARGEST_DEVIATION, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fine_tuning(images, precision):
    y = np.arange(N_WINDOWS) % 2
    model = TinyBioMoEClassifier("all", device=DEVICE, precision=precision, max_epochs=2)
    before = settings()
    model.fit(images, y)
    assert settings() == before
    opened = pickle.loads(pickle.dumps(model)).set_params(device="cpu")
    np.testing.assert_allclose(opened.predict_proba(images), model.predict_proba(images), atol=1e-3)


def test_doctor(capsys):
    pytest.importorskip("click")
    from sklearn_biomoe.cli.program import run

    assert run(["doctor", "--device", DEVICE]) == 0
    assert f"{DEVICE} in float32: " in capsys.readouterr().out


def _embed_in_child(connection, images):
    try:
        TinyBioMoEEmbedder(cache=None).fit_transform(images)
    except RuntimeError as error:
        connection.send(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_is_told_what_to_do(images):
    embed(get_engine(weights(), DEVICE), images[:4], **BATCHES)
    context = multiprocessing.get_context("fork")
    parent, child_end = context.Pipe()
    child = context.Process(target=_embed_in_child, args=(child_end, images[:4]))
    child.start()
    assert parent.poll(60), "the child process hangs"
    assert "Pass device='cpu', or start processes by 'spawn'" in parent.recv()
    child.join(10)
