"""Embeddings remembered: each image once, nothing that is not sound, shared by processes."""

import pickle
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import Pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.inference import Engine, embed
from sklearn_biomoe.inference.cache import FileCache, ProcessCache, open_cache
from sklearn_biomoe.inference.embedding import image_keys

pytestmark = [
    pytest.mark.usefixtures("small_backbone"),
    pytest.mark.filterwarnings("ignore:weights='random'"),
]


def windows(n_windows=20, n_times=60, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_windows, n_times)), axis=1)


def drawn(X, *args, **parameters):
    return BiosignalImageTransformer(*args, **parameters).fit_transform(X)


@pytest.fixture
def embedded(monkeypatch):
    """Count the images that backbones see, blanks aside."""
    from sklearn_biomoe.inference import embedding

    seen = []
    original = embedding._run
    monkeypatch.setattr(
        embedding,
        "_run",
        lambda engine, images, positions, size: (
            seen.append(len(positions)) or original(engine, images, positions, size)
        ),
    )
    return seen


@pytest.fixture(params=["memory", "file"])
def cache(request, tmp_path):
    return "memory" if request.param == "memory" else tmp_path / "rows.sqlite"


def test_a_rate_has_one_key_however_it_is_written():
    keys = [image_keys(drawn(windows(2), sampling_rate=rate), "") for rate in (4, 4.0, 5)]
    assert keys[0] == keys[1] != keys[2]


def test_a_grid_search_embeds_each_window_once(embedded, cache):
    X, groups = windows(200), np.repeat(np.arange(10), 20)
    y = np.tile([0, 1], 100)
    model = Pipeline(
        [
            ("image", BiosignalImageTransformer()),
            ("embed", TinyBioMoEEmbedder(cache=cache)),
            ("classify", LogisticRegression(max_iter=2000)),
        ]
    )
    grid = {"classify__C": [0.01, 0.03, 0.1, 0.3, 1, 3]}
    search = GridSearchCV(model, grid, cv=LeaveOneGroupOut()).fit(X, y, groups=groups)
    assert sum(embedded) == 200
    search.predict(X)
    clone(model).fit(X, 1 - y)
    pickle.loads(pickle.dumps(model)).fit(X, y)
    assert sum(embedded) == 200
    info = search.best_estimator_["embed"].cache_info()
    assert info.rows == info.misses == 200
    assert info.hits > 200 * 6 * 9
    assert info.bytes == 200 * 192 * 4


def test_what_is_remembered_is_what_was_embedded(cache):
    images = drawn(windows(), ["waveform", "gasf"])
    remembering = TinyBioMoEEmbedder(cache=cache)
    first = remembering.fit_transform(images)
    np.testing.assert_array_equal(first, TinyBioMoEEmbedder(cache=None).fit_transform(images))
    np.testing.assert_array_equal(remembering.transform(images[::-1]), first[::-1])
    # A representation alone finds the rows that it left beside another one.
    assert remembering.cache_info().misses == 40
    gasf = TinyBioMoEEmbedder(cache=cache).fit_transform(drawn(windows(), ["gasf"]))
    np.testing.assert_array_equal(gasf, first[:, 192:])
    assert remembering.cache_info().misses == 40


def test_equal_windows_are_embedded_once(embedded):
    X = np.repeat(windows(3), 5, axis=0)
    rows = TinyBioMoEEmbedder(cache=None).fit_transform(drawn(X))
    assert sum(embedded) == 3
    np.testing.assert_array_equal(rows[::5], rows[4::5])
    images = np.asarray(drawn(X))
    TinyBioMoEEmbedder(cache=None).fit_transform(images)
    assert sum(embedded) == 6


def test_without_a_memory_each_call_embeds_anew(embedded):
    images, embedder = drawn(windows(4)), TinyBioMoEEmbedder(cache=None)
    embedder.fit_transform(images)
    embedder.transform(images)
    assert sum(embedded) == 8
    assert embedder.cache_info() is None


@pytest.mark.parametrize(
    "other",
    [
        {"value_range": (-100, 100)},
        {"representations": ["gasf"]},
        {"representations": ["recurrence"]},
        {"image_size": 112},
        {"sampling_rate": 4.0},
        {"frequency_range": (0.1, 1)},
        {"colormap": "inferno"},
        {"tile_length": 5, "sampling_rate": 4},
    ],
)
def test_another_drawing_is_another_image(other):
    parameters = {"representations": ["waveform"]}
    keys = image_keys(drawn(windows(2), **parameters), "engine")
    assert not set(keys) & set(image_keys(drawn(windows(2), **parameters | other), "engine"))


def test_another_sample_weight_or_engine_is_another_row():
    images = drawn(windows(2))
    keys = image_keys(images, "engine")
    changed = windows(2)
    changed[1, 7] += 1e-9
    assert image_keys(drawn(changed), "engine")[0] == keys[0]
    assert image_keys(drawn(changed), "engine")[1] != keys[1]
    assert not set(image_keys(images, "other")) & set(keys)
    assert image_keys(drawn(windows(2).astype(np.float32).astype(float)), "engine") == (
        image_keys(drawn(windows(2).astype(np.float32)), "engine")
    )
    assert image_keys(np.asarray(images), "engine") != keys


def test_interrupted_calls_keep_the_rows_done(cache):
    images, memory = drawn(windows(20)), open_cache(cache)
    calls = []

    def run(batch):
        calls.append(len(batch))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return batch.new_zeros(len(batch), 192)

    engine = Engine(run, "cpu", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        embed(engine, images, batch_size=4, progress=False, cache=memory)
    assert memory.info().rows == 8
    embed(engine, images, batch_size=4, progress=False, cache=memory)
    assert len(calls) == 3 + 3


def test_rows_not_asked_for_make_room():
    memory = ProcessCache(max_bytes=3 * 8)
    rows = {bytes([i]): np.float32([i, i]) for i in range(3)}
    memory.put(rows)
    memory.get([b"\x00"])
    memory.put({b"new": np.float32([9, 9])})
    assert set(memory.get([b"\x00", b"\x01", b"\x02", b"new"])) == {b"\x00", b"\x02", b"new"}
    assert memory.info().bytes == 24
    memory.clear()
    assert memory.info() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rows SET row = zeroblob(768)",
        "UPDATE rows SET row = substr(row, 1, 100)",
        "UPDATE rows SET row = 'text'",
        "UPDATE rows SET row = NULL",
        "UPDATE rows SET hash = x'00'",
    ],
)
def test_damaged_rows_are_embedded_anew(tmp_path, damage, embedded):
    path = tmp_path / "rows.sqlite"
    images, embedder = drawn(windows(5)), TinyBioMoEEmbedder(cache=path)
    expected = embedder.fit_transform(images)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.warns(UserWarning, match="5 rows of .*rows.sqlite are damaged; they are computed"):
        np.testing.assert_array_equal(embedder.transform(images), expected)
    assert sum(embedded) == 10
    np.testing.assert_array_equal(embedder.transform(images), expected)


def test_rows_whose_keys_are_text_are_damaged(tmp_path, monkeypatch):
    """SQLite hands out text where the pages of a damaged file say so (found by fuzzing)."""
    memory = FileCache(tmp_path / "rows.sqlite")
    monkeypatch.setattr(memory, "_select", lambda keys: iter([("text", bytes(8), bytes(32))]))
    with pytest.warns(UserWarning, match="1 rows of .*rows.sqlite are damaged"):
        assert memory.get([b"key"]) == {}


def test_files_that_are_no_memory_are_left_alone(tmp_path):
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("not a database, but long enough to look like one to nobody " * 20)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE rows (a)")
    connection.close()
    images = drawn(windows(2))
    for path, message in [
        (text, "is not a usable SQLite file"),
        (foreign, "not a sklearn_biomoe cache"),
        (tmp_path / "nowhere" / "rows.sqlite", "does not exist; create it"),
    ]:
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(ValueError, match=message):
            TinyBioMoEEmbedder(cache=path).fit_transform(images)
        assert (path.read_bytes() if path.exists() else None) == before


def test_a_file_that_was_deleted_is_made_anew(tmp_path, embedded):
    path = tmp_path / "rows.sqlite"
    images, embedder = drawn(windows(3)), TinyBioMoEEmbedder(cache=path)
    expected = embedder.fit_transform(images)
    path.unlink()
    np.testing.assert_array_equal(embedder.transform(images), expected)
    assert sum(embedded) == 6
    assert embedder.cache_info().rows == 3


WRITE = """
import sys, numpy as np
from pathlib import Path
from sklearn_biomoe.inference.cache import FileCache
memory, start = FileCache(Path(sys.argv[1])), int(sys.argv[2])
for i in range(start, start + 50):
    memory.put({b"key %d" % i: np.full(192, i, dtype=np.float32)})
"""


def test_several_processes_share_a_file(tmp_path):
    path = tmp_path / "rows.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(path), str(start)])
        for start in (0, 25, 50)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    keys = [b"key %d" % i for i in range(100)]
    rows = FileCache(path).get(keys)
    assert [rows[key][0] for key in keys] == list(range(100))


def test_more_rows_than_sqlite_takes_at_once(tmp_path):
    memory = FileCache(tmp_path / "rows.sqlite")
    rows = {b"%d" % i: np.float32([i]) for i in range(3000)}
    memory.put(rows)
    found = memory.get([*rows, b"unknown"])
    assert found.keys() == rows.keys()
    assert memory.info() == (3000, 1, 3000, 12000)
    memory.clear()
    assert memory.info() == (0, 0, 0, 0)
