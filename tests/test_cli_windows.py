"""Commands that start from a folder of recordings and a table of events."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("click")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from sklearn_biomoe.cli.program import name_options
from sklearn_biomoe.cli.sample_tables import read_sample_table
from sklearn_biomoe.cli.study import order_levels
from sklearn_biomoe.cli.windows_file import KEY
from sklearn_biomoe.evaluation import Calibration, RepeatedGroupKFold
from sklearn_biomoe.recordings.time_columns import TimeOptions

RATES = {"eda": 4, "bvp": 16}
SUBJECTS = ["07", "007", "P3"]
LEVELS = ["None", "low", "None", "high"]
SIGNALS = ["--signal", "eda", "EDA", "4", "--signal", "bvp", "BVP", "16"]
AROUND = ["--around", "-2", "8"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with a file for each subject and signal, and a table of events; enter it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pain"
    folder.mkdir()
    random = np.random.default_rng(0)
    for subject in SUBJECTS:
        for signal, rate in RATES.items():
            samples = 5 + 0.1 * random.normal(size=80 * rate).cumsum().round(4)
            times = np.arange(80 * rate) / rate
            frame = pd.DataFrame({"time": times, signal: samples})
            frame.to_csv(folder / f"{subject}_{signal}.csv", index=False)
    rows = [
        f"{subject},{5 + 18 * number},6,{LEVELS[number]},{number}.5,1E3"
        for subject in SUBJECTS
        for number in range(4)
    ]
    (folder / "events.csv").write_text("\n".join(["subject,onset,duration,level,nrs,code", *rows]))
    return folder


@pytest.fixture
def arguments(study):
    """The study as every command takes it."""
    pattern = ["--pattern", "{subject}_{signal}.csv", "--events", study / "events.csv"]
    return [study, *pattern, *AROUND, *SIGNALS]


def samples_of(study, subject, signal, start, stop):
    path = study / f"{subject}_{signal}.csv"
    samples = pd.read_csv(path, float_precision="round_trip")[signal].to_numpy()
    return samples[round(start * RATES[signal]) : round(stop * RATES[signal])]


def assert_fails(code, result, *parts):
    found, output, errors = result
    assert (found, output) == (code, "")
    assert errors.splitlines()[-1].startswith("error: ")
    for part in parts:
        assert part in errors


# windows


def test_windows_at_events(study, arguments, execute):
    code, output, errors = execute("windows", *arguments, "--label", "level", "-o", "w.parquet")
    assert (code, output) == (0, "w.parquet\n")
    assert errors.endswith("12 windows; dropped: none\n")
    table = pq.read_table("w.parquet")
    names = ["subject", "event", "start_time", "level", "nrs", "code", "eda", "bvp"]
    assert table.column_names == names
    description = json.loads(table.schema.metadata[KEY])
    assert description["signals"] == {
        "eda": {"modality": "eda", "sampling_rate": 4},
        "bvp": {"modality": "bvp", "sampling_rate": 16},
    }
    assert (description["label"], description["labels"]) == ("level", ["level", "nrs", "code"])
    frame = table.to_pandas()
    assert sorted(set(frame["subject"])) == ["007", "07", "P3"]
    assert frame["nrs"].tolist() == 3 * [0.5, 1.5, 2.5, 3.5]
    assert set(frame["code"]) == {"1E3"}
    own = frame[frame["subject"] == "07"]
    assert own["level"].tolist() == LEVELS
    assert own["event"].tolist() == [0, 1, 2, 3]
    assert own["start_time"].tolist() == [3, 21, 39, 57]
    for signal in RATES:
        right = samples_of(study, "07", signal, 21, 31)
        np.testing.assert_array_equal(own[signal].iloc[1], right)


def test_rates_from_files(arguments, execute):
    unrated = [each for each in arguments if each not in ("4", "16")]
    assert execute("windows", *arguments, "-o", "given.parquet")[0] == 0
    assert execute("windows", *unrated, "-o", "found.parquet")[0] == 0
    assert pq.read_table("given.parquet").equals(pq.read_table("found.parquet"))
    wrong = ["8" if each == "4" else each for each in arguments]
    failed = execute("windows", *wrong, "-o", "wrong.parquet")
    message = "at 4 Hz, but the rate of --signal is 8 Hz; leave it out, or pass --resample-to 8"
    assert_fails(1, failed, message)


def test_given_rates_are_shown_as_durations(study, execute):
    """So that a period in place of a rate is noticed, if files have no times that contradict it."""
    for path in study.glob("*_eda.csv"):
        pd.read_csv(path)["eda"].to_csv(path, index=False)
    command = ["windows", study, "--pattern", "{subject}_{signal}.csv", "--signal", "eda", "EDA"]
    code, _, errors = execute(*command, "0.25", "--duration", 60, "-o", "w.parquet")
    assert code == 0
    assert "note: eda at 0.25 Hz, as given: recordings of 1280 s" in errors  # 320 samples
    failed = execute(*command, "4000", "--duration", 60, "-o", "w.parquet")
    assert_fails(1, failed, "recordings of 0.08 s", "dropped: 3 past the end")


def test_a_missing_pattern_is_advised(arguments, execute):
    at = arguments.index("--pattern")
    failed = execute("windows", *arguments[:at], *arguments[at + 2 :], "-o", "w.parquet")
    assert_fails(1, failed, "Subject '007_bvp'", "Pass --pattern, such as '{subject}_{signal}.csv'")


def test_windows_that_tile_events_and_baseline(study, arguments, execute):
    tiles = [each for each in arguments if each not in AROUND]
    tiles += ["--duration", 3, "--baseline", -1, 0, "-o", "w.parquet"]
    assert execute("windows", *tiles)[0] == 0
    row = pq.read_table("w.parquet").to_pandas().query("subject == 'P3'").iloc[1]
    assert row["start_time"] == 8
    mean = samples_of(study, "P3", "eda", 4, 5).mean()
    np.testing.assert_allclose(row["eda"], samples_of(study, "P3", "eda", 8, 11) - mean)


def test_what_is_left_out_is_reported(study, arguments, execute):
    with (study / "events.csv").open("a") as file:
        file.write("\nP3,75,2,low,1,x\nP3,0.5,1,low,1,x")
    (study / "007_bvp.csv").unlink()
    command = ["windows", *arguments, "-o", "w.parquet", "--dropped", "dropped.csv"]
    failed = execute(*command)
    assert_fails(1, failed, "Subject '007': no file of the signal 'bvp'", "--on-error 'skip'")
    code, _, errors = execute(*command, "--on-error", "skip")
    assert code == 0
    counts = "8 windows; dropped: 1 past the end of 'bvp', 1 before the start"
    assert counts in errors
    assert "subject 007 skipped: no file of the signal 'bvp'" in errors
    dropped = pd.read_csv("dropped.csv", dtype=str)
    assert dropped["subject"].tolist() == ["P3", "P3", "007"]
    code, _, errors = execute(*command, "--on-error", "skip", "--unusable", "raise")
    assert code == 1
    assert "pass --unusable 'drop' or 'missing'" in errors


def test_a_table_of_files_and_names_of_channels(study, execute):
    """Signals have other names than channels, and columns of events other names than usual."""
    files = [f"{subject},eda,{subject}_eda.csv" for subject in SUBJECTS]
    (study / "files.csv").write_text("\n".join(["subject,signal,path", *files]))
    events = pd.read_csv(study / "events.csv", dtype=str, keep_default_na=False)
    events.columns = ["who", "begin", "seconds", "level", "nrs", "code"]
    events.to_csv("tasks.csv", index=False)
    names = ["--subject", "who", "--onset", "begin", "--event-duration", "seconds"]
    command = ["windows", study / "files.csv", "--events", "tasks.csv", *names, *AROUND]
    assert execute(*command, "--signal", "eda", "gsr", "-o", "w.parquet")[0] == 0
    assert len(pq.read_table("w.parquet")) == 12
    single = ["windows", study / "P3_eda.csv", "--signal", "wrist=eda", "EDA", "--duration", 10]
    assert execute(*single, "-o", "one.parquet")[0] == 0
    table = pq.read_table("one.parquet")
    assert table.column_names == ["subject", "start_time", "wrist"]
    assert len(table) == 8


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--label", "levle"], 1, "--label 'levle' is not a column of events; the columns of"),
        (["--pattern", "{subject}.edf"], 1, "No file in pain matches '{subject}.edf'; it holds"),
        (["--pattern", "{signal}.csv"], 1, "--pattern '{signal}.csv'; expected {subject} once"),
        (["--events", "no.csv"], 1, "There is no table of events no.csv; pass the path of one"),
        (["--events", "others.csv"], 1, "subjects without a recording: 'P9'"),
        (["--signal", "resp", "RESP", "4"], 1, "no file of the signal 'resp'"),
        (["--signal", "resp", "breath", "4"], 2, "'breath' is not one of bvp, ecg"),
        (["--signal", "resp", "RESP", "4Hz"], 2, "'4Hz' is not a sampling rate in Hz, such as 4"),
        (["--signal", "eda", "EDA"], 2, "'eda' is given twice"),
        (["--duration", "10"], 2, "leave out --duration and --step"),
        (["--around", "8", "-2"], 1, "--around (8.0, -2.0); expected seconds (start, stop)"),
        (["--start", "onset"], 2, "--start is for tables of windows"),
        (["--reading", "decimal"], 2, "'decimal'; expected NAME=VALUE with one of annotations"),
        (["-o", "absent/w.parquet"], 2, "create it first"),
        (["-o", "w.csv"], 2, "--output w.csv: expected a file with the suffix .parquet"),
    ],
)
def test_windows_fails(study, arguments, execute, options, code, message):
    (study.parent / "others.csv").write_text("subject,onset,level\nP9,5,low\n")
    command = ["windows", study.name, *arguments[1:], "-o", "w.parquet", *options]
    assert_fails(code, execute(*command), message)
    assert not (study.parent / "w.parquet").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Pass --signal for each signal"),
        (["--signal", "eda", "EDA"], "Pass --duration for the length of windows"),
        (["--signal", "eda", "EDA", *AROUND], "--around is for windows at events, which need"),
        (["--signal", "eda", "EDA", "--label", "level"], "--label is a column of --events"),
    ],
)
def test_missing_options(study, execute, options, message):
    assert_fails(2, execute("windows", study, *options, "-o", "w.parquet"), message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("pass sampling_rate in Hz", "pass the rate of --signal in Hz"),
        ("pass signals={'eda': channel}.", "pass --signal eda=CHANNEL."),
        ("pass decimal=',' or separator", "pass --reading decimal=',' or separator"),
        ("pass encoding.", "pass --reading encoding=...."),
        ("its encoding is 'utf-8'", None),
        ("Pass a pattern, such as", "Pass --pattern, such as"),
        ("pass a table of events.", "pass --events FILE."),
    ],
)
def test_messages_name_options(message, expected):
    assert name_options(message, ["windows", "pain"]) == (expected or message)


# Commands after it


def test_draw_embed_and_study_read_windows(study, arguments, execute):
    """They need no rates, and give the same from the folder."""
    assert execute("windows", *arguments, "--label", "level", "-o", "w.parquet")[0] == 0
    assert execute("draw", "w.parquet", "-o", "sheet.png")[1] == "sheet_eda.png\nsheet_bvp.png\n"
    assert execute("draw", *arguments, "-o", "same.png")[0] == 0
    for signal in RATES:
        sheets = [study.parent / f"{name}_{signal}.png" for name in ("sheet", "same")]
        assert sheets[0].stat().st_size == sheets[1].stat().st_size
    assert execute("draw", "w.parquet", "--channel", "eda", "-o", "one.png")[1] == "one.png\n"

    assert execute("embed", "w.parquet", "-o", "file")[0] == 0
    code, output, _ = execute("embed", *arguments, "-o", "folder")
    assert code == 0
    assert "12 rows of 3 parts" in output
    assert "skipped 3 complete parts" in execute("embed", *arguments, "-o", "folder")[1]
    tables = [pq.read_table(name).to_pandas() for name in ("file", "folder")]
    tables = [each.sort_values("event", ignore_index=True) for each in tables]
    for table in tables:
        names = ["subject", "event", "start_time", "level", "nrs", "code", "embedding"]
        assert list(table) == names
    assert tables[0][names[:-1]].equals(tables[1][names[:-1]])
    embeddings = [np.stack(table["embedding"]) for table in tables]
    np.testing.assert_array_equal(*embeddings)
    assert embeddings[0].shape == (12, 2 * 192)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_study_of_a_folder(arguments, execute):
    assert execute("windows", *arguments, "--label", "level", "-o", "w.parquet")[0] == 0
    scores = execute("study", "w.parquet", "-o", "one.html")[1].splitlines()
    assert scores[1].startswith("embeddings (all signals): ")
    assert "elapsed time only, linear" in scores[6]
    code, output, _ = execute("study", *arguments, "--label", "level", "-o", "two.html")
    assert code == 0
    assert output.splitlines()[:-1] == scores[:-1]
    assert_fails(2, execute("study", *arguments, "-o", "x.html"), "Pass --label", "level, nrs")
    other = execute("study", "w.parquet", "--signal", "eda", "EDA", "8", "-o", "x.html")
    assert_fails(2, other, "has windows at 4 Hz; leave out the rate")


@pytest.mark.parametrize(
    ("label", "options", "found"),
    [
        ("nrs", [], ["Task regression", "MAE, mean", "training median", "<h1>Study of nrs"]),
        ("level", ["--levels", "None,low,high", "--title", "Levels of heat"],
         ["the levels are None < low < high", "Macro-averaged MAE", "<h1>Levels of heat"]),
    ],
)  # fmt: skip
def test_study_of_ratings_and_levels(arguments, execute, label, options, found):
    code, output, errors = execute("study", *arguments, "--label", label, *options, "-o", "x.html")
    assert code == 0
    text = output + errors + Path("x.html").read_text("utf-8")
    for part in found:
        assert part in text


@pytest.mark.parametrize(
    ("label", "options", "code", "message"),
    [
        ("level", ["--task", "ordinal"], 2, "needs --levels, in the right order: None,low,high"),
        ("level", ["--task", "regression"], 1, "y holds 'None' in row 0; --task 'regression' pred"),
        ("level", ["--levels", "None,low"], 2, "but level also holds 'high'"),
        ("level", ["--levels", "None,low,high,top"], 2, "but no window is 'top'"),
        ("level", ["--levels", "None,low,hihg"], 2, "is 'hihg' and level also holds 'high'"),
        ("level", ["--levels", "None,low,low,high"], 2, "a level is given twice"),
        ("level", ["--levels", "None,low,high", "--task", "regression"], 2, "not for --task regr"),
        ("nrs", ["--levels", "none,low"], 2, "--levels none,low, but nrs holds numbers"),
        ("nrs", ["--task", "ordinal"], 1, "y holds 0.5; pass --task 'regression' for ratings"),
    ],
)
def test_targets_of_a_study_that_do_not_fit(arguments, execute, label, options, code, message):
    result = execute("study", *arguments, "--label", label, *options, "-o", "x.html")
    assert result[0] == code
    assert message in result[2]
    assert not Path("x.html").exists()


def test_levels_that_are_numbers():
    labels = pd.Series([2, 0, 10, 2], name="level")
    ordered = order_levels(labels, "0, 2,10", "auto")
    assert ordered.cat.ordered
    assert ordered.cat.categories.tolist() == [0, 2, 10]
    assert ordered.cat.codes.tolist() == [1, 0, 2, 1]


@pytest.fixture
def asked(monkeypatch):
    """The arguments of `run_study`, which is not run."""
    seen = {}

    def run_study(methods, X, y, groups, **options):
        seen.update(options, methods=methods, X=X, y=y, groups=groups)
        raise ValueError("not run")

    monkeypatch.setattr("sklearn_biomoe.cli.study.run_study", run_study)
    return seen


def test_protocols_of_a_study(arguments, execute, asked):
    def ask(*options):
        execute("study", *arguments, "--label", "level", *options, "-o", "x.html")
        return asked["cv"], asked["calibration"]

    Path("split.csv").write_text("subject,part\n07,train\n007,validation\nP3,test\n")
    assert ask() == ("leave_one_subject_out", None)
    folds = RepeatedGroupKFold(3, n_repeats=2, random_state=0)
    assert repr(ask("--folds", "3", "--repeats", "2")[0]) == repr(folds)
    cv = ask("--split", "split.csv")[0]
    assert (cv.train, cv.test, cv.validation) == (["07"], ["P3"], ["007"])
    assert ask("--calibration-windows", "1")[1] == Calibration(n_windows=1)
    options = ["--calibration-minutes", "0.2", "--calibration-labels"]
    assert ask(*options)[1] == Calibration(minutes=0.2, labels=True)


def test_methods_are_scaled_by_calibration_windows(arguments, execute, asked):
    """By those that `Calibration` marks, which are not part of the features."""
    execute("study", *arguments, "--label", "level", "--calibration-windows", "1", "-o", "x.html")
    X, marks = asked["X"], asked["calibration"].mark(asked["groups"], asked["intervals"])
    assert marks.tolist() == [True, False, False, False] * 3
    method = asked["methods"]["embeddings (eda)"]
    scaled = method[:-2].fit(X).transform(X)  # before StandardScaler and the classifier
    assert scaled.shape == (12, 192 + 1)
    np.testing.assert_allclose(scaled[marks], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--folds", "3", "--split", "split.csv"], 2, "Pass --folds or --split, and not both"),
        (["--repeats", "3"], 2, "--repeats is for --folds"),
        (["--calibration-labels"], 2, "needs --calibration-windows or --calibration-minutes"),
        (["--calibration-windows", "1", "--calibration-minutes", "1"], 2, "and not both"),
        (["--calibration-minutes", "0.1"], 1, "'007', '07', 'P3' have no window that ends in"),
        (["--split", "split.csv"], 1, "split.csv: the part of subject 'P3' is 'dev'; expected one"),
        (["--split", "none.csv"], 1, "none.csv"),
    ],
)
def test_wrong_protocols(arguments, execute, options, code, message):
    Path("split.csv").write_text("subject,part\n07,train\n007,test\nP3,dev\n")
    result = execute("study", *arguments, "--label", "level", *options, "-o", "x.html")
    assert result[0] == code
    assert message in result[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Pass --signal for each signal, or --channel"),
        (["--signal", "eda", "EDA", "4", "--channel", "eda"], "and not both"),
        (
            ["--channel", "eda", *AROUND],
            "--around needs --signal CHANNEL MODALITY instead of --channel",
        ),
        (["--signal", "eda", "EDA", "--sampling-rate", "4"], "pass both in --signal"),
    ],
)
def test_draw_and_embed_fail(study, execute, options, message):
    for command in (["draw", "-o", "sheet.png"], ["embed", "-o", "out"]):
        assert_fails(2, execute(*command, study, *options), message)


def test_labels_and_subjects_of_tables_are_text(tmp_path, monkeypatch, execute):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{who},{pain},{2 + 0.01 * number:.2f}"
        for who in ("07", "007")
        for pain in ("None", "NA", "1E3", "")
        for number in range(8)
    ]
    (tmp_path / "samples.csv").write_text("\n".join(["who,pain,eda", *rows]))
    command = ["windows", "samples.csv", "--subject", "who", "--label", "pain", "--duration", "2"]
    code, _, errors = execute(*command, "--signal", "eda", "EDA", "4", "-o", "w.parquet")
    assert (code, errors) == (0, "6 windows; dropped: 2 no label\n")
    table = pq.read_table("w.parquet").to_pandas()
    assert table["who"].tolist() == 3 * ["07"] + 3 * ["007"]
    assert table["pain"].tolist() == 2 * ["None", "NA", "1E3"]
    ratings = table.assign(nrs=["0", "10", "2", "0", "10", "2"])[["who", "pain", "nrs"]]
    cells = pd.DataFrame(np.stack(table["eda"])).add_prefix("eda_")
    pd.concat([ratings, cells], axis=1).to_csv("wide.csv", index=False)
    command = ["windows", "wide.csv", "--subject", "who", "--signal", "eda", "EDA", "4"]
    for label, right in (("pain", table["pain"].tolist()), ("nrs", [0, 10, 2, 0, 10, 2])):
        assert execute(*command, "--label", label, "-o", "again.parquet")[0] == 0
        again = pq.read_table("again.parquet").to_pandas()
        assert again["who"].tolist() == table["who"].tolist()
        assert again[label].tolist() == right
        np.testing.assert_array_equal(np.stack(again["eda"]), np.stack(table["eda"]))


# Tables of samples with times


SAMPLES = ["--subject", "who", "--signal", "eda", "EDA"]


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Two subjects with a minute at 4 Hz; samples are the times, and labels change at 30 s."""
    monkeypatch.chdir(tmp_path)
    times = np.arange(240) / 4
    return pd.concat(
        pd.DataFrame({"who": who, "time": times, "eda": times, "pain": times // 30})
        for who in ("07", "1")
    ).astype({"pain": int})


def test_gaps_between_times_of_samples(samples, execute):
    samples[(samples["time"] < 8) | (samples["time"] >= 22)].to_csv("s.csv", index=False)
    command = ["windows", "s.csv", *SAMPLES, "--duration", "10", "-o", "w.parquet"]
    code, _, errors = execute(*command, "--label", "pain")
    assert code == 0
    assert errors.endswith("6 windows; dropped: 4 partly without a label, 2 no label\n")
    table = pq.read_table("w.parquet").to_pandas()
    assert [cell[0] for cell in table["eda"]] == table["start_time"].tolist()
    assert not any(np.isnan(cell).any() for cell in table["eda"])
    code, _, errors = execute(*command)
    assert errors.endswith("6 windows; dropped: 6 gap in 'eda'\n")
    assert execute(*command, "--unusable", "missing")[2].endswith("12 windows; dropped: none\n")
    assert_fails(1, execute(*command, "--unusable", "raise"), "subject '07' at 0 s cannot be used")


def test_rates_of_times_of_samples(samples, execute):
    samples.to_csv("s.csv", index=False)
    command = ["windows", "s.csv", *SAMPLES, "--duration", "10", "-o", "w.parquet"]
    assert execute(*command)[0] == 0
    assert len(pq.read_table("w.parquet").to_pandas()["eda"][0]) == 40
    wrong = [*command[:-4], "8", *command[-4:]]
    assert_fails(1, execute(*wrong), "s.csv, subject '07'", "4 Hz", "8 Hz")
    samples.drop(columns="time").to_csv("s.csv", index=False)
    assert_fails(1, execute(*command), "no column of times", "pass the rate of --signal in Hz")


def test_options_of_times_of_samples(samples, execute):
    samples["time"] %= 30  # starts again in each trial
    samples.to_csv("s.csv", index=False)
    command = ["windows", "s.csv", *SAMPLES, "4", "--duration", "10", "-o", "w.parquet"]
    assert_fails(1, execute(*command), "line 122, 0, is not after", "pass --reading time=False")
    assert execute(*command, "--reading", "time=False")[0] == 0
    assert len(pq.read_table("w.parquet")) == 12
    other = execute(*command, "--reading", "decimal=,")
    assert_fails(2, other, "--reading decimal: s.csv is a table of samples, which takes only time,")
    samples["clock"] = np.tile(np.arange(240) / 4, 2)
    samples.loc[samples["who"] == "1", "clock"] *= 2
    samples.to_csv("s.csv", index=False)
    command = ["windows", "s.csv", *SAMPLES, "--duration", "10", "-o", "w.parquet"]
    clock = execute(*command, "--reading", "time=clock")
    assert_fails(1, clock, "s.csv: by their times, subjects are recorded at 2 to 4 Hz; write a")


def test_other_columns_of_tables_of_samples(samples, execute):
    samples.assign(time_pressure=samples["pain"] > 0).to_csv("s.csv", index=False)
    command = ["windows", "s.csv", *SAMPLES, "--duration", "10", "-o", "w.parquet"]
    assert execute(*command)[2].endswith("12 windows; dropped: none\n")
    drifting = samples["time"] * np.where(samples["who"] == "1", 1.00005, 1)
    samples.assign(time=drifting).to_csv("s.csv", index=False)
    assert execute(*command[:-4], "4", *command[-4:])[0] == 0
    irregular = execute(*command, "--label", "pain", "--reading", "irregular=interpolate")
    assert_fails(2, irregular, "--reading irregular: labels of samples cannot be interpolated")
    Path("events.csv").write_text("who,onset,level\n1,20,low\n")
    events = [
        "--events",
        "events.csv",
        "--around",
        "0",
        "5",
        "--resample-to",
        "2",
        "-o",
        "x.parquet",
    ]
    assert_fails(2, execute("windows", "s.csv", *SAMPLES, *events), "--resample-to is for record")


def test_labels_follow_signals_that_are_resampled_to_a_given_rate(tmp_path):
    """After 1,000 s, a rate that is 0.09 % too high is 0.9 s behind."""
    times = np.arange(4000) / (4 * 1.0009)
    rows = {"who": "1", "time": times, "eda": times, "pain": np.where(times < 900, "no", "yes")}
    pd.DataFrame(rows).to_csv(tmp_path / "s.csv", index=False)
    found = read_sample_table(tmp_path / "s.csv", "who", {"eda": "eda"}, 4.0, "pain", TimeOptions())
    (samples,), (labels,) = [[*each.values()] for each in (found[0]["1"].channels, found[1])]
    assert len(samples.samples) == len(labels) < 4000
    is_late = samples.samples >= 900
    assert np.sum(is_late != (labels == "yes")) <= 1


def test_windows_that_lack_one_of_several_labels_are_kept(study, arguments, execute):
    table = pd.read_csv(study / "events.csv", dtype=str, keep_default_na=False)
    table.insert(3, "note", "")
    table.to_csv(study / "events.csv", index=False)
    assert execute("windows", *arguments, "-o", "w.parquet")[2].endswith("dropped: none\n")
    found = pq.read_table("w.parquet").to_pandas()
    assert found["note"].isna().all()
    assert list(found)[:4] == ["subject", "event", "start_time", "note"]


def test_events_of_a_table_of_samples(samples, execute):
    samples.to_csv("s.csv", index=False)
    Path("events.csv").write_text("who,onset,level\n1,20,low\n07,10,high\n")
    command = ["windows", "s.csv", *SAMPLES, "--events", "events.csv", "--around", "0", "5"]
    assert execute(*command, "-o", "w.parquet")[0] == 0
    table = pq.read_table("w.parquet").to_pandas()
    assert table["subject"].tolist() == ["07", "1"]
    assert [cell[0] for cell in table["eda"]] == [10, 20]


def test_tables_of_samples_of_other_countries(samples, execute):
    samples.assign(pain=samples["pain"] + 0.5).to_csv("s.csv", index=False, sep=";", decimal=",")
    command = ["windows", "s.csv", *SAMPLES, "--label", "pain", "--duration", "10"]
    assert execute(*command, "-o", "w.parquet")[0] == 0
    table = pq.read_table("w.parquet").to_pandas()
    assert [cell[1] for cell in table["eda"]][:3] == [0.25, 10.25, 20.25]
    assert table["pain"].tolist() == 2 * [*3 * [0.5], *3 * [1.5]]


@pytest.mark.parametrize(
    ("separator", "quote", "encoding"), [(";", "", "latin-1"), ("\t", '"', "utf-16")]
)
def test_tables_of_windows_of_other_countries(tmp_path, execute, separator, quote, encoding):
    """The first decimal comma is in row 121, and the first letter beyond ASCII in row 122."""
    ratings = [*["5"] * 120, "5,5", "4,25"]
    subjects = [*["Anna"] * 121, "Jürgen"]
    rows = zip(subjects, ratings, strict=True)
    lines = [separator.join([who, f"{quote}{nrs}{quote}", "0", "1"]) for who, nrs in rows]
    text = "\r\n".join([separator.join(["subject", "nrs", "eda_0", "eda_1"]), *lines])
    path, written = tmp_path / "wide.csv", tmp_path / "w.parquet"
    path.write_bytes(text.encode(encoding))
    command = ["windows", path, "--signal", "eda", "EDA", "4", "--label", "nrs", "-o", written]
    code, _, errors = execute(*command)
    assert code == 0, errors
    table = pq.read_table(written).to_pandas()
    assert table["subject"].tolist() == subjects
    assert table["nrs"].tolist() == [*[5] * 120, 5.5, 4.25]
    assert np.stack(table["eda"]).tolist() == [[0, 1]] * 122


def test_commas_in_text_are_no_decimal_marks(tmp_path, execute):
    path, written = tmp_path / "wide.csv", tmp_path / "w.parquet"
    path.write_text("subject;task;eda_0;eda_1\nA;2,5 kg;0.5;1.5\nB;1,5-2;0.25;1\n")
    command = ["windows", path, "--signal", "eda", "EDA", "4", "--label", "task", "-o", written]
    assert execute(*command)[0] == 0
    assert np.stack(pq.read_table(written).to_pandas()["eda"]).tolist() == [[0.5, 1.5], [0.25, 1]]


def test_a_damaged_table(tmp_path, execute):
    path = tmp_path / "wide.csv"
    path.write_bytes(b"\xef\xbb\xbfsubject,eda_0\nA,1\nJ\xfcrgen,2\n")
    command = ["windows", path, "--signal", "eda", "EDA", "4", "-o", tmp_path / "w.parquet"]
    message = "Line 3 is not in utf-8-sig: invalid start byte; save the file as UTF-8."
    assert_fails(1, execute(*command), f"{path} cannot be read as CSV: {message}")


def test_a_table_of_events_in_the_folder_is_no_recording(study, execute):
    for signal in RATES:
        for path in study.glob(f"*_{signal}.csv"):
            path.unlink() if signal == "bvp" else path.rename(study / path.name.replace("_eda", ""))
    signal = ["--signal", "eda", "EDA"]
    for pattern in ([], ["--pattern", "{subject}.csv"]):
        command = ["windows", study, *pattern, *signal, "--events", study / "events.csv"]
        code, _, errors = execute(*command, "--label", "level", *AROUND, "-o", "w.parquet")
        assert code == 0, errors


def test_a_folder_that_is_a_recording(execute, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "P1"
    folder.mkdir()
    for name, rate in (("EDA", 4), ("TEMP", 4)):
        rows = ["1500000000.0", f"{rate}.0", *map(str, np.arange(80) / 10)]
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    command = ["windows", folder, "--signal", "EDA", "eda", "--duration", "10", "-o", "w.parquet"]
    code, _, errors = execute(*command)
    assert code == 0, errors
    assert pq.read_table("w.parquet").to_pandas()["subject"].tolist() == ["P1", "P1"]


# inspect


def test_inspect(study, execute):
    (study / "P4_eda.csv").write_text("time,eda\n" + "0,1\n0.25,2\n0.5,3\n0.75,4\n3,5\n")
    (study / "notes.txt").write_text("Room 3")
    code, output, errors = execute("inspect", study)
    assert code == 0
    assert "separator" in errors
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["file", "channel", "Hz", "unit", "seconds", "samples", "gaps"]
    assert len(lines) == 1 + 7 + 1
    assert lines[1][1:] == ["bvp", "16", "?", "80", "1280", "none"]
    assert lines[-2][1:] == ["eda", "4", "?", "3.25", "13", "1", "(8", "samples,", "2", "s)"]
    assert output.endswith("events.csv: 12 events of 3 subjects; labels: level, nrs, code\n")


def test_inspect_lists_the_others_of_an_unreadable_file(study, execute):
    (study / "P5_eda.csv").write_bytes(b"\x00\x01")
    (study / "P6.mat").touch()
    files = (study / "P5_eda.csv", "no.edf", study / "P6.mat", study / "P3_eda.csv")
    code, output, errors = execute("inspect", *files)
    assert code == 1
    assert "P3_eda.csv" in output
    assert "P5_eda.csv" in errors
    assert "There is no file no.edf" in errors
    assert ".hea, .acq. Convert it to one of these.\n" in errors
    assert errors.endswith("error: 3 files cannot be read\n")


def test_inspect_annotations(tmp_path, execute):
    edfio = pytest.importorskip("edfio")
    signal = edfio.EdfSignal(np.linspace(1, 2, 40), 4, label="EDA", physical_dimension="uS")
    marks = [edfio.EdfAnnotation(1, 2, "pain"), edfio.EdfAnnotation(5, 2, "pain")]
    edfio.Edf([signal], annotations=marks).write(tmp_path / "S1.edf")
    code, output, errors = execute("inspect", tmp_path)
    assert (code, errors) == (0, "")
    assert "EDA  4   uS      10      40 none" in output
    assert "2 annotations: 'pain' 2" in output
    assert "pain" not in execute("inspect", tmp_path, "--headers-only")[1]
