"""Events: tables of events, and windows at them."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.recordings import Channel, Recording
from sklearn_biomoe.recordings.recording import make_annotations
from sklearn_biomoe.signals import cut_windows, read_events

START = datetime(2024, 5, 1, 9, 30, tzinfo=timezone.utc)  # noqa: UP017


def recording(seconds=60, gap=None, **settings):
    """Samples are their own times in seconds, at 4 and 8 Hz."""
    channels = {}
    for name, rate in (("eda", 4), ("bvp", 8)):
        samples = np.arange(seconds * rate) / rate
        if gap is not None and name == "eda":
            samples[(samples >= gap[0]) & (samples < gap[1])] = np.nan
        channels[name] = Channel(samples, rate)
    return Recording(channels, **settings)


def events(*rows, columns=("subject", "onset", "duration", "level")):
    return pd.DataFrame(list(rows), columns=list(columns))


def test_windows_tile_each_event():
    table = events(("S1", 10, 20, "low"), ("S1", 40, 19.9, "high"), ("S1", 5, 3, "short"))
    windows = cut_windows({"S1": recording()}, events=table, duration=10)
    assert windows.start_times.tolist() == [10, 20, 40]
    assert windows.target.tolist() == ["low", "low", "high"]
    assert windows.events["event"].tolist() == [0, 0, 1]
    assert windows.dropped.to_dict("list") == {
        "subject": ["S1"], "event": [2], "start_time": [5.0],
        "reason": ["event shorter than a window"],
    }  # fmt: skip
    np.testing.assert_array_equal(windows.data["eda"][1], 20 + np.arange(40) / 4)
    np.testing.assert_array_equal(windows.data["bvp"][2], 40 + np.arange(80) / 8)
    assert windows.sampling_rates == {"eda": 4, "bvp": 8}


@pytest.mark.parametrize("name", ["event", "start_time", "reason"])
def test_columns_of_windows_are_no_columns_of_events(name):
    table = events(("S1", 10, 20, "low", 50), columns=("subject", "onset", "duration", "a", name))
    with pytest.raises(ValueError, match=f"events have the column '{name}', a name .*; rename"):
        cut_windows({"S1": recording()}, events=table, duration=10, label="a")


def test_windows_around_onsets_keep_all_label_columns():
    columns = ("subject", "onset", "duration", "level", "nrs")
    table = events(("S2", 30, 8, "low", 2), ("S1", 20, 8, "none", 0), columns=columns)
    recordings = {"S1": recording(), "S2": recording()}
    windows = cut_windows(recordings, events=table, around=(-2, 18), label="nrs")
    assert windows.groups.tolist() == ["S1", "S2"]
    assert windows.target.tolist() == [0, 2]
    assert windows.target.dtype == np.int64
    assert windows.events.to_dict("list") == {
        "subject": ["S1", "S2"], "event": [1, 0], "start_time": [18.0, 28.0],
        "level": ["none", "low"], "nrs": [0, 2],
    }  # fmt: skip
    assert [len(window) for window in windows.data["bvp"]] == [160, 160]
    assert windows.data["eda"][0][0] == 18


def test_overlapping_steps():
    table = events(("S1", 10, 20, "low"))
    windows = cut_windows({"S1": recording()}, events=table, duration=10, step=2.5)
    assert windows.start_times.tolist() == [10, 12.5, 15, 17.5, 20]


def test_baseline_is_subtracted():
    table = events(("S1", 20, 8, "low"))
    windows = cut_windows({"S1": recording()}, events=table, around=(0, 4), baseline=(-2, 0))
    before = np.arange(18, 20, 0.25).mean()
    np.testing.assert_allclose(windows.data["eda"][0], 20 + np.arange(16) / 4 - before)


UNUSABLE = events(
    ("S1", 1, 5, "a"),
    ("S1", 20, 5, "b"),
    ("S1", 30, 5, "c"),
    ("S1", 50, 5, "d"),
    ("S1", 55, 1, "e"),
)


def test_unusable_windows_are_dropped_by_reason():
    windows = cut_windows({"S1": recording(gap=(31, 32))}, events=UNUSABLE, around=(-2, 6))
    assert windows.target.tolist() == ["b"]
    assert windows.dropped[["event", "reason"]].to_numpy().tolist() == [
        [0, "before the start"],
        [2, "gap in 'eda'"],
        [3, "overlaps event 4"],
        [4, "past the end of 'eda'"],
    ]


def test_unusable_windows_are_kept_as_missing():
    recordings = {"S1": recording(gap=(31, 32))}
    windows = cut_windows(recordings, events=UNUSABLE, around=(-2, 6), unusable="missing")
    assert windows.target.tolist() == ["b", "c"]
    assert windows.data["eda"][1] is None
    np.testing.assert_array_equal(windows.data["bvp"][1], 28 + np.arange(64) / 8)
    assert windows.dropped["reason"].tolist() == [
        "outside the recording", "overlaps event 4", "outside the recording"
    ]  # fmt: skip


def test_unusable_windows_raise():
    recordings = {"S1": recording(gap=(31, 32))}
    with pytest.raises(ValueError, match=r"of event 0, cannot be used: before the start .4 of 5"):
        cut_windows(recordings, events=UNUSABLE, around=(-2, 6), unusable="raise")


def test_a_gap_in_the_baseline():
    table = events(("S1", 20, 5, "a"), ("S1", 33, 5, "b"))
    windows = cut_windows(
        {"S1": recording(gap=(31, 32))}, events=table, around=(0, 6), baseline=(-2, 0)
    )
    assert windows.dropped["reason"].tolist() == ["gap in the baseline of 'eda'"]


def test_equal_labels_may_overlap():
    table = events(("S1", 10, 20, "a"), ("S1", 20, 20, "a"))
    windows = cut_windows({"S1": recording()}, events=table, duration=10)
    assert windows.start_times.tolist() == [10, 20, 20, 30]


def test_annotations_are_events():
    notes = make_annotations([(10, 20, "baseline"), (40, 20, "pain")])
    windows = cut_windows({"S1": recording(annotations=notes)}, events="annotations", duration=10)
    assert windows.target.tolist() == ["baseline", "baseline", "pain", "pain"]
    with pytest.raises(ValueError, match=r"needs Recording objects, but the recordings of .* 'S2'"):
        cut_windows({"S2": {"eda": np.zeros(40)}}, {"eda": 4}, events="annotations", duration=1)


def test_timestamps_count_from_the_start_of_the_recording():
    onsets = [pd.Timestamp(START + timedelta(seconds=20)), pd.Timestamp(START)]
    table = events(("S1", onsets[0], 10, "b"), ("S1", onsets[1], 10, "a"))
    windows = cut_windows({"S1": recording(start_time=START)}, events=table, duration=10)
    assert windows.start_times.tolist() == [20, 0]
    with pytest.raises(ValueError, match="recording of subject 'S1' has no start time"):
        cut_windows({"S1": recording()}, events=table, duration=10)
    naive = recording(start_time=START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="both with or both without a time zone"):
        cut_windows({"S1": naive}, events=table, duration=10)


def test_timestamps_in_columns_of_objects():
    """As of two seasons, whose offsets differ."""
    winter, summer = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))
    onsets = [START.astimezone(winter), (START + timedelta(seconds=20)).astimezone(summer)]
    table = events(*[("S1", onset, 10, "a") for onset in onsets])
    assert table["onset"].dtype == object
    windows = cut_windows({"S1": recording(start_time=START)}, events=table, duration=10)
    assert windows.start_times.tolist() == [0, 20]


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_missing_timestamps(zone):
    onsets = pd.to_datetime(["2024-05-01 09:30:20", None]).tz_localize(zone)
    table = events(("S1", 0, 10, "a"), ("S1", 0, 10, "b")).assign(onset=onsets)
    with pytest.raises(ValueError, match="events, row 1: onset is 'NaT'; expected seconds"):
        cut_windows({"S1": recording(start_time=START)}, events=table, duration=10)


def test_timestamps_among_seconds():
    table = events(("S1", 10, 10, "a"), ("S1", START, 10, "b"))
    with pytest.raises(ValueError, match="events, row 1: onset is '2024-05-01 09:30:00"):
        cut_windows({"S1": recording(start_time=START)}, events=table, duration=10)


@pytest.mark.parametrize("categories", [["S2", "S1"], ["S1", "S2", "S3"]])
def test_categories_of_subjects(categories):
    table = events(("S2", 10, 10, "a"), ("S1", 20, 10, "b"))
    recordings = {"S1": recording(), "S2": recording(90)}
    expected = cut_windows(recordings, events=table, duration=10)
    table["subject"] = pd.Categorical(table["subject"], categories)
    windows = cut_windows(recordings, events=table, duration=10)
    pd.testing.assert_frame_equal(windows.data, expected.data)
    pd.testing.assert_frame_equal(windows.events, expected.events)


def test_sampling_rates_of_recordings_have_to_agree():
    other = Recording({"eda": Channel(np.zeros(80), 5), "bvp": Channel(np.zeros(80), 8)})
    table = events(("S1", 0, 5, "a"))
    with pytest.raises(ValueError, match="'eda' of subject 'S2' has 5 Hz; expected 4 Hz"):
        cut_windows({"S1": recording(), "S2": other}, events=table, duration=5)
    only = cut_windows({"S1": recording()}, {"bvp": 8}, events=table, duration=5)
    assert list(only.data.columns) == ["subject", "bvp"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "duration=None; expected a finite number above 0"),
        ({"around": (18, -2)}, r"around=\(18, -2\); expected seconds"),
        ({"around": (-2, 18), "duration": 5}, "leave out duration and step"),
        ({"duration": 5, "baseline": (0, 0)}, r"baseline=\(0, 0\); expected seconds"),
        ({"duration": 5, "unusable": "keep"}, "Unknown unusable 'keep'"),
        ({"duration": 5, "label": "nrs"}, "label='nrs' is not a column of events; .*'level'"),
        ({"duration": 5, "step": -1}, "step=-1; expected"),
        ({"duration": 0.01}, "shorter than a sample of 'eda'"),
    ],
)
def test_refused_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        cut_windows({"S1": recording()}, events=events(("S1", 10, 20, "a")), **settings)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            events(("S9", 10, 20, "a")),
            "subjects without a recording: 'S9'; the subjects .* are 'S1'",
        ),
        (events((10, 20), columns=("onset", "duration")), "column 'subject' is missing"),
        (events(("S1", "ten", 20, "a")), "events, row 0: onset is 'ten'"),
        (events(("S1", np.nan, 20, "a")), "events, row 0: onset is 'nan'"),
        (events(("S1", 10, -1, "a")), "events, row 0: duration is -1"),
        (
            events(("S1", 1, 9, "a", 2), columns=("subject", "onset", "duration", "level", "nrs")),
            "2 columns of labels: 'level', 'nrs'; pass label=",
        ),
    ],
)
def test_refused_tables(table, message):
    with pytest.raises(ValueError, match=message):
        cut_windows({"S1": recording()}, events=table, duration=5)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_and_subjects_are_read_as_written(tmp_path):
    text = "subject,onset,duration,level,code,nrs,note\n007,1,2,None,1E3,0,\n07,3.5,,NA,0,7.5,x\n"
    table = read_events(write(tmp_path / "events.csv", text))
    assert table["subject"].tolist() == ["007", "07"]
    assert table["level"].tolist() == ["None", "NA"]
    assert table["code"].tolist() == ["1E3", "0"]
    assert table["nrs"].tolist() == [0.0, 7.5]
    assert table["onset"].tolist() == [1, 3.5]
    assert table["duration"].isna().tolist() == [False, True]
    assert table["note"].isna().tolist() == [True, False]


def test_names_of_columns_and_separators(tmp_path):
    path = write(tmp_path / "events.tsv", "who\tt\tlevel\nS1\t10\tlow\n")
    table = read_events(path, columns={"subject": "who", "onset": "t"})
    assert table.to_dict("list") == {"subject": ["S1"], "onset": [10], "level": ["low"]}
    with pytest.raises(ValueError, match="column 'subject' is missing; the columns are 'who', 't'"):
        read_events(path)
    with pytest.raises(ValueError, match="column 'when' is missing"):
        read_events(path, columns={"onset": "when"})


def test_timestamps_and_wrong_times(tmp_path):
    text = "subject,onset,level\nS1,2024-05-01T09:30:00+00:00,a\nS1,2024-05-01T09:31:00+00:00,b\n"
    onsets = read_events(write(tmp_path / "a.csv", text))["onset"]
    assert (onsets[1] - onsets[0]).total_seconds() == 60
    wrong = write(tmp_path / "b.csv", "subject,onset,duration\nS1,1,2\nS1,1,long\n")
    with pytest.raises(ValueError, match=r"b\.csv, line 3: duration is 'long'; expected seconds"):
        read_events(wrong)
    wrong = write(tmp_path / "c.csv", "subject,onset\nS1,1\nS1,soon\n")
    with pytest.raises(
        ValueError, match=r"c\.csv, line 3: onset is 'soon'; expected seconds, or ISO"
    ):
        read_events(wrong)


def test_offsets_of_two_seasons_and_separators_at_the_end(tmp_path):
    text = "subject,onset\nS1,2024-01-01T09:30:00+01:00\nS2,2024-07-01T09:30:00+02:00\n"
    onsets = read_events(write(tmp_path / "a.csv", text))["onset"]
    assert onsets.dt.hour.tolist() == [8, 7]
    text = "subject,onset,duration,nrs\n1,2,10,3,\n2,3,10,4,\n"
    table = read_events(write(tmp_path / "b.csv", text))
    assert table["subject"].tolist() == ["1", "2"]
    assert table["nrs"].tolist() == [3, 4]
    for text in ("subject,onset\n1,2,9\n2,3,8\n", "subject,onset\n1,2\n2,3,8\n"):
        with pytest.raises(ValueError, match=r"c\.csv cannot be read as CSV: "):
            read_events(write(tmp_path / "c.csv", text))


def test_another_separator(tmp_path):
    path = write(tmp_path / "events.csv", "subject/onset/level\nS1/10/low\n")
    with pytest.raises(ValueError, match=r"one column, 'subject.onset.level'; pass separator="):
        read_events(path)
    assert read_events(path, separator="/")["level"].tolist() == ["low"]


def test_tables_of_other_countries(tmp_path):
    path = tmp_path / "events.csv"
    text = "subject;onset;duration;nrs;note\nMüller;10,5;20;3,5;a,b\n007;1,250;;4;c\n"
    path.write_bytes(text.encode("cp1252"))
    table = read_events(path)
    assert table["subject"].tolist() == ["Müller", "007"]
    assert table["onset"].tolist() == [10.5, 1.25]
    assert table["nrs"].tolist() == [3.5, 4]
    assert table["note"].tolist() == ["a,b", "c"]
    unclear = write(tmp_path / "b.csv", "subject;onset\nS1;1,250\nS1;40\n")
    with pytest.raises(ValueError, match=r"b\.csv, line 2: onset is '1,250', .* pass decimal=','"):
        read_events(unclear)
    assert read_events(unclear, decimal=",")["onset"].tolist() == [1.25, 40]


def test_windows_without_a_label_are_dropped():
    table = events(("S1", 10, 20, "low"), ("S1", 32, 20, None))
    windows = cut_windows({"S1": recording()}, events=table, duration=20)
    assert windows.target.tolist() == ["low"]
    assert windows.dropped["reason"].tolist() == ["no label"]


def test_the_order_of_levels_and_types_are_kept():
    columns = ("subject", "onset", "duration", "level", "nrs")
    table = events(("S1", 10, 8, "none", 0), ("S1", 20, 2, "low", 3), ("S1", 30, 8, "high", 9),
                   columns=columns)  # fmt: skip
    table["level"] = pd.Categorical(table["level"], ["none", "low", "high"], ordered=True)
    windows = cut_windows({"S1": recording()}, events=table, duration=8, label="level")
    assert windows.dropped["reason"].tolist() == ["event shorter than a window"]
    assert windows.target.ordered
    assert windows.target.categories.tolist() == ["none", "low", "high"]
    assert windows.target.tolist() == ["none", "high"]
    assert windows.events["nrs"].dtype == np.int64
    assert windows.events["level"].dtype == table["level"].dtype


@pytest.mark.parametrize("factor", [1000, 1 / 60])
def test_onsets_that_are_no_seconds_are_a_warning(factor):
    rows = [("S1", onset * factor, 8 * factor, "low") for onset in (0, 20, 40, 60, 80)]
    with pytest.warns(UserWarning, match="The last event begins at .* recording lasts 100 s: onse"):
        cut_windows({"S1": recording(100)}, events=events(*rows), around=(0, 0.5))


def test_subjects_without_events_are_a_warning():
    recordings = {"S1": recording(), "S2": recording(), "S3": recording()}
    with pytest.warns(UserWarning, match="no events, and so no windows, of subjects 'S2', 'S3'"):
        cut_windows(recordings, events=events(("S1", 10, 20, "low")), duration=20)


def test_numbers_and_text_are_different_subjects():
    table = events(("1", 10, 20, "low"))
    with pytest.raises(ValueError, match=r"a recording: '1'; .* are 1\. Convert one of them: text"):
        cut_windows({1: recording()}, events=table, duration=20)
