"""Parquet to embeddings, in this process and by workers of which some are killed."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_biomoe import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    make_biosignal_embedder,
    make_multimodal_embedder,
)
from sklearn_biomoe.weights import random_backbone

pa = pytest.importorskip("pyarrow")
distributed = pytest.importorskip("distributed")

import dask  # noqa: E402
import joblib  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow.dataset as ds  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from sklearn_biomoe.distributed import PartError, embed_parquet  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("small_backbone"),
    pytest.mark.filterwarnings("ignore:weights='random'"),
]

N_TIMES = 40
TESTS = Path(__file__).parent
CLUSTER = {
    "distributed.scheduler.allowed-failures": 1,
    # Otherwise a worker that is killed twice within 15 s is given up (docs/how_to_cluster.md).
    "distributed.deploy.lost-worker-timeout": "10 minutes",
    # Copies of data are dropped at once unless this is stopped (docs/how_to_cluster.md).
    "distributed.scheduler.active-memory-manager.interval": "10ms",
}


@pytest.fixture(scope="module", autouse=True)
def steps():
    """The module that workers and this process share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TESTS))
        import worker_steps

        yield worker_steps


@pytest.fixture(scope="module")
def loads(tmp_path_factory):
    return tmp_path_factory.mktemp("loads") / "loads.txt"


@pytest.fixture(scope="module")
def client(steps, loads):
    with pytest.MonkeyPatch.context() as patch, dask.config.set(CLUSTER):
        patch.setenv(steps.LOADS, str(loads))
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                preload=["worker_steps"],
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def windows_of(n_rows, seed):
    return np.random.default_rng(seed).normal(5, 1, size=(n_rows, N_TIMES)).astype(np.float32)


def write(path, windows, **parquet):
    """Write windows as cells, with ids that occur once in all files."""
    column = pa.array(list(windows), pa.list_(pa.float32()))
    ids = [f"{path.stem}/{row}" for row in range(len(windows))]
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": pa.array(ids, pa.string()), "eda": column}), path, **parquet)
    return path


@pytest.fixture
def source(tmp_path):
    """Four files of different lengths, one without rows and one of many row groups."""
    for number, n_rows in enumerate([30, 0, 5, 64]):
        path = tmp_path / "windows" / f"S{number}.parquet"
        write(path, windows_of(n_rows, number), row_group_size=16)
    return tmp_path / "windows"


def make_embedder(*steps, weights="random", cache=None):
    images = BiosignalImageTransformer(["waveform"], modality="eda", value_range="window")
    return make_pipeline(images, TinyBioMoEEmbedder(weights, cache=cache), *steps)


def fitted(*steps):
    return make_embedder(*steps).fit(pd.Series(list(windows_of(3, 0))))


def run(source, destination, transformer, **options):
    options = {"signal_columns": "eda", "id_columns": ["id"], "batch_rows": 8} | options
    return embed_parquet(source, destination, transformer, **options)


def contents(folder):
    """Bytes of all files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(folder):
    table = ds.dataset(folder, format="parquet").to_table().sort_by("id")
    return table["id"].to_pylist(), np.stack(table["embedding"].to_numpy())


def expected(source, transformer):
    """Embed all files at once with the transformer itself."""
    frame = pd.concat(pd.read_parquet(path) for path in sorted(source.iterdir()))
    frame = frame.sort_values("id")
    return frame["id"].tolist(), transformer.transform(pd.Series(list(frame["eda"])))


def assert_embeds(source, destination, transformer):
    ids, embeddings = read(destination)
    all_ids, right = expected(source, transformer)
    assert ids == all_ids
    np.testing.assert_array_equal(embeddings, right)


# In this process


def test_rows_are_those_of_the_source(source, tmp_path):
    transformer = fitted()
    done = run(source, tmp_path / "out", transformer)
    assert (done.n_parts, done.n_rows, done.n_skipped, done.quarantined) == (4, 99, 0, ())
    assert_embeds(source, tmp_path / "out", transformer)
    assert sorted(len(pq.read_table(p)) for p in (tmp_path / "out").iterdir()) == [0, 5, 30, 64]


def test_pandas_and_polars_read_it(source, tmp_path):
    run(source, tmp_path / "out", fitted())
    _, embeddings = read(tmp_path / "out")
    frame = pd.read_parquet(tmp_path / "out").sort_values("id")
    np.testing.assert_array_equal(np.stack(frame["embedding"]), embeddings)
    frame = pl.read_parquet(tmp_path / "out" / "*.parquet").sort("id")
    assert frame["embedding"].dtype == pl.Array(pl.Float32, 192)
    np.testing.assert_array_equal(frame["embedding"].to_numpy(), embeddings)


def test_row_groups_of_a_large_file_are_tasks(source, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_biomoe.distributed.parquet.ROWS_OF_PART", 32)
    transformer = fitted()
    assert run(source, tmp_path / "out", transformer).n_parts == 5
    assert_embeds(source, tmp_path / "out", transformer)


def test_the_footer_holds_source_and_configuration(source, tmp_path):
    transformer = fitted()
    run(source, tmp_path / "out", transformer)
    (path,) = (tmp_path / "out").glob("S2-*.parquet")
    footer = json.loads(pq.read_metadata(path).metadata[b"sklearn_biomoe"])
    recorded, path = footer["part"]["source"], source / "S2.parquet"
    assert (recorded["url"], recorded["size"]) == (path.as_uri(), path.stat().st_size)
    configuration = footer["configuration"]
    assert configuration["weights"] == [transformer[-1].weights_sha256_]
    assert configuration["features"][:2] == ["eda_waveform_000", "eda_waveform_001"]
    assert "value_range='window'" in configuration["transformer"]
    assert configuration["versions"]["numpy"] == np.__version__


CELLS = pa.list_(pa.float32())
FORMS = {
    "lists": lambda cells: pa.array(cells, CELLS),
    "large lists": lambda cells: pa.array(cells, pa.large_list(pa.float64())),
    "fixed lists": lambda cells: pa.array(cells, pa.list_(pa.float32(), N_TIMES)),
    "whole numbers": lambda cells: pa.array(
        [None if cell is None else cell.astype(int) for cell in cells], pa.list_(pa.int16())
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_null_cells_do_not_shift_rows(form, tmp_path):
    """Files, batches and row groups begin and end in the middle of nulls."""
    cells = [np.round(cell) for cell in windows_of(30, 0)]
    for row in (0, 7, 8, 9, 17, 29):
        cells[row] = None
    table = pa.table({"id": np.arange(30), "eda": FORMS[form](cells)})
    pq.write_table(table[1:], tmp_path / "windows.parquet", row_group_size=7)
    transformer = fitted()
    run(tmp_path / "windows.parquet", tmp_path / "out", transformer, batch_rows=4)
    ids, embeddings = read(tmp_path / "out")
    assert ids == list(range(1, 30))
    present = np.array([cells[row] is not None for row in ids])
    right = transformer.transform([cell for cell in cells[1:] if cell is not None])
    np.testing.assert_array_equal(embeddings[present], right)
    assert np.isnan(embeddings[~present]).all()


def test_ragged_cells(tmp_path):
    cells = [window[: 20 + row] for row, window in enumerate(windows_of(12, 0))]
    write(tmp_path / "windows.parquet", cells)
    transformer = fitted()
    run(tmp_path / "windows.parquet", tmp_path / "out", transformer, batch_rows=5)
    frame = pd.read_parquet(tmp_path / "out")
    assert frame["id"].tolist() == [f"windows/{row}" for row in range(12)]
    np.testing.assert_array_equal(np.stack(frame["embedding"]), transformer.transform(cells))


def test_wide_columns(tmp_path):
    windows = windows_of(20, 0)
    wide = pd.DataFrame(windows, columns=[f"eda_{i}" for i in range(N_TIMES)])
    wide.iloc[3] = np.nan  # nulls in Parquet
    # The column that is the index in pandas must not be lost.
    wide.assign(id=range(20)).set_index("eda_0", drop=False).to_parquet(tmp_path / "wide.parquet")
    names = list(wide.columns)
    transformer = make_embedder().fit(wide)
    run(tmp_path / "wide.parquet", tmp_path / "out", transformer, signal_columns=names)
    right = transformer.transform(wide)
    np.testing.assert_array_equal(read(tmp_path / "out")[1], right)
    assert np.isnan(right[3]).all()


def test_several_modalities(tmp_path):
    windows = windows_of(10, 0)
    cells = pd.DataFrame({"eda": list(windows), "bvp": list(windows[:, ::-1])})
    cells.assign(id=range(10)).to_parquet(tmp_path / "windows.parquet")
    images = {"eda": ["waveform"], "bvp": ["waveform"]}
    transformer = make_multimodal_embedder({"eda": 4, "bvp": 64}, representations=images)
    transformer.fit(cells)
    names = ["eda", "bvp"]
    run(tmp_path / "windows.parquet", tmp_path / "out", transformer, signal_columns=names)
    np.testing.assert_array_equal(read(tmp_path / "out")[1], transformer.transform(cells))
    (path,) = (tmp_path / "out").iterdir()
    footer = json.loads(pq.read_metadata(path).metadata[b"sklearn_biomoe"])
    assert len(footer["configuration"]["weights"]) == 1  # found in the branches


def test_an_object_store(source, steps):
    from fsspec.implementations.memory import MemoryFileSystem

    done = run(source, "memory://bucket/out", steps.Moments().fit(None))
    again = run(source, "memory://bucket/out", steps.Moments().fit(None))
    assert (done.n_rows, again.n_parts, again.n_skipped) == (99, 0, 4)
    assert len(MemoryFileSystem().ls("/bucket/out")) == 4
    MemoryFileSystem.store.clear()


# Errors before any work


def wrong_type(source):
    pq.write_table(pa.table({"id": ["a"], "eda": ["text"]}), source / "S9.parquet")


def other_ids(source):
    pq.write_table(pa.table({"id": [1], "eda": pa.array([[1.0]])}), source / "S9.parquet")


@pytest.mark.parametrize(
    ("options", "spoil", "message"),
    [
        ({"signal_columns": "bvp"}, None, "S0.parquet has no column 'bvp'; its columns are"),
        ({"signal_columns": []}, None, "expected one or more signal columns"),
        ({"id_columns": ["id", "id"]}, None, "each name once"),
        ({"id_columns": ["embedding"]}, None, "no id column named 'embedding'"),
        ({"batch_rows": 0}, None, "batch_rows=0; expected an integer of 1 or more"),
        ({"on_error": "skip"}, None, "Unknown on_error 'skip'"),
        ({}, wrong_type, "S9.parquet: signal_columns='eda' are of type string"),
        ({}, other_ids, "S9.parquet and .*S0.parquet differ in their id columns: id int64"),
        ({}, lambda s: (s / "S9.parquet").write_text("no"), "S9.parquet cannot be read as Parquet"),
        ({}, lambda s: (s.parent / "out" / "notes.txt").write_text("no"), "holds 'notes.txt'"),
    ],
)
def test_wrong_input(source, tmp_path, steps, options, spoil, message):
    (tmp_path / "out").mkdir()
    if spoil:
        spoil(source)
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        run(source, tmp_path / "out", steps.Moments().fit(None), **options)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["nowhere", "windows/*.csv", "."])
def test_no_files(source, tmp_path, steps, name):
    with pytest.raises(ValueError, match=r"no such file, or no \.parquet file in the folder"):
        run(tmp_path / name, tmp_path / "out", steps.Moments().fit(None))


def test_a_file_named_twice_and_a_source_as_destination(source, steps):
    with pytest.raises(ValueError, match=r"S2\.parquet twice"):
        run([source, source / "S2.parquet"], source.parent / "out", steps.Moments().fit(None))
    with pytest.raises(ValueError, match=r"holds 'S0\.parquet'|holds the source"):
        run(source, source, steps.Moments().fit(None))


def test_transformers_that_cannot_be_sent(source, tmp_path):
    with pytest.raises(NotFittedError):
        run(source, tmp_path / "out", make_biosignal_embedder("eda", 4))
    unnamed = FunctionTransformer(lambda X: X).fit(None)
    with pytest.raises(ValueError, match="cannot be pickled"):
        run(source, tmp_path / "out", unnamed)


# Errors while files are embedded


def test_a_bad_window_is_named_by_file_and_row(source, tmp_path):
    windows = windows_of(20, 0)
    windows[13, 2] = np.inf
    write(source / "S9.parquet", windows)
    message = r"S9.parquet cannot be embedded from row 8 on \(window 0 .* Window 5 of"
    with pytest.raises(PartError, match=message):
        run(source, tmp_path / "out", fitted())
    assert len(list((tmp_path / "out").iterdir())) == 4  # complete before the error
    with pytest.warns(UserWarning, match="1 parts could not be embedded"):
        done = run(source, tmp_path / "out", fitted(), on_error="quarantine")
    assert (done.n_parts, done.n_skipped, len(done.quarantined)) == (0, 4, 1)
    (listed,) = json.loads((tmp_path / "out" / "_quarantine.json").read_text())
    assert listed["source"].endswith("S9.parquet")
    assert "Window 5" in listed["error"]
    write(source / "S9.parquet", windows_of(20, 0))
    assert run(source, tmp_path / "out", fitted()).n_rows == 20
    assert not (tmp_path / "out" / "_quarantine.json").exists()
    assert_embeds(source, tmp_path / "out", fitted())


class Shortened(StandardScaler):
    """Loses a row."""

    def transform(self, X):
        return super().transform(X)[1:]


def test_a_transformer_that_loses_rows_is_an_error(source, tmp_path):
    with pytest.raises(PartError, match=r"shape \(7, 192\) for 8 windows"):
        run(source, tmp_path / "out", fitted(Shortened()))
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("on_error", ["raise", "quarantine"])
def test_a_full_disk_is_an_error(source, small_disk, on_error):
    with pytest.raises(OSError, match="No space left on device"):
        run(source, small_disk / "out", fitted(), on_error=on_error)
    names = [path.name for path in (small_disk / "out").iterdir()]
    assert all(name.startswith("S") for name in names)  # no incomplete files and no quarantine
    assert len(read(small_disk / "out")[0]) < 99


# Calls that continue earlier ones


def test_only_what_is_missing_or_changed_is_done(source, tmp_path, steps):
    transformer, out = steps.Moments().fit(None), tmp_path / "out"
    run(source, out, transformer)
    before = contents(out)
    (damaged,) = out.glob("S0-*")
    damaged.write_bytes(damaged.read_bytes()[:-20])
    next(out.glob("S2-*")).unlink()
    (out / ".S2-ab.parquet.123.456").write_text("left by a killed process")
    done = run(source, out, transformer)
    assert (done.n_parts, done.n_skipped, contents(out)) == (2, 2, before)
    write(source / "S0.parquet", windows_of(31, 5))
    done = run(source, out, transformer)
    assert (done.n_rows, done.n_skipped) == (31, 3)
    assert len(read(out)[0]) == 100


def test_parts_of_a_file_that_got_smaller_are_removed(source, tmp_path, steps, monkeypatch):
    monkeypatch.setattr("sklearn_biomoe.distributed.parquet.ROWS_OF_PART", 16)
    transformer = steps.Moments().fit(None)
    run(source, tmp_path / "out", transformer)
    write(source / "S3.parquet", windows_of(8, 3), row_group_size=16)
    run(source, tmp_path / "out", transformer)
    assert len(read(tmp_path / "out")[0]) == 43


def test_another_configuration_is_refused(source, tmp_path, steps):
    run(source, tmp_path / "out", steps.Moments().fit(None))
    before = contents(tmp_path / "out")
    other = steps.Moments(seconds=0.001).fit(None)
    with pytest.raises(ValueError, match="another configuration: transformer, state differ"):
        run(source, tmp_path / "out", other)
    assert contents(tmp_path / "out") == before
    assert run(source, tmp_path / "out", other, overwrite=True).n_parts == 4
    assert run(source, tmp_path / "out", other).n_skipped == 4


def test_changed_weights_are_refused(source, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    pipeline = make_embedder(weights=path)
    save_file(random_backbone(1).state_dict(), path)
    first = pipeline.fit(list(windows_of(3, 0)))
    run(source, tmp_path / "out", first)
    before = contents(tmp_path / "out")
    save_file(random_backbone(2).state_dict(), path)
    with pytest.raises(ValueError, match=r"weights\.safetensors.*was expected"):
        run(source, tmp_path / "out", first)
    again = pipeline.fit(list(windows_of(3, 0)))
    with pytest.raises(ValueError, match=r"another configuration: weights, state differ"):
        run(source, tmp_path / "out", again)
    assert contents(tmp_path / "out") == before


PEAKS = """
import pathlib, re, sys, numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn_biomoe.distributed import embed_parquet
names = [f"x{i}" for i in range(200)]
scaler = StandardScaler().fit(np.random.default_rng(0).normal(size=(9, 200)))
for path in sys.argv[1:]:
    embed_parquet(path, path + ".out", scaler, signal_columns=names, id_columns=[], batch_rows=500)
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_does_not_grow_with_files(tmp_path):
    """The second file is ten times as large, 160 MB."""
    columns = {f"x{i}": np.random.default_rng(i).normal(size=100_000) for i in range(200)}
    table = pa.table(columns)
    pq.write_table(table[:10_000], tmp_path / "small", row_group_size=10_000)
    pq.write_table(table, tmp_path / "large", row_group_size=10_000)
    command = [sys.executable, "-W", "ignore", "-c", PEAKS, tmp_path / "small", tmp_path / "large"]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(ds.dataset(tmp_path / "large.out", format="parquet").to_table()) == 100_000
    small, large = map(float, child.stdout.split())
    assert large < small + 50


# On workers


def test_workers_embed_the_same_bytes(source, tmp_path, client, loads):
    transformer = fitted()
    run(source, tmp_path / "alone", transformer)
    done = run(source, tmp_path / "out", transformer, client=client)
    assert (done.n_parts, done.n_rows) == (4, 99)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    run(source, tmp_path / "again", transformer, client=client)
    processes = loads.read_text().split()
    assert 1 <= len(processes) == len(set(processes)) <= 2  # however many tasks
    assert str(os.getpid()) not in processes
    assert set(client.run(lambda: __import__("torch").get_num_threads()).values()) == {1}


def test_the_command_on_a_cluster(source, tmp_path, client, capsys):
    pytest.importorskip("click")
    from sklearn_biomoe.cli.program import run

    options = ["--channel", "eda", "--sampling-rate", "4", "--id", "id", "--weights", "random"]
    address = client.scheduler.address
    for name, cluster in (("alone", []), ("out", ["--scheduler", address])):
        assert run(["embed", str(source), *options, "-o", str(tmp_path / name), *cluster]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert "embedded 99 rows of 4 parts" in capsys.readouterr().out


def test_errors_on_workers_are_raised_or_listed(source, tmp_path, client):
    windows = windows_of(20, 0)
    windows[13, 2] = np.inf
    write(source / "S9.parquet", windows)
    with pytest.raises(PartError, match=r"S9\.parquet cannot be embedded from row 8 on"):
        run(source, tmp_path / "out", fitted(), client=client)
    with pytest.warns(UserWarning, match="1 parts could not be embedded"):
        run(source, tmp_path / "out", fitted(), client=client, on_error="quarantine")
    assert len(read(tmp_path / "out")[0]) == 99


@pytest.fixture
def kill_once(steps, client, tmp_path):
    """Return a step that kills one worker, armed by removing its marker."""

    def make(at_call=1):
        marker = tmp_path / "killed"
        marker.touch()
        client.run(lambda: __import__("worker_steps").KillOnce.calls.clear())
        return steps.KillOnce(str(marker), at_call), marker

    return make


def results_of(search):
    return {key: v for key, v in search.cv_results_.items() if "time" not in key}


@pytest.mark.slow
def test_a_search_of_which_a_worker_is_killed_is_the_serial_one(tmp_path, client, kill_once):
    """Rows of folds are beyond the 1 kB from which joblib scatters arguments to one worker."""
    X, y = windows_of(210, seed=1), np.tile([0, 1], 105)
    X[y == 1] += np.linspace(0, 1, N_TIMES)
    step, marker = kill_once()
    folds = list(StratifiedKFold(3).split(X, y))

    def search_of(cache):
        pipeline = make_embedder(step, LogisticRegression(max_iter=500), cache=cache)
        return GridSearchCV(pipeline, {"logisticregression__C": [0.01, 0.1, 1.0]}, cv=folds)

    serial = search_of(tmp_path / "alone.sqlite").fit(X, y)
    marker.unlink()
    shared = search_of(tmp_path / "shared.sqlite")
    client.wait_for_workers(2)
    client.amm.stop()
    with joblib.parallel_config("dask", scatter=[X, y, *itertools.chain(*folds)]):
        shared.fit(X, y)
    assert marker.exists()
    found, right = results_of(shared), results_of(serial)
    assert found.keys() == right.keys()
    for key in right:
        np.testing.assert_array_equal(found[key], right[key], err_msg=key)
    assert TinyBioMoEEmbedder("random", cache=tmp_path / "shared.sqlite").cache_info().rows == 210


def wait_until(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


DRIVER = """
import sys
import distributed, worker_steps
from sklearn_biomoe.distributed import embed_parquet
with distributed.Client(sys.argv[3]) as client:
    transformer = worker_steps.Moments(seconds=0.2).fit(None)
    embed_parquet(
        sys.argv[1], sys.argv[2], transformer, signal_columns="eda", id_columns=["id"],
        batch_rows=8, client=client,
    )
"""


@pytest.mark.slow
def test_a_call_after_a_killed_driver_embeds_the_rest(tmp_path, steps, client):
    source, out = tmp_path / "windows", tmp_path / "out"
    for number in range(12):
        write(source / f"S{number}.parquet", windows_of(16, number))
    command = [sys.executable, "-c", DRIVER, source, out, client.scheduler.address]
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as driver:
        wait_until(lambda: driver.poll() is not None or len(list(out.glob("S*.parquet"))) >= 3)
        assert driver.poll() is None
        driver.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(client.processing().values()))
    complete = {path.name: path.stat().st_mtime_ns for path in out.glob("S*.parquet")}
    assert 3 <= len(complete) < 12
    done = run(source, out, steps.Moments(seconds=0.2).fit(None), client=client)
    assert (done.n_skipped, done.n_parts) == (len(complete), 12 - len(complete))
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.name in complete} == complete
    assert len(set(read(out)[0])) == 12 * 16
    assert not list(out.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("at_call", [1, 2])  # after the model is loaded; half a file is written
def test_a_killed_worker_changes_nothing(source, tmp_path, client, kill_once, at_call):
    step, marker = kill_once(at_call)
    transformer = fitted(step)
    run(source, tmp_path / "alone", transformer)
    marker.unlink()
    run(source, tmp_path / "out", transformer, client=client)
    assert marker.exists()
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    ids, _ = read(tmp_path / "out")
    assert len(set(ids)) == len(ids) == 99


@pytest.mark.slow
def test_a_file_that_kills_each_worker_is_named(source, tmp_path, steps, client):
    write(source / "S9.parquet", np.full((5, N_TIMES), steps.DEADLY))
    transformer = steps.Moments().fit(None)
    with pytest.warns(UserWarning, match=r"S9\.parquet .*each worker that embedded it died"):
        done = run(source, tmp_path / "out", transformer, client=client, on_error="quarantine")
    assert (done.n_parts, done.n_rows) == (4, 99)
    (listed,) = json.loads((tmp_path / "out" / "_quarantine.json").read_text())
    assert listed["source"].endswith("S9.parquet")
    assert not list((tmp_path / "out").glob(".*"))
