"""Faults of signals, devices, processes and cache files, as listed in docs/reliability.md."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.inference import Engine, drawn_images, embed, embedding
from sklearn_biomoe.inference import cache as embedding_cache
from sklearn_biomoe.representations import REPRESENTATIONS

pytestmark = [
    pytest.mark.usefixtures("small_backbone"),
    pytest.mark.filterwarnings("ignore:weights='random'"),
]

# Integers, which every type below represents exactly.
SAMPLES = np.random.default_rng(0).integers(0, 100, size=(6, 60)).astype(np.float32)


def embedded(X, **parameters):
    to_images = BiosignalImageTransformer(["waveform", "gadf"], value_range="window", **parameters)
    return make_pipeline(to_images, TinyBioMoEEmbedder(cache=None)).fit_transform(X)


# Signals: each valid form has the bits of plain float32


def memory_mapped(tmp_path):
    np.save(tmp_path / "samples.npy", SAMPLES)
    return np.load(tmp_path / "samples.npy", mmap_mode="r")


def arrow_fixed(tmp_path):
    """A slice of a longer, read-only buffer."""
    pa = pytest.importorskip("pyarrow")
    values = pa.py_buffer(np.concatenate([SAMPLES[:2], SAMPLES, SAMPLES[:1]]).tobytes())
    flat = pa.Array.from_buffers(pa.float32(), 9 * 60, [None, values])
    return pa.FixedSizeListArray.from_arrays(flat, 60)[2:8]


FORMS = {
    "int16": lambda _: SAMPLES.astype(np.int16),
    "uint8": lambda _: SAMPLES.astype(np.uint8),
    "float16": lambda _: SAMPLES.astype(np.float16),
    "float64": lambda _: SAMPLES.astype(np.float64),
    "longdouble": lambda _: SAMPLES.astype(np.longdouble),
    "big-endian": lambda _: SAMPLES.astype(">f4"),
    "negative strides": lambda _: np.ascontiguousarray(SAMPLES[::-1, ::-1])[::-1, ::-1],
    "Fortran order": lambda _: np.asfortranarray(SAMPLES),
    "read-only memory map": memory_mapped,
    "read-only Arrow buffer": arrow_fixed,
    "nullable integers": lambda _: pd.DataFrame(SAMPLES.astype(int)).astype("Int64"),
    "cells of big-endian numbers": lambda _: list(SAMPLES.astype(">i2")),
    "cells of longdouble": lambda _: list(SAMPLES.astype(np.longdouble)),
    "cells of float16": lambda _: pd.Series(list(SAMPLES.astype(np.float16))),
    "cells of objects": lambda _: list(SAMPLES.astype(object)),
}


@pytest.mark.parametrize("form", FORMS)
def test_samples_of_any_type_have_the_same_bits(form, tmp_path):
    given = FORMS[form](tmp_path)
    np.testing.assert_array_equal(embedded(given), embedded(SAMPLES))


def test_bool_samples_are_0_and_1():
    np.testing.assert_array_equal(embedded(SAMPLES > 50), embedded((SAMPLES > 50) * 1.0))


def test_a_sliced_fixed_size_list_with_nulls():
    pa = pytest.importorskip("pyarrow")
    rows = [list(map(float, row)) for row in SAMPLES]
    column = pa.array([rows[5], None, rows[0], None, rows[2], rows[3]], pa.list_(pa.float32(), 60))
    expected = embedded(SAMPLES)
    found = embedded(column[1:5])
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [True, False, True, False])
    np.testing.assert_array_equal(found[1::2], expected[[0, 2]])


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("scale", [2.0**100, 2.0**-100])  # 1e30, without rounding
def test_huge_and_tiny_amplitudes(name, scale):
    """Over its own range, a window has the same image in any unit."""
    to_images = BiosignalImageTransformer([name], sampling_rate=4.0, value_range="window")
    expected = np.asarray(to_images.fit_transform(SAMPLES.astype(np.float64)))
    found = np.asarray(to_images.fit_transform(SAMPLES.astype(np.float64) * scale))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("n_times", [60, 1])
def test_constant_windows_and_single_samples_are_drawn(name, n_times):
    to_images = BiosignalImageTransformer([name], sampling_rate=4.0, value_range="window")
    X = np.full((3, n_times), 7.5)
    embeddings = make_pipeline(to_images, TinyBioMoEEmbedder()).fit_transform(X)
    assert np.isfinite(embeddings).all()
    np.testing.assert_array_equal(embeddings[1:], embeddings[:-1])


# Devices and processes


def images(n=20):
    windows = np.cumsum(np.random.default_rng(1).normal(size=(n, 60)), axis=1)
    return BiosignalImageTransformer().fit_transform(windows)


def failing_engine(fails, error):
    """Raise an error if ``fails(number of the batch, its size)``, else embed by the mean."""
    calls = []

    def run(batch):
        calls.append(len(batch))
        if fails(len(calls), len(batch)):
            raise error
        return batch.mean(dim=(1, 2))[:, :1].repeat(1, 192)

    return Engine(run, "cpu", f"fault {id(calls)}"), calls


SETTINGS = {"batch_size": 8, "progress": False}
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def forget_sizes(monkeypatch):
    monkeypatch.setattr(embedding, "_SMALLER_BATCHES", {})


@pytest.mark.usefixtures("forget_sizes")
def test_out_of_memory_in_a_later_batch():
    engine, calls = failing_engine(lambda n, size: n >= 2 and size > 2, OUT_OF_MEMORY)
    healthy, _ = failing_engine(lambda n, size: False, OUT_OF_MEMORY)
    with pytest.warns(UserWarning, match="with 8 images at once; going on with 2") as caught:
        found = embed(engine, images(), **SETTINGS)
    assert len(caught) == 1
    np.testing.assert_array_equal(found, embed(healthy, images(), **SETTINGS))
    assert calls == [8, 8, 4, *[2] * 6]
    embed(engine, images(), **SETTINGS)  # the size is remembered, without another warning
    assert set(calls[9:]) == {2}


@pytest.mark.usefixtures("forget_sizes")
def test_out_of_memory_with_a_single_image():
    engine, calls = failing_engine(lambda n, size: True, OUT_OF_MEMORY)
    with pytest.raises(RuntimeError, match=r"too little free memory .* pass device='cpu'"):
        embed(engine, images(), **SETTINGS)
    assert calls == [8, 4, 2, 1]


@pytest.mark.usefixtures("forget_sizes")
def test_out_of_memory_while_drawing(monkeypatch):
    engine, calls = failing_engine(lambda n, size: False, OUT_OF_MEMORY)
    expected = embed(engine, images(), **SETTINGS)
    original, n_drawn, most = drawn_images.draw_images, [], 3

    def draw(stack, positions, device):
        if len(positions) > most:
            raise OUT_OF_MEMORY
        n_drawn.append(len(positions))
        return original(stack, positions, device)

    monkeypatch.setattr(drawn_images, "draw_images", draw)
    np.testing.assert_array_equal(embed(engine, images(), **SETTINGS), expected)
    assert n_drawn == [2] * 10
    assert calls == [8, 8, 8] * 2  # the network's batches are not smaller
    most = 0
    with pytest.raises(RuntimeError, match=r"too little free memory .* pass device='cpu'"):
        embed(engine, images(), **SETTINGS)


def test_other_device_errors_are_raised_immediately():
    engine, calls = failing_engine(lambda n, size: n == 2, RuntimeError("illegal memory access"))
    rows = embedding_cache.ProcessCache(10**6)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        embed(engine, images(), cache=rows, **SETTINGS)
    assert calls == [8, 8]
    assert rows.info().rows == 8  # of the first batch


def test_non_finite_embeddings_are_an_error():
    engine = Engine(lambda batch: batch.new_full((len(batch), 192), np.inf), "cpu", "infinite")
    with pytest.raises(RuntimeError, match=r"NaN or infinity .*weights verify"):
        embed(engine, images(2), **SETTINGS)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_keeps_finished_rows(tmp_path, monkeypatch):
    original, calls = embedding._run, []

    def interrupted(engine, drawn, size):
        calls.append(len(drawn))
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return original(engine, drawn, size)

    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images(40))
    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite", batch_size=8)
    monkeypatch.setattr(embedding, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embedder.fit_transform(images(40))
    np.testing.assert_array_equal(embedder.transform(images(40)), expected)
    assert calls == [8, 8, 8, 8, 8, 8]  # two, the interrupted one, and it and two others again


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_killed_worker_is_an_error_and_the_next_run_succeeds(tmp_path):
    class KillsItsWorker(ClassifierMixin, BaseEstimator):
        """Kills its worker process, once; a local class, since workers cannot import tests."""

        def __init__(self, trace):
            self.trace = trace

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            if not Path(self.trace).exists():
                Path(self.trace).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    embedder = TinyBioMoEEmbedder(device="cpu", cache=tmp_path / "rows", batch_size=2)
    embed = make_biosignal_embedder("eda", 4, representations=["waveform"], embedder=embedder)
    model = make_pipeline(embed, KillsItsWorker(tmp_path / "killed"))
    X, y = np.random.default_rng(0).uniform(1, 9, size=(4, 60)), [0, 1, 0, 1]
    arguments = {"cv": KFold(2), "n_jobs": 2, "error_score": "raise"}
    with pytest.raises(TerminatedWorkerError):
        cross_val_score(model, X, y, **arguments)
    assert cross_val_score(model, X, y, **arguments).shape == (2,)


def _embed_in_child(connection):
    found = TinyBioMoEEmbedder(cache=None).fit_transform(images(12))
    connection.send(found.tobytes())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_fork_after_a_forward_pass():
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images(12))
    context = multiprocessing.get_context("fork")
    parent, child_end = context.Pipe()
    child = context.Process(target=_embed_in_child, args=(child_end,))
    child.start()
    assert parent.poll(60), "the child process hangs"
    assert parent.recv() == expected.tobytes()
    child.join(10)
    assert child.exitcode == 0


def test_two_threads_at_first_use():
    def fit_transform(cache):
        return TinyBioMoEEmbedder(cache=cache).fit_transform(images())

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fit_transform, ["memory", "memory"])
    np.testing.assert_array_equal(first, fit_transform(None))
    np.testing.assert_array_equal(second, first)


# Cache files


@pytest.fixture
def cached(tmp_path):
    """An embedder whose cache file holds all embeddings of images(), and these."""
    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite")
    return embedder, embedder.fit_transform(images())


def test_cache_file_truncated(cached):
    embedder, expected = cached
    content = embedder.cache.read_bytes()
    for length in (0, 100, 4096, len(content) // 2, len(content) - 1):
        embedder.cache.write_bytes(content[:length])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*rows\.sqlite")
            found = embedder.transform(images())
        np.testing.assert_array_equal(found, expected)


def test_cache_file_with_names_that_are_not_text(cached):
    embedder, _ = cached
    content = embedder.cache.read_bytes()
    embedder.cache.write_bytes(content.replace(b"rowsrows", b"ro\xdcsrows"))
    embedding_cache._open.cache_clear()
    with pytest.raises(ValueError, match=r"rows\.sqlite' is not a usable SQLite file"):
        embedder.transform(images())


def test_cache_file_of_another_version(cached):
    embedder, _ = cached
    with sqlite3.connect(embedder.cache) as connection:
        connection.execute(f"PRAGMA user_version = {embedding_cache.FORMAT_VERSION + 1}")
    connection.close()
    embedding_cache._open.cache_clear()
    before = embedder.cache.read_bytes()
    with pytest.raises(ValueError, match="is a cache of another version; delete it, or pass"):
        embedder.transform(images())
    assert embedder.cache.read_bytes() == before


@pytest.mark.parametrize("at_first_use", [False, True])
def test_cache_file_locked_by_another_process(cached, monkeypatch, at_first_use):
    embedder, expected = cached
    monkeypatch.setattr(embedding_cache, "LONGEST_WAIT", 0.05)
    if at_first_use:
        embedding_cache._open.cache_clear()
    other = sqlite3.connect(embedder.cache, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UserWarning, match=r"cannot be read or written \(database is locked\)"):
        found = embedder.transform(images())
    np.testing.assert_array_equal(found, expected)
    other.execute("ROLLBACK")
    other.close()
    np.testing.assert_array_equal(embedder.transform(images()), expected)


def test_cache_file_on_a_full_disk(tmp_path, monkeypatch):
    original = embedding_cache.FileCache._prepare

    def small(self, connection):
        original(self, connection)
        connection.execute("PRAGMA max_page_count = 5")

    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite")
    monkeypatch.setattr(embedding_cache.FileCache, "_prepare", small)
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images())
    with pytest.warns(UserWarning, match="database or disk is full"):
        found = embedder.fit_transform(images())
    np.testing.assert_array_equal(found, expected)
    monkeypatch.undo()
    assert embedder.cache_info().rows == 0  # all or none


# State of the process


def test_global_state_is_unchanged():
    def state():
        return (
            np.random.get_state()[1].tobytes(),  # noqa: NPY002
            torch.random.get_rng_state().numpy().tobytes(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            list(warnings.filters),
            signal.getsignal(signal.SIGINT),
            dict(os.environ),
            np.geterr(),
            sys.getrecursionlimit(),
        )

    X, y = np.random.default_rng(0).uniform(1, 9, size=(8, 60)), np.tile([0, 1], 4)
    before = state()
    model = make_pipeline(make_biosignal_embedder("eda", 4), LogisticRegression()).fit(X, y)
    model.predict(X)
    assert state() == before


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_default_dtype_changes_nothing(dtype):
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images())
    torch.set_default_dtype(dtype)
    try:
        found = TinyBioMoEEmbedder(cache=None).fit_transform(images())
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found, expected)
