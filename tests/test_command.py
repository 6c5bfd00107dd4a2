"""The command, as a program of its own, and its details in this process."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from sklearn_biomoe.cli.program import run
from sklearn_biomoe.cli.tables import START, cut_table, read_table

EDA = ["--channel", "eda", "--modality", "eda", "--sampling-rate", "4"]


def command(*arguments):
    return [sys.executable, "-m", "sklearn_biomoe.cli", *map(str, arguments)]


def execute(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def simulate(n_times, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.05, n_times)
    return 5 + np.cumsum(noise) / 10 + np.sin(np.arange(n_times) / 20)


def write_csv(path, n_times=4 * 130, seed=0):
    pd.DataFrame({"eda": simulate(n_times, seed), "text": "x"}).to_csv(path, index=False)
    return path


def write_table(path, n_subjects=3, n_windows=4):
    """Write windows as cells, their subjects and labels, that a study can be made of."""
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


# Each command as a program, with right and with wrong input


def assert_fails(code, outcome, *said):
    found, output, errors = outcome
    assert (found, output) == (code, "")
    assert len(errors.splitlines()) == 1
    assert errors.startswith("error: ")
    for words in said:
        assert words in errors


def test_draw(tmp_path):
    source = write_csv(tmp_path / "S1.csv")
    asked = [*EDA, "--duration", "60"]
    code, output, errors = execute("draw", source, *asked, "-o", tmp_path / "sheet.png")
    assert (code, output, errors) == (0, f"{tmp_path / 'sheet.png'}\n", "")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[1] == 2 * (25 + 224 + 45)
    wrong = execute("draw", source, *asked, "--channel", "bvp", "-o", tmp_path / "other.png")
    assert_fails(1, wrong, "S1.csv", "There is no channel 'bvp'; the channels are 'eda', 'text'")
    assert not (tmp_path / "other.png").exists()


def test_embed(tmp_path):
    source = write_csv(tmp_path / "S1.csv")
    asked = [*EDA, "--duration", "60", "-o", tmp_path / "out"]
    code, output, errors = execute("embed", source, *asked)
    assert (code, output.partition(";")[0]) == (
        0,
        f"{tmp_path / 'out'}: 2 rows of 1 parts embedded",
    )
    assert errors == ""
    assert_fails(1, execute("embed", tmp_path / "S2.csv", *asked), "S2.csv", "no such file")


def test_study(tmp_path):
    table = write_table(tmp_path / "windows.parquet")
    asked = ["--subject", "who", "--label", "label", "--signal", "eda", "eda", "4"]
    code, output, _ = execute("study", table, *asked, "--start", "start", "-o", tmp_path / "s.html")
    assert code == 0
    assert "embeddings, eda: " in output
    assert "statistics, eda: " in output
    assert "elapsed time only, linear: 0.500" in output
    assert "statistics, eda" in (tmp_path / "s.html").read_text()
    wrong = execute("study", table, *asked[2:], "--subject", "whom", "-o", tmp_path / "t.html")
    assert_fails(1, wrong, "windows.parquet has no column 'whom'; there are ['who'")


@pytest.fixture
def tables(tmp_path):
    """The same windows as cells, as wide columns of CSV, and as samples one after another."""
    cells = pd.read_parquet(write_table(tmp_path / "cells.parquet"))
    wide = np.stack(cells["eda"]).round(6)
    cells["eda"] = list(wide)
    cells.to_parquet(tmp_path / "cells.parquet")
    columns = pd.DataFrame({f"eda_{i}": wide[:, i] for i in reversed(range(240))})
    beside = cells[["who", "label", "start"]]
    pd.concat([beside, columns], axis=1).to_csv(tmp_path / "wide.csv", index=False)
    samples = cells.loc[np.repeat(cells.index, 240), ["who", "label"]]
    samples.assign(eda=wide.ravel()).to_csv(tmp_path / "samples.csv", index=False)
    return tmp_path


def test_tables_of_a_study_hold_the_same_windows(tables):
    signals = (("eda", "eda", 4.0),)
    cells = read_table(tables / "cells.parquet", ["who", "label"], signals)
    wide = read_table(tables / "wide.csv", ["who", "label"], signals)
    cut, dropped = cut_table(tables / "samples.csv", "who", "label", signals, 60, None)
    assert dropped.empty
    assert cut[START].tolist() == 3 * [0, 60, 120, 180]
    for other in (wide, cut):
        assert other[["who", "label"]].equals(cells[["who", "label"]])
        np.testing.assert_array_equal(np.stack(other["eda"]), np.stack(cells["eda"]))


def test_study_of_samples(tables, small_backbone, capsys):
    asked = ["--subject", "who", "--label", "label", "--signal", "eda", "eda", "4"]
    page = tables / "study.html"
    cutting = ["--duration", "60", "--step", "30"]
    assert run(["study", str(tables / "samples.csv"), *asked, *cutting, "-o", str(page)]) == 0
    told = capsys.readouterr()
    assert "12 windows; dropped: 9 mixed labels, 3 past the end of 'eda'" in told.err
    assert "elapsed time only" in told.out
    assert page.is_file()


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("samples.csv", [], 1, "column 'eda' is of float64; expected lists of numbers, or columns"),
        ("samples.csv", ["--duration", "60", "--start", "x"], 2, "--duration finds it itself"),
        ("wide.csv", ["--step", "30"], 2, "--step is for tables of samples"),
        ("wide.csv", ["--duration", "60"], 1, "has no column 'eda'"),
        ("samples.csv", ["--duration", "60", "--signal", "eda", "bvp", "64"], 2, "share one rate"),
        ("words.csv", ["--duration", "60"], 1, "column 'eda' is of str; expected numbers"),
        ("gap.csv", ["--duration", "60"], 1, "row 1 has no 'who'; every sample needs one"),
        ("empty.csv", [], 1, "cannot be read as csv"),
        ("table.xlsx", [], 1, "expected a .csv or a .parquet file"),
    ],
)
def test_tables_that_are_no_study(tables, small_backbone, capsys, name, options, code, message):
    (tables / "words.csv").write_text("who,label,eda\nS1,rest,high\n")
    (tables / "gap.csv").write_text("who,label,eda\nS1,rest,1\n,rest,2\n")
    (tables / "empty.csv").write_text("")
    (tables / "table.xlsx").write_bytes(b"PK")
    asked = ["--subject", "who", "--label", "label", "--signal", "eda", "eda", "4", *options]
    page = str(tables / "study.html")
    assert run(["study", str(tables / name), *asked, "-o", page]) == code
    assert message in capsys.readouterr().err
    assert not (tables / "study.html").exists()


def test_weights(tmp_path):
    code, output, errors = execute("weights", "list")
    assert (code, errors) == (0, "")
    assert "paper: the authors' checkpoint" in output
    (tmp_path / "no.pth").write_bytes(b"no weights")
    assert_fails(1, execute("weights", "verify", tmp_path / "no.pth"), "no.pth")
    assert_fails(2, execute("weights", "pull", "paepr"), "there are paper")


def test_doctor():
    code, output, errors = execute("doctor")
    assert (code, errors) == (0, "")
    assert f"numpy {np.__version__}" in output
    assert "self-test: passed" in output
    assert_fails(2, execute("doctor", "--fast"), "No such option", "--fast")


def test_an_interrupted_program_leaves_nothing_half_done(tmp_path):
    source = write_csv(tmp_path / "S1.csv", 4 * 60 * 200)
    asked = ["embed", source, *EDA, "--duration", "60", "-o", tmp_path / "out"]
    with subprocess.Popen(command(*asked), stderr=subprocess.PIPE, text=True) as program:
        while not list(tmp_path.glob("out/.*.parquet.*")):
            assert program.poll() is None
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        errors = program.communicate()[1]
    assert program.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert not list((tmp_path / "out").iterdir())


def test_an_interrupt_that_a_library_turns_into_an_error(tmp_path, monkeypatch, capsys):
    """As pandas does where one comes while it reads."""
    before = signal.getsignal(signal.SIGINT)

    def read_slowly(*arguments, **named):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise pd.errors.ParserError("Calling read(nbytes) on source failed.") from None

    source = write_csv(tmp_path / "S1.csv")
    monkeypatch.setattr(pd, "read_csv", read_slowly)
    code = run(["embed", str(source), *EDA, "--duration", "60", "-o", str(tmp_path / "out")])
    assert code == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGINT) is before


# Details


@pytest.fixture
def embedded_by_hand(small_backbone):
    def embed(windows):
        pipeline = make_biosignal_embedder("eda", 4, embedder=TinyBioMoEEmbedder(cache=None))
        return pipeline.fit_transform(windows)

    return embed


def embed(*arguments):
    return run(["embed", *EDA, *map(str, arguments)])


def read(folder):
    table = pq.read_table(folder)
    return table, np.stack(table["embedding"].to_numpy())


def test_embeddings_of_recordings(tmp_path, embedded_by_hand):
    """A sample that is missing makes its windows missing; rows say where they are from."""
    paths = [write_csv(tmp_path / f"S{i}.csv", seed=i) for i in range(2)]
    frame = pd.read_csv(paths[1])
    frame.loc[5, "eda"] = np.nan
    frame.to_csv(paths[1], index=False)
    asked = [*paths, "--duration", 60, "--step", 30, "-o", tmp_path / "out"]
    assert embed(*asked) == 0
    table, embeddings = read(tmp_path / "out")
    signals = {path.as_uri(): pd.read_csv(path)["eda"].to_numpy() for path in paths}
    assert len(table) == 6
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


def test_windows_cut_otherwise_do_not_replace_others(tmp_path, small_backbone, capsys):
    source = write_csv(tmp_path / "S1.csv")
    assert embed(source, "--duration", 60, "-o", tmp_path / "out") == 0
    assert embed(source, "--duration", 60, "--step", 30, "-o", tmp_path / "out") == 1
    assert "another configuration: windows differ" in capsys.readouterr().err
    assert len(read(tmp_path / "out")[0]) == 2


def test_embeddings_of_windows_in_parquet(tmp_path, embedded_by_hand):
    path = write_table(tmp_path / "windows.parquet")
    assert embed(path, "--id", "who", "--id", "start", "-o", tmp_path / "out") == 0
    table, embeddings = read(tmp_path / "out")
    assert table.column_names == ["who", "start", "embedding"]
    windows = pd.read_parquet(path)["eda"]
    np.testing.assert_array_equal(embeddings, embedded_by_hand(windows))


def test_recordings_of_another_rate_and_quarantine(tmp_path, small_backbone, capsys):
    edfio = pytest.importorskip("edfio")
    for number, rate in enumerate([4, 8]):
        data = simulate(rate * 130)
        edfio.Edf([edfio.EdfSignal(data, rate, label="eda")]).write(tmp_path / f"S{number}.edf")
    asked = ["embed", str(tmp_path), "--channel", "eda", "--duration", "60", "-o"]
    out = str(tmp_path / "out")
    assert run([*asked, out]) == 1
    assert "at 8 Hz, those of the first recording at 4 Hz" in capsys.readouterr().err
    assert run([*asked, out, "--quarantine"]) == 1
    assert "1 in quarantine" in capsys.readouterr().out
    (listed,) = json.loads((tmp_path / "out" / "_quarantine.json").read_text())
    assert listed["source"].endswith("S1.edf")
    assert run([*asked, out, "--overwrite", "--resample-to", "4"]) == 0
    assert len(read(tmp_path / "out")[0]) == 4


def test_embed_in_worker_processes(tmp_path, capsys):
    pytest.importorskip("distributed")
    source = write_csv(tmp_path / "S1.csv")
    asked = [source, "--duration", 60, "-o"]
    assert embed(*asked, tmp_path / "alone") == 0
    assert embed(*asked, tmp_path / "out", "--workers", 1) == 0
    for path in (tmp_path / "alone").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--id", "who", "--duration", "60"], "--id names columns of Parquet files of windows"),
        (["--step", "30"], "--step is for recordings, which need --duration too"),
        (
            ["--workers", "1", "--scheduler", "tcp://nowhere:1"],
            "--workers or --scheduler, not both",
        ),
        (["--duration", "-1"], "-1.0 is not in the range x>0"),
        (["--modality", "edaa"], "'edaa' is not one of"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, arguments, message):
    path = write_table(tmp_path / "windows.parquet")
    assert embed(path, "-o", tmp_path / "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_trace(tmp_path, capsys):
    assert run(["--debug", "draw", str(tmp_path / "no.csv"), *EDA, "-o", "no.png"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_without_click(monkeypatch):
    from sklearn_biomoe.cli import main

    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit, match=r"pip install 'sklearn-biomoe\[cli\]'"):
        main()
