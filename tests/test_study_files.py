"""A study's files: found by patterns, folders and tables, one bad subject at a time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.recordings import Channel, Recording, RecordingError, read_study
from sklearn_biomoe.recordings.study_files import _join

RATES = {"eda": 4, "bvp": 8}


def write(path, *columns):
    """A column per name, whose samples are the position of the name and of the sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({name: i + np.arange(4) / 10 for i, name in enumerate(columns)})
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def folder(tmp_path):
    for subject in ("P02", "P01"):
        write(tmp_path / f"{subject}_eda.csv", "eda")
        write(tmp_path / f"{subject}_bvp.CSV", "value")
    (tmp_path / "events.csv").write_text("subject,onset\nP01,1\n")
    (tmp_path / ".hidden_eda.csv").write_text("")
    return tmp_path


def test_a_file_for_each_subject_and_signal(folder):
    recordings = read_study(folder, "{subject}_{signal}.csv", sampling_rates=RATES)
    assert list(recordings) == ["P01", "P02"]
    assert recordings["P01"].subject == "P01"
    assert {name: each.sampling_rate for name, each in recordings["P02"].channels.items()} == RATES
    np.testing.assert_allclose(recordings["P02"]["bvp"].samples, [0, 0.1, 0.2, 0.3])
    assert repr(recordings) == "StudyRecordings(2 subjects: P01, P02)"
    assert len(recordings.skipped) == 0


def test_only_the_signals_that_are_wanted(folder):
    recordings = read_study(folder, "{subject}_{signal}.csv", signals={"eda": "eda"},
                            sampling_rates=RATES)  # fmt: skip
    assert list(recordings["P01"].channels) == ["eda"]


def test_a_folder_for_each_subject(tmp_path):
    for subject in ("S1", "S2"):
        write(tmp_path / subject / "raw" / "eda.csv", "eda")
    recordings = read_study(tmp_path, "{subject}/raw/{signal}.csv", sampling_rates={"eda": 4})
    assert list(recordings) == ["S1", "S2"]


def test_a_file_for_each_subject_in_any_case_of_the_suffix(tmp_path):
    write(tmp_path / "S1.csv", "EDA", "Pulse")
    write(tmp_path / "S2.CSV", "EDA", "Pulse")
    names = {"eda": "EDA", "bvp": "Pulse"}
    for pattern in (None, "{subject}.csv"):
        recordings = read_study(tmp_path, pattern, signals=names, sampling_rates=RATES)
        assert list(recordings) == ["S1", "S2"]
        assert list(recordings["S2"].channels) == ["eda", "bvp"]
        assert recordings["S2"]["bvp"].sampling_rate == 8
        np.testing.assert_allclose(recordings["S2"]["bvp"].samples, [1, 1.1, 1.2, 1.3])


def test_a_table_of_files(folder):
    rows = [("007", "eda", "P01_eda.csv"), ("07", "eda", "P02_eda.csv")]
    table = pd.DataFrame(rows, columns=["subject", "signal", "path"])
    table.to_csv(folder / "files.csv", index=False)
    from_file = read_study(folder / "files.csv", sampling_rates=RATES)
    assert list(from_file) == ["007", "07"]
    table["path"] = [folder / path for path in table["path"]]
    assert list(read_study(table, sampling_rates=RATES)) == ["007", "07"]


def test_a_table_of_files_of_another_country(folder):
    text = "subject;signal;path\nJürgen;eda;P01_eda.csv\nNA;eda;P02_eda.csv\n"
    (folder / "files.csv").write_bytes(text.encode("cp1252"))
    found = read_study(folder / "files.csv", sampling_rates=RATES)
    assert {name: each.source for name, each in found.items()} == {
        "Jürgen": str(folder / "P01_eda.csv"), "NA": str(folder / "P02_eda.csv")
    }  # fmt: skip


def test_rows_of_a_table_may_be_filtered_and_in_any_order(tmp_path):
    rows = [(subject, write(tmp_path / f"{subject}.csv", *["x"] * at, "eda"))
            for at, subject in enumerate(["P0", "P1", "P2"])]  # fmt: skip
    table = pd.DataFrame(rows, columns=["subject", "path"]).iloc[[2, 1]]
    found = read_study(table, signals={"eda": "eda"}, sampling_rates={"eda": 4})
    assert {name: one["eda"].samples[0] for name, one in found.items()} == {"P2": 2, "P1": 1}


def test_a_bad_file_is_named_and_may_be_skipped(folder):
    (folder / "P02_eda.csv").write_text("eda\n0.5\nbroken\n")
    (folder / "P03_eda.csv").write_text("eda\n0.5\n0.6\n")
    settings = {"signals": {"eda": "eda", "bvp": "bvp"}, "sampling_rates": RATES}
    with pytest.raises(RecordingError, match=r"Subject 'P02': .*P02_eda.csv.*on_error='skip'"):
        read_study(folder, "{subject}_{signal}.csv", **settings)
    recordings = read_study(folder, "{subject}_{signal}.csv", on_error="skip", **settings)
    assert list(recordings) == ["P01"]
    assert recordings.skipped["subject"].tolist() == ["P02", "P03"]
    assert "P02_eda.csv" in recordings.skipped["reason"][0]
    assert "no file of the signal 'bvp'" in recordings.skipped["reason"][1]
    assert "2 skipped" in repr(recordings)


def test_a_subject_without_a_signal_of_the_others(folder):
    (folder / "P02_bvp.CSV").unlink()
    arguments = folder, "{subject}_{signal}.csv"
    with pytest.raises(RecordingError, match="Subject 'P02': no file of the signal 'bvp'"):
        read_study(*arguments, sampling_rates=RATES)
    recordings = read_study(*arguments, sampling_rates=RATES, on_error="skip")
    assert list(recordings) == ["P01"]
    assert recordings.skipped["subject"].tolist() == ["P02"]
    only = read_study(*arguments, signals={"eda": "eda"}, sampling_rates=RATES)
    assert list(only) == ["P01", "P02"]


def test_files_that_start_at_other_times_are_aligned():
    start = datetime(2024, 5, 1, tzinfo=UTC)
    parts = [
        Recording({"hr": Channel([60.0, 61.0], 1)}, start_time=start + timedelta(seconds=10)),
        Recording({"eda": Channel(np.ones(80), 4)}, start_time=start),
    ]
    joined = _join(parts)
    assert joined.start_time == start
    np.testing.assert_array_equal(joined["hr"].samples, [*[np.nan] * 10, 60, 61])
    assert len(joined["eda"].samples) == 80
    parts[1] = Recording(parts[1].channels)
    with pytest.raises(RecordingError, match="cannot be aligned"):
        _join(parts)


def test_annotations_keep_their_columns_and_repeats():
    tags = pd.DataFrame({"onset": [1.0, 1.0], "duration": np.nan, "label": "tag", "rating": [3, 3]})
    parts = [
        Recording({name: Channel(np.arange(40.0), 4)}, annotations=tags, source=name)
        for name in ("eda", "bvp")
    ]
    pd.testing.assert_frame_equal(_join(parts[:1]).annotations, tags)
    pd.testing.assert_frame_equal(_join(parts).annotations, tags)  # both files have both tags


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{signal}.csv", "expected {subject} once"),
        ("{subject}_{subject}.csv", "expected {subject} once"),
        ("{subject}_{session}.csv", "expected {subject} once"),
    ],
)
def test_wrong_patterns(folder, pattern, message):
    with pytest.raises(ValueError, match=message):
        read_study(folder, pattern)


def test_nothing_found(folder, tmp_path):
    with pytest.raises(RecordingError, match=r"No file .* matches '{subject}.edf'; it holds"):
        read_study(folder, "{subject}.edf")
    with pytest.raises(FileNotFoundError, match="no folder or table"):
        read_study(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="holds no recordings; it holds nothing"):
        read_study(tmp_path / "empty")
    with pytest.raises(RecordingError, match="no column 'path'; its columns are 'subject'"):
        read_study(folder / "events.csv")


def test_two_files_of_one_signal(tmp_path):
    for part in ("old", "new"):
        write(tmp_path / part / "P01_eda.csv", "eda")
    with pytest.raises(RecordingError, match="have the signal 'eda' of subject 'P01'"):
        read_study(tmp_path, "*/{subject}_{signal}.csv", sampling_rates=RATES)


def test_the_only_channel_has_another_name_than_the_one_given(tmp_path):
    write(tmp_path / "S1_wrist.csv", "EDA")
    pattern, rates = "{subject}_{signal}.csv", {"wrist": 4}
    with pytest.raises(RecordingError, match="'EDA', and none is called 'conductance'"):
        read_study(tmp_path, pattern, signals={"wrist": "conductance"}, sampling_rates=rates)
    assert list(read_study(tmp_path, pattern, sampling_rates=rates)["S1"].channels) == ["wrist"]


def test_an_ambiguous_channel(tmp_path):
    write(tmp_path / "S1_wrist.csv", "EDA", "Temp")
    with pytest.raises(RecordingError, match="'EDA', 'Temp', and none is called 'wrist'"):
        read_study(tmp_path, "{subject}_{signal}.csv", sampling_rates={"wrist": 4})
    recordings = read_study(
        tmp_path, "{subject}_{signal}.csv", signals={"wrist": "EDA"}, sampling_rates={"wrist": 4}
    )
    assert list(recordings["S1"].channels) == ["wrist"]


def test_files_on_both_sides_of_a_change_of_the_clock(tmp_path):
    """01:30 is 40 minutes before 03:10, when clocks are put forward at 02:00."""
    for name, start in (("eda", "2024-03-31 01:30"), ("bvp", "2024-03-31 03:10")):
        times = pd.date_range(start, periods=100, freq="1s").strftime("%Y-%m-%d %H:%M:%S")
        frame = pd.DataFrame({"time": times, name: 1.5})
        frame.to_csv(tmp_path / f"P1_{name}.csv", index=False)
    found = read_study(tmp_path, "{subject}_{signal}.csv", timezone="Europe/Berlin")["P1"]
    assert np.isnan(found["bvp"].samples).sum() == 2400
    assert (found.start_time.hour, found.start_time.minute) == (1, 30)


@pytest.mark.parametrize(
    "text",
    ["subject,onset\nP1,0\n", '"subject","onset"\n"P1",0\n', "\ufeffsubject;onset\r\nP1;0\r\n"],
)
def test_tables_of_events_are_no_recordings(tmp_path, text):
    write(tmp_path / "P1.csv", "eda")
    (tmp_path / "events.csv").write_bytes(text.encode())
    assert list(read_study(tmp_path, sampling_rates={"eda": 4})) == ["P1"]
