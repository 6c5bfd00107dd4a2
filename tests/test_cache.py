"""The cache of embeddings: each image once, damaged rows again, shared by processes."""

import multiprocessing
import os
import pickle
import sqlite3

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import Pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.inference.cache import FileCache, ProcessCache
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
    """Numbers of images in the batches that are embedded, without blanks."""
    from sklearn_biomoe.inference import embedding

    seen = []
    original = embedding._run
    monkeypatch.setattr(
        embedding,
        "_run",
        lambda engine, drawn, size: seen.append(len(drawn)) or original(engine, drawn, size),
    )
    return seen


@pytest.fixture(params=["memory", "file"])
def cache(request, tmp_path):
    return "memory" if request.param == "memory" else tmp_path / "rows.sqlite"


def test_keys_do_not_depend_on_the_type_of_the_sampling_rate():
    keys = [image_keys(drawn(windows(2), sampling_rate=rate), "") for rate in (4, 4.0, 5)]
    assert keys[0] == keys[1] != keys[2]


def test_a_grid_search_embeds_each_window_once(embedded, cache):
    X, groups, y = windows(40), np.repeat(np.arange(4), 10), np.tile([0, 1], 20)
    model = Pipeline(
        [
            ("image", BiosignalImageTransformer()),
            ("embed", TinyBioMoEEmbedder(cache=cache)),
            ("classify", LogisticRegression(max_iter=2000)),
        ]
    )
    grid = {"classify__C": [0.1, 1, 3]}
    search = GridSearchCV(model, grid, cv=LeaveOneGroupOut()).fit(X, y, groups=groups)
    assert sum(embedded) == 40
    search.predict(X)
    clone(model).fit(X, 1 - y)
    pickle.loads(pickle.dumps(model)).fit(X, y)
    assert sum(embedded) == 40
    info = search.best_estimator_["embed"].cache_info()
    assert info.rows == info.misses == 40
    assert info.hits > 40 * 3 * 3
    assert info.bytes == 40 * 192 * 4


def test_cached_embeddings_equal_computed_ones(cache):
    images = drawn(windows(), ["waveform", "gasf"])
    embedder = TinyBioMoEEmbedder(cache=cache)
    first = embedder.fit_transform(images)
    np.testing.assert_array_equal(first, TinyBioMoEEmbedder(cache=None).fit_transform(images))
    np.testing.assert_array_equal(embedder.transform(images[::-1]), first[::-1])
    # Each image has a row: a representation is found whatever it was embedded with.
    gasf = TinyBioMoEEmbedder(cache=cache).fit_transform(drawn(windows(), ["gasf"]))
    np.testing.assert_array_equal(gasf, first[:, 192:])
    assert embedder.cache_info().misses == 40


def test_equal_windows_are_embedded_once(embedded, cache):
    X = np.repeat(windows(3), 5, axis=0)
    rows = TinyBioMoEEmbedder(cache=cache).fit_transform(drawn(X))
    assert sum(embedded) == 3
    np.testing.assert_array_equal(rows[::5], rows[4::5])
    images = np.asarray(drawn(X))
    TinyBioMoEEmbedder(cache=cache).fit_transform(images)
    assert sum(embedded) == 6
    np.testing.assert_array_equal(TinyBioMoEEmbedder(cache=None).fit_transform(drawn(X)), rows)
    assert sum(embedded) == 6 + 15  # images are compared only with a cache


def test_images_are_looked_up_in_parts(embedded, cache, monkeypatch):
    """Equal images in different parts, missing windows, and rows that are cached or put later."""
    from sklearn_biomoe.inference import embedding

    X = [*windows(7), None, *windows(5), None, *windows(9)]
    expected = TinyBioMoEEmbedder(cache=None).fit_transform(drawn(X, ["waveform", "gasf"]))
    embedded.clear()
    monkeypatch.setattr(embedding, "ROWS_AT_ONCE", 6)
    embedder = TinyBioMoEEmbedder(cache=cache, batch_size=4)
    TinyBioMoEEmbedder(cache=cache).fit_transform(drawn(windows(9)[7:], ["gasf"]))
    found = embedder.fit_transform(drawn(X, ["waveform", "gasf"]))
    np.testing.assert_array_equal(found, expected)
    assert embedded == [2, 4, 4, 4, 4]  # 9 waveforms, and 7 of 9 Gramian fields
    assert embedder.cache_info().rows == 18
    embedder.transform(drawn(X, ["waveform", "gasf"]))
    assert sum(embedded) == 18


def test_images_are_not_hashed_without_a_cache(monkeypatch):
    from sklearn_biomoe.inference import embedding

    monkeypatch.delattr(embedding, "image_keys")
    assert TinyBioMoEEmbedder(cache=None).fit_transform(drawn(windows(2))).shape == (2, 192)


def test_without_a_cache_each_call_embeds_again(embedded):
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
def test_each_image_parameter_changes_the_key(other):
    parameters = {"representations": ["waveform"]}
    keys = image_keys(drawn(windows(2), **parameters), "engine")
    assert not set(keys) & set(image_keys(drawn(windows(2), **parameters | other), "engine"))


def test_samples_and_engine_change_the_key():
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


def test_least_recently_used_rows_are_removed():
    cache = ProcessCache(max_bytes=3 * 8)
    cache.put({bytes([i]): np.float32([i, i]) for i in range(3)})
    cache.get([b"\x00"])
    cache.put({b"new": np.float32([9, 9])})
    assert set(cache.get([b"\x00", b"\x01", b"\x02", b"new"])) == {b"\x00", b"\x02", b"new"}
    assert cache.info().bytes == 24
    cache.clear()
    assert cache.info() == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("damage", "n_damaged"),
    [
        ("row = zeroblob(768)", 5),
        ("row = substr(row, 1, 100)", 5),
        ("row = 'text'", 5),
        ("row = NULL", 5),
        ("hash = x'00'", 5),
        ("(row, hash) = (SELECT row, hash FROM rows LIMIT 1)", 4),  # valid, but of another key
    ],
)
def test_damaged_rows_are_embedded_again(tmp_path, damage, n_damaged, embedded):
    path = tmp_path / "rows.sqlite"
    images, embedder = drawn(windows(5)), TinyBioMoEEmbedder(cache=path)
    expected = embedder.fit_transform(images)
    execute(path, f"UPDATE rows SET {damage}")
    with pytest.warns(UserWarning, match=rf"{n_damaged} rows of .*rows\.sqlite are damaged; they"):
        np.testing.assert_array_equal(embedder.transform(images), expected)
    assert sum(embedded) == 5 + n_damaged
    np.testing.assert_array_equal(embedder.transform(images), expected)


def execute(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_rows_with_text_keys_are_damaged(tmp_path, monkeypatch):
    """SQLite returns text if the pages of a damaged file are changed accordingly."""
    cache = FileCache(tmp_path / "rows.sqlite")
    monkeypatch.setattr(cache, "_select", lambda keys: iter([("text", bytes(8), bytes(32))]))
    with pytest.warns(UserWarning, match="1 rows of .*rows.sqlite are damaged"):
        assert cache.get([b"key"]) == {}


def test_other_files_are_not_changed(tmp_path):
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("not a database, but longer than the header of one " * 20)
    execute(foreign, "CREATE TABLE rows (a)")
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


def test_a_deleted_file_is_created_again(tmp_path, embedded):
    path = tmp_path / "rows.sqlite"
    images, embedder = drawn(windows(3)), TinyBioMoEEmbedder(cache=path)
    expected = embedder.fit_transform(images)
    path.unlink()
    np.testing.assert_array_equal(embedder.transform(images), expected)
    assert sum(embedded) == 6
    assert embedder.cache_info().rows == 3


def write_rows(path, start):
    cache = FileCache(path)
    for i in range(start, start + 50):
        cache.put({b"key %d" % i: np.full(192, i, dtype=np.float32)})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_several_processes_share_a_file(tmp_path):
    path, context = tmp_path / "rows.sqlite", multiprocessing.get_context("fork")
    writers = [context.Process(target=write_rows, args=(path, start)) for start in (0, 25, 50)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    keys = [b"key %d" % i for i in range(100)]
    rows = FileCache(path).get(keys)
    assert [rows[key][0] for key in keys] == list(range(100))


def test_more_rows_than_sqlite_selects_at_once(tmp_path):
    cache = FileCache(tmp_path / "rows.sqlite")
    rows = {b"%d" % i: np.float32([i]) for i in range(3000)}
    cache.put(rows)
    found = cache.get([*rows, b"unknown"])
    assert found.keys() == rows.keys()
    assert cache.info() == (3000, 1, 3000, 12000)
    cache.clear()
    assert cache.info() == (0, 0, 0, 0)


def test_a_file_that_another_process_creates_meanwhile(tmp_path):
    """The other process finishes between two statements of this one, in any order of them."""
    prepare, connect = FileCache._prepare, sqlite3.connect
    for n_before in range(3):
        path = tmp_path / f"{n_before}.sqlite"

        class Slow(sqlite3.Connection):
            n_statements = 0

            def execute(self, *statement, _path=path, _n=n_before):
                if self.n_statements == _n:
                    other = connect(_path)
                    prepare(None, other)
                    other.close()
                self.n_statements += 1
                return super().execute(*statement)

        cache = FileCache.__new__(FileCache)
        cache.path = path
        connection = connect(path, factory=Slow)
        cache._prepare(connection)
        assert connection.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        connection.close()
