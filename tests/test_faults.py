"""Faults of signals, of the machine and of its processes: docs/reliability.md lists them."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.inference import Engine, cache, embed
from sklearn_biomoe.representations import REPRESENTATIONS

pytestmark = [
    pytest.mark.usefixtures("small_backbone"),
    pytest.mark.filterwarnings("ignore:weights='random'"),
]

# Whole numbers, which every type below holds exactly.
SAMPLES = np.random.default_rng(0).integers(0, 100, size=(6, 60)).astype(np.float32)


def embedded(X, **parameters):
    drawer = BiosignalImageTransformer(["waveform", "gadf"], value_range="window", **parameters)
    return make_pipeline(drawer, TinyBioMoEEmbedder(cache=None)).fit_transform(X)


# Signals: what is right comes out as from plain float32, bit by bit


def memory_mapped(tmp_path):
    np.save(tmp_path / "samples.npy", SAMPLES)
    return np.load(tmp_path / "samples.npy", mmap_mode="r")


def arrow_fixed(tmp_path):
    """A slice, in the middle of others, of a buffer that nobody may write to."""
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
    "Arrow buffer that cannot be written": arrow_fixed,
    "nullable integers": lambda _: pd.DataFrame(SAMPLES.astype(int)).astype("Int64"),
    "cells of big-endian numbers": lambda _: list(SAMPLES.astype(">i2")),
    "cells of longdouble": lambda _: list(SAMPLES.astype(np.longdouble)),
    "cells of float16": lambda _: pd.Series(list(SAMPLES.astype(np.float16))),
    "cells of objects": lambda _: list(SAMPLES.astype(object)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_samples_are_the_same_bits(form, tmp_path):
    given = FORMS[form](tmp_path)
    np.testing.assert_array_equal(embedded(given), embedded(SAMPLES))


def test_bool_samples_are_0_and_1():
    np.testing.assert_array_equal(embedded(SAMPLES > 50), embedded((SAMPLES > 50) * 1.0))


def test_a_sliced_fixed_size_list_with_nulls(tmp_path):
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
    """Drawn over its own range, a window looks the same in any unit."""
    drawer = BiosignalImageTransformer([name], sampling_rate=4.0, value_range="window")
    expected = np.asarray(drawer.fit_transform(SAMPLES.astype(np.float64)))
    found = np.asarray(drawer.fit_transform(SAMPLES.astype(np.float64) * scale))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("n_times", [60, 1])
def test_constant_windows_and_single_samples_are_drawn(name, n_times):
    drawer = BiosignalImageTransformer([name], sampling_rate=4.0, value_range="window")
    X = np.full((3, n_times), 7.5)
    embeddings = make_pipeline(drawer, TinyBioMoEEmbedder()).fit_transform(X)
    assert np.isfinite(embeddings).all()
    np.testing.assert_array_equal(embeddings[1:], embeddings[:-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None, pd.NA])
def test_single_bad_samples_are_refused_by_row(bad):
    cells = [row.astype(object) for row in SAMPLES]
    cells[4][10] = bad
    with pytest.raises(ValueError, match="Window 4 of modality"):
        embedded(cells)


@pytest.mark.parametrize("nothing", [np.nan, None, pd.NA])
def test_missing_windows_come_out_as_nan(nothing):
    cells = pd.Series(list(SAMPLES))
    cells[4] = nothing
    found = embedded(cells)
    assert np.isnan(found[4]).all()
    np.testing.assert_array_equal(np.delete(found, 4, axis=0), embedded(np.delete(SAMPLES, 4, 0)))


@pytest.mark.parametrize(
    "X", [np.empty((0, 60)), [], pd.Series([], dtype=object), np.empty((6, 0))], ids=repr
)
def test_zero_rows_and_no_samples_are_refused(X):
    with pytest.raises(ValueError, match=r"0 sample|0 feature"):
        embedded(X)


def test_mixed_lengths_are_drawn_each_alone():
    cells = [SAMPLES[0], SAMPLES[1, :40], SAMPLES[2, :1]]
    found = embedded(cells)
    for row, cell in enumerate(cells):
        np.testing.assert_array_equal(found[row], embedded(cell[None])[0])


# The machine: memory, files, signals


def images(n=20):
    windows = np.cumsum(np.random.default_rng(1).normal(size=(n, 60)), axis=1)
    return BiosignalImageTransformer().fit_transform(windows)


def failing_engine(fails, error):
    """Fail in the batches whose number and size ``fails`` picks, and give zeros otherwise."""
    calls = []

    def run(batch):
        calls.append(len(batch))
        if fails(len(calls), len(batch)):
            raise error
        return batch.mean(dim=(1, 2))[:, :1].repeat(1, 192)

    return Engine(run, "cpu", f"fault {id(calls)}"), calls


@pytest.fixture
def forget_sizes(monkeypatch):
    from sklearn_biomoe.inference import embedding

    monkeypatch.setattr(embedding, "_SMALLER_BATCHES", {})


SETTINGS = {"batch_size": 8, "progress": False}


@pytest.mark.usefixtures("forget_sizes")
def test_out_of_memory_in_a_later_batch():
    lack = torch.OutOfMemoryError("CUDA out of memory")
    engine, calls = failing_engine(lambda n, size: n >= 2 and size > 2, lack)
    sound, _ = failing_engine(lambda n, size: False, lack)
    with pytest.warns(UserWarning, match="ran out of memory with 8 images at once; going on"):
        found = embed(engine, images(), **SETTINGS)
    np.testing.assert_array_equal(found, embed(sound, images(), **SETTINGS))
    assert calls == [8, 8, 4, *[2] * 6]
    embed(engine, images(), **SETTINGS)
    assert set(calls[9:]) == {2}


@pytest.mark.usefixtures("forget_sizes")
def test_out_of_memory_with_a_single_image():
    lack = torch.OutOfMemoryError("CUDA out of memory")
    engine, calls = failing_engine(lambda n, size: True, lack)
    with pytest.raises(RuntimeError, match=r"too little free memory .* pass device='cpu'"):
        embed(engine, images(), **SETTINGS)
    assert calls == [8, 4, 2, 1]


def test_other_errors_are_passed_on_at_once():
    engine, calls = failing_engine(lambda n, size: n == 2, RuntimeError("illegal memory access"))
    rows = cache.ProcessCache(10**6)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        embed(engine, images(), cache=rows, **SETTINGS)
    assert calls == [8, 8]
    assert rows.info().rows == 8  # what was done is kept


def test_embeddings_that_are_not_finite_are_refused():
    engine = Engine(lambda batch: batch.new_full((len(batch), 192), np.inf), "cpu", "infinite")
    with pytest.raises(RuntimeError, match=r"NaN or infinity .*weights verify"):
        embed(engine, images(2), **SETTINGS)


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_an_interrupt_keeps_the_rows_done(tmp_path, monkeypatch, request):
    from sklearn_biomoe.inference import embedding

    original, calls = embedding._run, []

    def interrupted(engine, stack, positions, size):
        calls.append(len(positions))
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return original(engine, stack, positions, size)

    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images(40))
    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite", batch_size=8)
    monkeypatch.setattr(embedding, "_run", interrupted)
    # What runs in a shell's background was told to ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        embedder.fit_transform(images(40))
    np.testing.assert_array_equal(embedder.transform(images(40)), expected)
    assert calls == [8, 8, 8, 8, 8, 8]  # two were done, the third was not


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning")
def test_a_killed_worker_is_told_and_the_next_run_succeeds(tmp_path):
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    class Killed(ClassifierMixin, BaseEstimator):
        """Kills its worker, once."""

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

    embed = make_biosignal_embedder("eda", 4, embedder=TinyBioMoEEmbedder(cache=tmp_path / "rows"))
    model = make_pipeline(embed, Killed(str(tmp_path / "killed")))
    y = np.tile([0, 1], 20)
    X = np.random.default_rng(0).uniform(1, 9, size=(40, 60))
    arguments = {"cv": KFold(4), "n_jobs": 2, "error_score": "raise"}
    with pytest.raises(TerminatedWorkerError):
        cross_val_score(model, X, y, **arguments)
    assert cross_val_score(model, X, y, **arguments).shape == (4,)


def _embed_in_child(connection):
    found = TinyBioMoEEmbedder(cache=None).fit_transform(images(12))
    connection.send(found.tobytes())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_fork_after_a_forward_pass():
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images(12))
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_embed_in_child, args=(theirs,))
    child.start()
    assert ours.poll(60), "the child hangs"
    assert ours.recv() == expected.tobytes()
    child.join(10)
    assert child.exitcode == 0


def test_two_threads_at_first_use():
    found = []

    def work():
        found.append(TinyBioMoEEmbedder(cache="memory").fit_transform(images()))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images())
    assert len(found) == 2
    for each in found:
        np.testing.assert_array_equal(each, expected)


# Rows in a file


@pytest.fixture
def remembered(tmp_path):
    """Give an embedder whose file holds all rows, and what it embeds."""
    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite")
    return embedder, embedder.fit_transform(images())


def test_rows_file_truncated(remembered):
    embedder, expected = remembered
    content = embedder.cache.read_bytes()
    for length in (0, 100, 4096, len(content) // 2, len(content) - 1):
        embedder.cache.write_bytes(content[:length])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*rows\.sqlite")
            found = embedder.transform(images())
        np.testing.assert_array_equal(found, expected)


def test_rows_file_whose_names_are_no_text(remembered):
    embedder, _ = remembered
    content = embedder.cache.read_bytes()
    embedder.cache.write_bytes(content.replace(b"rowsrows", b"ro\xdcsrows"))
    cache._open.cache_clear()
    with pytest.raises(ValueError, match=r"rows\.sqlite' is not a usable SQLite file"):
        embedder.transform(images())


def test_rows_file_of_another_version(remembered):
    embedder, _ = remembered
    with sqlite3.connect(embedder.cache) as connection:
        connection.execute(f"PRAGMA user_version = {cache.FORMAT_VERSION + 1}")
    connection.close()
    cache._open.cache_clear()
    before = embedder.cache.read_bytes()
    with pytest.raises(ValueError, match="is a cache of another version; delete it, or pass"):
        embedder.transform(images())
    assert embedder.cache.read_bytes() == before


def test_rows_file_poisoned(remembered):
    """Rows of others under our keys, with hashes of their own."""
    embedder, expected = remembered
    with sqlite3.connect(embedder.cache) as connection:
        ((row, digest),) = connection.execute("SELECT row, hash FROM rows LIMIT 1").fetchall()
        connection.execute("UPDATE rows SET row = ?, hash = ?", (row, digest))
    connection.close()
    with pytest.warns(UserWarning, match="19 rows of .* are damaged; they are computed again"):
        found = embedder.transform(images())
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("at_first_use", [False, True])
def test_rows_file_locked_by_another_process(remembered, monkeypatch, at_first_use):
    embedder, expected = remembered
    monkeypatch.setattr(cache, "LONGEST_WAIT", 0.05)
    if at_first_use:
        cache._open.cache_clear()
    other = sqlite3.connect(embedder.cache, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UserWarning, match=r"cannot be read or written \(database is locked\)"):
        found = embedder.transform(images())
    np.testing.assert_array_equal(found, expected)
    other.execute("ROLLBACK")
    other.close()
    np.testing.assert_array_equal(embedder.transform(images()), expected)


def test_rows_file_on_a_full_disk(tmp_path, monkeypatch):
    original = cache.FileCache._prepare

    def small(self, connection):
        original(self, connection)
        connection.execute("PRAGMA max_page_count = 5")

    embedder = TinyBioMoEEmbedder(cache=tmp_path / "rows.sqlite")
    monkeypatch.setattr(cache.FileCache, "_prepare", small)
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(images())
    with pytest.warns(UserWarning, match="database or disk is full"):
        found = embedder.fit_transform(images())
    np.testing.assert_array_equal(found, expected)
    monkeypatch.undo()
    assert embedder.cache_info().rows == 0  # all or none


# What belongs to others


def test_global_state_is_left_as_it_was():
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
