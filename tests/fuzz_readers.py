"""Fuzz the readers of files, guided by coverage (atheris: `pip install '.[fuzz]'`).

`python tests/fuzz_readers.py weights 120` runs for 120 s; "rows" fuzzes cache files, "recordings"
files of all formats of recordings (`recordings 120 FOLDER` starts from the files of a folder). A
reader must return tensors, rows or a recording, or raise a ValueError that names the file; atheris
prints and saves inputs for which it does not. Findings are listed in docs/reliability.md.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

INSTRUMENTED = ["sklearn_biomoe", "torch.serialization", "torch._weights_only_unpickler", "zipfile"]
with atheris.instrument_imports(include=[*INSTRUMENTED, "safetensors"]):
    import safetensors.torch
    import torch

    from sklearn_biomoe.inference.cache import FileCache
    from sklearn_biomoe.recordings import RecordingError, read_recording
    from sklearn_biomoe.weights.state_dict import fit_to_backbone, parse_state_dict

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4, dtype=torch.int64)}
ROWS = {bytes([i]) * 32: torch.full((4,), float(i)).numpy() for i in range(8)}


def weights(content: bytes) -> None:
    """Read in each format, and compare with the entries of a network."""
    for suffix in (".pth", ".safetensors"):
        path = Path(f"weights{suffix}")
        try:
            fit_to_backbone(parse_state_dict(content, path), STATE, path)
        except ValueError as error:
            assert str(error).startswith("Weights file weights"), error  # noqa: PT017


def rows(content: bytes) -> None:
    """Open, read and write; rows that are read equal those written."""
    path = FOLDER / "rows.sqlite"
    path.write_bytes(content)
    try:
        cache = FileCache(path)
        found = cache.get(ROWS)
        cache.put(ROWS)
    except ValueError as error:
        assert str(path) in str(error), error  # noqa: PT017
        return
    assert all((row == ROWS[key]).all() for key, row in found.items())


def recordings(content: bytes) -> None:
    """Read in each format that is one file; channels have samples and a sampling rate."""
    for suffix in (".csv", ".edf", ".bdf", ".acq", ".parquet", ".txt", ".zip", ".hea"):
        path = FOLDER / f"S1{suffix}"
        path.write_bytes(content)
        try:
            recording = read_recording(path)
        except RecordingError as error:
            assert str(path) in str(error), error  # noqa: PT017
        except FileNotFoundError as error:  # that a WFDB header names
            assert suffix == ".hea", error  # noqa: PT017
        else:
            assert all(each.sampling_rate > 0 for each in recording.channels.values())
        path.unlink()


def seeds(folder: Path) -> None:
    """Write valid files to start from."""
    torch.save({"model_state_dict": STATE}, folder / "zip.pth")
    torch.save(STATE, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    (folder / "valid.safetensors").write_bytes(safetensors.torch.save(STATE))
    FileCache(folder / "rows.sqlite").put(ROWS)
    (folder / "S1.csv").write_text("time,eda\n0,0.5\n0.25,0.6\n0.5,0.7\n")
    (folder / "S1.hea").write_text("S1 1 4 3\nS1.dat 16 100/uS 12 0 0 0 0 EDA\n")


TARGETS = {"weights": weights, "rows": rows, "recordings": recordings}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    target, seconds = TARGETS[sys.argv[1]], sys.argv[2]
    FOLDER = Path(tempfile.mkdtemp())
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    seeds(corpus)
    for path in Path(sys.argv[3]).rglob("*") if len(sys.argv) > 3 else []:
        if path.is_file() and path.stat().st_size < 20_000:
            (corpus / "_".join(path.parts[-2:])).write_bytes(path.read_bytes())
    options = [f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=20", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()
