"""The command, in this process where it needs no other."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.datasets import make_biosignal_windows

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from sklearn_biomoe.cli.options import Signal
from sklearn_biomoe.cli.program import name_options, run
from sklearn_biomoe.cli.sources import SourceOptions, read_source

EDA = ["--channel", "eda", "--modality", "eda", "--sampling-rate", "4"]
FOUR_IMAGES = [f"--representation={name}" for name in ("waveform", "gasf", "gadf", "mtf")]
STUDY = ["--subject", "who", "--label", "label", "--signal", "eda", "eda", "4"]


def command(*arguments):
    return [sys.executable, "-m", "sklearn_biomoe.cli", *map(str, arguments)]


def simulate(n_times, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.05, n_times)
    return 5 + np.cumsum(noise) / 10 + np.sin(np.arange(n_times) / 20)


def write_csv(path, n_times=4 * 130, seed=0):
    pd.DataFrame({"eda": simulate(n_times, seed), "text": "x"}).to_csv(path, index=False)
    return path


def write_table(path, n_subjects=3, n_windows=4):
    """Write windows as cells, with subjects and labels for a study."""
    n = n_subjects * n_windows
    table = pd.DataFrame(
        {
            "who": np.repeat([f"S{i}" for i in range(n_subjects)], n_windows),
            "label": np.tile(["rest", "stress"], n // 2),
            "start": np.tile(np.arange(n_windows) * 60.0, n_subjects),
            "eda": [simulate(240, seed) + seed % 2 for seed in range(n)],
        }
    )
    table.to_parquet(path)
    return path


def assert_fails(code, result, *parts):
    found, output, errors = result
    assert (found, output) == (code, "")
    assert len(errors.splitlines()) == 1
    assert errors.startswith("error: ")
    for part in parts:
        assert part in errors


# Processes


@pytest.mark.slow
def test_the_program():
    def execute(*arguments):
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    code, output, errors = execute("doctor")
    assert (code, errors) == (0, "")
    assert f"numpy {np.__version__}" in output
    assert "self-test: passed" in output
    assert_fails(2, execute("drow"), "No such command 'drow'")


def test_doctor_compares_a_device_with_the_cpu(execute, monkeypatch):
    code, output, errors = execute("doctor", "--device", "cpu")
    assert (code, errors) == (0, "")
    assert "device cpu; CUDA devices: none" in output
    line = r"^cpu in float32: [\d.]+ images/s; largest deviation from the CPU in float32 0.0e\+00$"
    assert re.search(line, output, re.M)
    assert "cpu in tf32: not supported" in output
    for device, message in [("cuda:9", "finds 0 CUDA devices"), ("gpu", "Unknown device 'gpu'")]:
        assert_fails(1, execute("doctor", "--device", device), message)
    original = TinyBioMoEEmbedder.transform
    calls = []

    def inexact(embedder, X):
        calls.append(embedder.precision)
        return original(embedder, X) + 1e-3 * (len(calls) > 1)

    monkeypatch.setattr(TinyBioMoEEmbedder, "transform", inexact)
    code, output, errors = execute("doctor")
    assert code == 1
    assert "error: self-test failed: embeddings in float32 deviate by 1.0e-03 from those" in errors


def test_help_does_not_import_torch():
    script = "import sys; from sklearn_biomoe.cli.program import run; run(['--help'])"
    script += "; sys.exit('torch' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert "doctor" in output


@pytest.mark.slow
@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_leaves_no_incomplete_files(tmp_path):
    source = write_csv(tmp_path / "S1.csv", 4 * 60 * 200)
    arguments = ["embed", source, *EDA, "--duration", "60", "-o", tmp_path / "out"]
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as program:
        while not list(tmp_path.glob("out/.*.parquet.*")):
            assert program.poll() is None
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        errors = program.communicate()[1]
    assert program.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_that_pandas_turns_into_an_error(tmp_path, monkeypatch, execute):

    def read_slowly(*args, **kwargs):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise pd.errors.ParserError("Calling read(nbytes) on source failed.") from None

    source = write_csv(tmp_path / "S1.csv")
    monkeypatch.setattr(pd, "read_csv", read_slowly)
    arguments = ["embed", source, *EDA, "--duration", "60", "-o", tmp_path / "out"]
    assert execute(*arguments) == (130, "", "interrupted\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_embed_on_worker_processes(tmp_path):
    pytest.importorskip("distributed")
    source = str(write_csv(tmp_path / "S1.csv"))
    for folder, workers in (("alone", []), ("out", ["--workers", "1"])):
        arguments = ["embed", source, *EDA, "--duration", "60", "-o", str(tmp_path / folder)]
        assert run([*arguments, *workers]) == 0
    (path,) = (tmp_path / "alone").iterdir()
    assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


# Errors and notes


def test_a_traceback_only_for_debugging(tmp_path, execute):
    arguments = ["draw", tmp_path / "no.csv", *EDA, "-o", "no.png"]
    assert "Traceback" in execute("--debug", *arguments)[2]
    assert_fails(1, execute(*arguments), "no.csv")
    missing = execute("embed", tmp_path / "S1.csv", *EDA, "--duration", "60", "-o", tmp_path)
    assert_fails(1, missing, "There is no file or folder", "S1.csv")
    assert_fails(2, execute("doctor", "--fast"), "No such option", "--fast")


def test_without_click(monkeypatch):
    from sklearn_biomoe.cli import main

    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit, match=r"pip install 'sklearn-biomoe\[cli\]'"):
        main()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("sampling_rate=-4; expected Hz", "--sampling-rate -4; expected Hz"),
        ("give it by resample_to=.", "give it by --resample-to."),
        ("signal_columns='eda' are of type", "--channel 'eda' are of type"),
        ("pass overwrite=True.", "pass --overwrite."),
        ("of this duration, step and label_rate", None),
        ("no column 'sampling_rate' in /data/step=2", None),
        ("Scaler(step=2, overwrite=True)", None),
        ("n_jobs=2", None),
    ],
)
def test_messages_name_options(message, expected):
    assert name_options(message, ["--debug", "embed", "S1.csv"]) == (expected or message)
    assert name_options(message, ["weights", "list"]) == message


def test_weights(tmp_path, execute):
    code, output, errors = execute("weights", "list")
    assert (code, errors) == (0, "")
    assert "paper: the authors' checkpoint" in output
    (tmp_path / "no.pth").write_bytes(b"no weights")
    assert_fails(1, execute("weights", "verify", tmp_path / "no.pth"), "no.pth")
    assert_fails(2, execute("weights", "pull", "paepr"), "expected paper")


# draw


@pytest.mark.parametrize(
    ("options", "panels"),
    [
        ([], (3, 2)),  # images in a row, and rows
        (["--windows", "1"], (1, 1)),
        (["--representation", "waveform", "--representation", "spectrogram_psd"], (4, 3)),
    ],
)
def test_draw(tmp_path, execute, options, panels):
    source = write_csv(tmp_path / "S1.csv", 4 * 60 * 9)
    sheet = tmp_path / "sheet.png"
    arguments = ["draw", source, *EDA, "--duration", "60", "-o", sheet, *options]
    assert execute(*arguments) == (0, f"{sheet}\n", "")
    n_windows = panels[0] // max(1, len(options) // 2)
    with Image.open(sheet) as image:
        width = panels[0] * (75 + 224 + 10) + n_windows * 25
        assert image.size == (width, panels[1] * (25 + 56 + 8 + 224 + 45))


def test_draw_with_a_value_range(tmp_path, execute):
    source, sheet = write_csv(tmp_path / "S1.csv"), tmp_path / "sheet.png"
    arguments = ["draw", source, *EDA, "--duration", "60", "-o", sheet, "--value-range"]
    code, _, errors = execute(*arguments, "5,6")
    assert code == 0
    assert "leave --value-range (5.0, 6.0)" in errors
    narrow = sheet.read_bytes()
    assert execute(*arguments, "window")[::2] == (0, "")
    assert sheet.read_bytes() != narrow
    assert_fails(2, execute(*arguments, "all"), "--value-range all: expected preset, window,")
    assert_fails(1, execute(*arguments, "6,5"), "--value-range (6.0, 5.0)")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--channel", "bvp"], 1, "no channel 'bvp'; the channels are 'eda', 'text'"),
        (["--windows", "71", "--step", "1", *FOUR_IMAGES], 2, "pass --windows 50"),
        (["-o", "sheet.gif"], 2, "--output sheet.gif: expected a file with the suffix .png"),
        (["--representation", "wavefrom"], 1, "Did you mean 'waveform'"),
    ],
)
def test_draw_fails(tmp_path, execute, options, code, message):
    arguments = ["draw", write_csv(tmp_path / "S1.csv"), *EDA, "--duration", "60"]
    assert_fails(code, execute(*arguments, "-o", tmp_path / "sheet.png", *options), message)
    assert not (tmp_path / "sheet.png").exists()


# embed


@pytest.fixture
def embed(execute):
    return lambda *arguments: execute("embed", *EDA, *arguments)


def embedded_by_hand(windows, **parameters):
    pipeline = make_biosignal_embedder("eda", 4, embedder=TinyBioMoEEmbedder(cache=None))
    pipeline.set_params(**{f"image__{name}": value for name, value in parameters.items()})
    return pipeline.fit_transform(windows)


def read(folder):
    table = pq.read_table(folder)
    return table, np.stack(table["embedding"].to_numpy())


def test_embeddings_of_recordings(tmp_path, embed):
    """Windows in which a sample is missing are NaN."""
    paths = [write_csv(tmp_path / f"S{i}.csv", seed=i) for i in range(2)]
    frame = pd.read_csv(paths[1])
    frame.loc[5, "eda"] = np.nan
    frame.to_csv(paths[1], index=False)
    code, output, errors = embed(*paths, "--duration", 60, "--step", 30, "-o", tmp_path / "out")
    assert (code, errors) == (0, "")
    assert output.startswith(f"{tmp_path / 'out'}: embedded 6 rows of 2 parts")
    table, embeddings = read(tmp_path / "out")
    signals = {path.as_uri(): pd.read_csv(path)["eda"].to_numpy() for path in paths}
    for name, start, found in zip(
        table["recording"].to_pylist(), table["start_time"].to_pylist(), embeddings, strict=True
    ):
        first = round(4 * start)
        window = signals[name][first : first + 240]
        if np.isnan(window).any():
            assert np.isnan(found).all()
        else:
            np.testing.assert_array_equal(found, embedded_by_hand(window[None])[0])
    assert np.isnan(embeddings).all(axis=1).sum() == 1


def test_embeddings_of_windows_in_parquet(tmp_path, embed):
    path = write_table(tmp_path / "windows.parquet")
    images = ["--representation", "waveform", "--value-range", "0.5,20,log"]
    assert embed(path, "--id", "who", "--id", "start", "-o", tmp_path / "out", *images)[0] == 0
    table, embeddings = read(tmp_path / "out")
    assert table.column_names == ["who", "start", "embedding"]
    right = embedded_by_hand(
        pd.read_parquet(path)["eda"],
        representations=["waveform"],
        value_range=(0.5, 20.0, "log"),
    )
    np.testing.assert_array_equal(embeddings, right)


def test_another_configuration_needs_overwrite(tmp_path, embed):
    arguments = [write_csv(tmp_path / "S1.csv"), "--duration", 60, "-o", tmp_path / "out"]
    assert embed(*arguments)[0] == 0
    other = embed(*arguments, "--step", 30)
    assert_fails(1, other, "another configuration: windows differ", "pass --overwrite to remove")
    assert len(read(tmp_path / "out")[0]) == 2
    assert embed(*arguments, "--step", 30, "--overwrite")[0] == 0
    assert len(read(tmp_path / "out")[0]) == 3


def test_recordings_of_another_rate_and_quarantine(tmp_path, execute):
    edfio = pytest.importorskip("edfio")
    for number, rate in enumerate([4, 8]):
        signal = edfio.EdfSignal(simulate(rate * 130), rate, label="eda")
        edfio.Edf([signal]).write(tmp_path / f"S{number}.edf")
    out = tmp_path / "out"
    arguments = ["embed", tmp_path, "--channel", "eda", "--duration", "60", "-o", out]
    message = "at 8 Hz, those of the first recording at 4 Hz; pass --resample-to to"
    assert_fails(1, execute(*arguments), message)
    code, output, _ = execute(*arguments, "--quarantine")
    assert code == 1
    assert "1 in quarantine" in output
    (listed,) = json.loads((out / "_quarantine.json").read_text())
    assert listed["source"].endswith("S1.edf")
    assert execute(*arguments, "--overwrite", "--resample-to", "4")[0] == 0
    assert len(read(out)[0]) == 4


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--id", "who", "--duration", "60"], 2, "--id names columns of Parquet files of windows"),
        (["--step", "30"], 2, "--step is for recordings, which need --duration too"),
        (["--workers", "1", "--scheduler", "tcp://a:1"], 2, "--workers or --scheduler, not both"),
        (["--duration", "-1"], 2, "-1.0 is not in the range x>0"),
        (["--modality", "edaa"], 2, "'edaa' is not one of"),
        (["--value-range", "1,two"], 2, "--value-range 1,two: expected"),
        (["--channel", "who"], 1, "--channel ('eda', 'who') are of type"),
        (["--id", "whom"], 1, "has no column 'whom'; its columns are"),
        (["--value-range", "0,20,log"], 1, "--value-range (0.0, 20.0, 'log')"),
    ],
)
def test_embed_fails(tmp_path, embed, options, code, message):
    path = write_table(tmp_path / "windows.parquet")
    assert_fails(code, embed(path, "-o", tmp_path / "out", *options), message)
    assert not (tmp_path / "out").exists()


# study


def test_study(tmp_path, execute):
    table = write_table(tmp_path / "windows.parquet")
    page = tmp_path / "study.html"
    images = ["--representation", "waveform", "--value-range", "eda=5,5.5"]
    code, output, errors = execute("study", table, *STUDY, "--start", "start", "-o", page, *images)
    assert code == 0
    assert "windows of 'eda_waveform' leave --value-range (5.0, 5.5)" in errors
    assert output.startswith("Balanced accuracy, mean ± standard deviation over subjects:\nembeddi")
    for method in ("embeddings (eda)", "statistics", "training majority: 0.500 ± 0.000"):
        assert method in output
    assert "elapsed time only, linear: 0.500" in output
    assert "note: Task classification, chosen automatically: the target has 2 classes." in errors
    assert "statistics" in page.read_text()


@pytest.fixture
def tables(tmp_path):
    """The same windows as cells, as columns of samples in CSV, and as consecutive samples."""
    cells = pd.read_parquet(write_table(tmp_path / "cells.parquet"))
    wide = np.stack(cells["eda"]).round(6)
    cells["eda"] = list(wide)
    cells.to_parquet(tmp_path / "cells.parquet")
    columns = pd.DataFrame({f"eda_{i}": wide[:, i] for i in reversed(range(240))})
    others = cells[["who", "label", "start"]]
    pd.concat([others, columns], axis=1).to_csv(tmp_path / "wide.csv", index=False)
    samples = cells.loc[np.repeat(cells.index, 240), ["who", "label"]]
    samples.assign(eda=wide.ravel()).to_csv(tmp_path / "samples.csv", index=False)
    return tmp_path


def test_all_forms_of_a_table_hold_the_same_windows(tables, capsys):
    options = SourceOptions((Signal("eda", "eda", 4.0),), subject="who", label="label")
    cells = read_source(tables / "cells.parquet", options).table
    wide = read_source(tables / "wide.csv", options).table
    assert capsys.readouterr().err == ""
    cut = read_source(tables / "samples.csv", replace(options, duration=60)).table
    assert capsys.readouterr().err == "12 windows; dropped: none\n"
    assert cut["start_time"].tolist() == 3 * [0, 60, 120, 180]
    for other in (wide, cut):
        assert other[["who", "label"]].equals(cells[["who", "label"]])
        np.testing.assert_array_equal(np.stack(other["eda"]), np.stack(cells["eda"]))


def test_study_of_samples(tables, execute):
    page = tables / "study.html"
    cutting = ["--duration", "60", "--step", "30"]
    code, output, errors = execute("study", tables / "samples.csv", *STUDY, *cutting, "-o", page)
    assert code == 0
    assert "12 windows; dropped: 9 mixed labels, 3 past the end of 'eda'" in errors
    assert "elapsed time only" in output
    assert page.is_file()


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("cells.parquet", ["--subject", "whom"], 1, "has no column 'whom'; its columns are ['who'"),
        ("cells.parquet", ["--value-range", "bvp=1,2"], 2, "no signal is called 'bvp'"),
        ("samples.csv", [], 1, "column 'eda' is of type float64; expected lists of numbers, or"),
        ("samples.csv", ["--duration", "60", "--start", "x"], 2, "--duration computes it"),
        ("wide.csv", ["--step", "30"], 2, "--step is for tables of samples"),
        ("wide.csv", ["--duration", "60"], 1, "has no column 'eda'"),
        ("samples.csv", ["--duration", "60", "--signal", "label", "bvp", "64"], 2, "share one"),
        ("words.csv", ["--duration", "60"], 1, "column 'eda' is of type str; expected numbers"),
        ("gap.csv", ["--duration", "60"], 1, "row 1 has no 'who'; every sample needs one"),
        ("empty.csv", [], 1, "cannot be read as CSV"),
        ("table.xlsx", [], 1, "expected a .csv or a .parquet file"),
    ],
)
def test_study_fails(tables, execute, name, options, code, message):
    (tables / "words.csv").write_text("who,label,eda\nS1,rest,high\n")
    (tables / "gap.csv").write_text("who,label,eda\nS1,rest,1\n,rest,2\n")
    (tables / "empty.csv").write_text("")
    (tables / "table.xlsx").write_bytes(b"PK")
    page = tables / "study.html"
    assert_fails(code, execute("study", tables / name, *STUDY, *options, "-o", page), message)
    assert not page.exists()


@pytest.mark.parametrize("factor", [1, 1e-6])
def test_check(tmp_path, execute, factor):
    table = tmp_path / "windows.parquet"
    made = make_biosignal_windows(6, 4, modalities=["eda"], random_state=0)
    cells = [factor * window for window in made.data["eda"]]
    frame = pd.DataFrame({"who": made.groups, "label": made.target, "eda": cells})
    frame.to_parquet(table)
    page = tmp_path / "windows.html"
    code, output, errors = execute("check", table, *STUDY, "-o", page)
    assert code == (0 if factor == 1 else 1)
    assert errors == ""
    assert output.startswith("24 windows of eda")
    assert ("multiply it by 1e6" in output) == (factor != 1)
    assert "window-report" in page.read_text("utf-8")
    if factor != 1:
        code, _, errors = execute("study", table, *STUDY, "-o", tmp_path / "study.html")
        assert code == 1
        assert "the windows have 1 error. unit: The median of 'eda'" in errors
        assert "--ignore-checks continues" in errors
        code, _, errors = execute(
            "study", table, *STUDY, "--ignore-checks", "--value-range", "window",
            "-o", tmp_path / "study.html",
        )  # fmt: skip
        assert code == 0


def test_check_finds_the_label_in_a_file_of_windows(tmp_path, execute):
    made = make_biosignal_windows(6, 4, modalities=["eda"], random_state=0)
    cells = [np.r_[x, y + 2.0] for x, y in zip(made.data["eda"], made.target, strict=True)]
    frame = pd.DataFrame({"who": made.groups, "label": made.target, "eda": cells})
    frame.to_parquet(tmp_path / "windows.parquet")
    code, output, _ = execute("check", tmp_path / "windows.parquet", *STUDY)
    assert code == 1
    assert "ERROR label of eda: Sample 240 of all windows" in output
