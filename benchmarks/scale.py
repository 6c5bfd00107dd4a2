"""Throughput of embed_parquet in a loop and with workers, and its memory for many windows.

*real*: the real backbone, untrained, embeds a few files in a loop and with one and two worker
processes of one thread. *files*: a small network embeds the same number of rows in few and in many
files, to measure the overhead per file. *windows*: a small network embeds an increasing number of
windows, with one process per number, to measure memory (Linux only) and CPU time per window. The
first two parts need a machine without other processes. Each part can be run alone; its results are
added to the result file.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import environment
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from memory import SmallBackbone

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, weights
from sklearn_biomoe.distributed import embed_parquet
from sklearn_biomoe.weights import random_weights

N_TIMES = 240
REAL = (8, 8)  # files, and windows in each
FILES = ((4, 500), (100, 20))
N_WINDOWS = (10_000, 100_000, 1_000_000)
WORKERS = (1, 2)


def write_windows(folder: Path, n_files: int, n_rows: int) -> Path:
    """Write files of random windows in small chunks."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(n_files):
        with pq.ParquetWriter(folder / f"S{number:04d}.parquet", SCHEMA) as writer:
            for first in range(0, n_rows, 10_000):
                rows = np.arange(first, min(first + 10_000, n_rows))
                samples = random.standard_normal(len(rows) * N_TIMES, dtype=np.float32)
                cells = pa.FixedSizeListArray.from_arrays(pa.array(samples), N_TIMES)
                writer.write_table(pa.table([pa.array(rows), cells], schema=SCHEMA))
    return folder


SCHEMA = pa.schema([("row", pa.int64()), ("signal", pa.list_(pa.float32(), N_TIMES))])


def make_transformer():
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(
        BiosignalImageTransformer(["waveform"]), TinyBioMoEEmbedder("random", cache=None)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # untrained weights
        return pipeline.fit(np.random.default_rng(0).normal(size=(2, N_TIMES)))


def timed(source: Path, transformer, client=None) -> dict[str, float]:
    """Embed all files, and return seconds and rows per second."""
    options = {"signal_columns": "signal", "id_columns": ["row"], "client": client}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run = embed_parquet(source, f"{folder}/out", transformer, **options)
        seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 2), "rows_per_second": round(run.n_rows / seconds, 1)}


def use_small_backbone() -> None:
    random_weights.TinyBioMoE = SmallBackbone


def compare_workers(folder: Path, transformer, source: Path, small: bool) -> dict[str, dict]:
    from distributed import Client, LocalCluster

    transformer.transform(np.zeros((1, N_TIMES)))  # loads the model
    results = {"plain loop": timed(source, transformer)}
    for n_workers in WORKERS:
        with (
            LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            if small:
                client.run(use_small_backbone)
            warm_up(client, transformer, source, folder / f"warm_{source.name}_{n_workers}")
            results[f"{n_workers} workers"] = timed(source, transformer, client)
    return results


def warm_up(client, transformer, source: Path, folder: Path) -> None:
    """Embed enough files that every worker loads its model."""
    files = sorted(source.iterdir())[: 2 * len(client.nthreads())]
    options = {"signal_columns": "signal", "id_columns": ["row"], "client": client}
    embed_parquet(files, folder, transformer, **options)


def measure_windows(n_windows: int) -> dict[str, float]:
    use_small_backbone()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        source = write_windows(Path(folder, "windows"), 1, n_windows)
        transformer = make_transformer()
        before = peak_megabytes()
        started, cpu_started = time.perf_counter(), time.process_time()
        columns = {"signal_columns": "signal", "id_columns": ["row"]}
        embed_parquet(source, f"{folder}/out", transformer, **columns)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {
        "seconds": round(seconds, 2),
        "processor_milliseconds_per_window": round(1000 * cpu_seconds / n_windows, 3),
        "growth_megabytes": round(peak_megabytes() - before, 1),
    }


def peak_megabytes() -> float:
    """Return the peak resident size; that of getrusage includes the parent process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def measure_real(folder: Path) -> dict[str, dict]:
    source = write_windows(folder / "real", *REAL)
    found = compare_workers(folder, make_transformer(), source, small=False)
    return {"real backbone, 8 files of 8 windows": found}


def measure_files(folder: Path) -> dict[str, dict]:
    use_small_backbone()
    random_weights.random_sha256.cache_clear()
    results = {}
    for n_files, n_rows in FILES:
        source = write_windows(folder / f"small_{n_files}", n_files, n_rows)
        key = f"small network, {n_files} files of {n_rows} windows"
        results[key] = compare_workers(folder, make_transformer(), source, small=True)
    return results


def measure_all_windows(_: Path) -> dict[str, dict]:
    results = {}
    for n_windows in N_WINDOWS:
        command = [sys.executable, __file__, "--windows", str(n_windows)]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results[f"{n_windows} windows"] = json.loads(child.stdout)
        print(n_windows, child.stdout, end="", flush=True)
    return {"small network, one file": results}


PARTS = {"real": measure_real, "files": measure_files, "windows": measure_all_windows}
RESULTS = Path(__file__).parent / "results" / "scale.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--windows", type=int, help="only embed this many windows, in this process")
    given = parser.parse_args()
    if given.windows:
        print(json.dumps(measure_windows(given.windows)))
        return
    torch.set_num_threads(1)
    sha256 = weights.weights_sha256("random", 0)
    for part in given.parts:
        with tempfile.TemporaryDirectory() as folder:
            found = PARTS[part](Path(folder))
        description = environment.describe(threads=1, weights_sha256=sha256)
        stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results = stored.get("results", {}) | {
            key: {"measured": description, **values} for key, values in found.items()
        }
        RESULTS.write_text(json.dumps({"results": results}, indent=2) + "\n")
        print(json.dumps(found, indent=1), flush=True)


if __name__ == "__main__":
    main()
