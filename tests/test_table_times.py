"""Columns of times, in text and in Parquet: the rate they give, gaps, units, zones and clocks."""

import csv
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

NAN = float("nan")
PLACES = [0, 1, 2, 5, 6]  # of samples at 4 Hz, with a gap
EDA = [0.5, 0.6, 0.7, NAN, NAN, 1.0, 1.1]
BERLIN = ZoneInfo("Europe/Berlin")


def write(folder, times, name="time", start="", places=PLACES):
    rows = "".join(
        f"{at};{0.5 + place / 10:.1f}\n" for at, place in zip(times, places, strict=True)
    )
    (folder / "S1.csv").write_text(f"{start}{name};eda\n{rows}")
    return folder / "S1.csv"


def dates(start, form=None, places=PLACES):
    """Return dates of places at 4 Hz, as text if a format is given."""
    found = [start + timedelta(seconds=place / 4) for place in places]
    return found if form is None else [format(date, form) for date in found]


NOON = datetime(2024, 3, 1, 12)
LATE = datetime(2024, 3, 1, 23, 59, 59, 500000)
IN_2023 = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # 1.7e9 s since 1970
FIVE = [0.1, 0.2, 0.3, 0.4, 0.5]
SECONDS = [f"2024-03-01T12:00:0{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("name", "times", "start_time"),
    [
        ("time", [p / 4 for p in PLACES], None),
        ("t", [p / 4 for p in PLACES], None),
        ("Time [s]", [p / 4 for p in PLACES], None),
        ("time_ms", [250 * p for p in PLACES], None),
        ("Time (ms)", [250 * p for p in PLACES], None),
        ("elapsed_us", [250000 * p for p in PLACES], None),
        ("seconds", [p / 4 for p in PLACES], None),
        ("min", [p / 240 for p in PLACES], None),
        ("timestamp", [1.7e9 + p / 4 for p in PLACES], IN_2023),
        ("UnixTime", [int(1.7e12) + 250 * p for p in PLACES], IN_2023),
        ("t_ns", [int(1.7e18) + 250000000 * p for p in PLACES], IN_2023),
        ("time", dates(NOON, "%Y-%m-%dT%H:%M:%S.%f"), NOON),
        ("Date", dates(NOON, "%Y-%m-%d %H:%M:%S.%f"), NOON),
        ("", dates(NOON, "%Y-%m-%d %H:%M:%S.%f"), NOON),
        ("time", dates(NOON, "%Y/%m/%d %H:%M:%S,%f"), NOON),
        ("time", dates(NOON, "%Y-%m-%dT%H:%M:%S.%fZ"), NOON.replace(tzinfo=UTC)),
        ("time", dates(NOON, "%Y-%m-%d %H:%M:%S.%f +0100"), NOON.replace(hour=11, tzinfo=UTC)),
        ("time", dates(LATE, "%H:%M:%S.%f"), None),
    ],
)
def test_times_give_rate_and_gaps(name, times, start_time, tmp_path):
    path = write(tmp_path, times, name)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording["eda"].samples, EDA)
    assert recording["eda"].sampling_rate == 4
    assert recording.start_time == start_time
    assert list(recording.channels) == ["eda"]
    assert sum("The times are in column" in note for note in recording.notes) == 1
    assert read_recording(path, sampling_rate=4)["eda"].sampling_rate == 4
    assert list_channels(path).values.tolist() == [["eda", 4, "", 1.75, 7]]
    message = "'eda' is recorded at 4 Hz, but sampling_rate is 64 Hz"
    with pytest.raises(RecordingError, match=f"S1.csv: channel {message}"):
        read_recording(path, sampling_rate=64)


def test_names_that_only_look_like_times(tmp_path):
    path = tmp_path / "S1.csv"
    path.write_text("T,reaction time,date,EDA\n33.1,0.3,2024-03-01,1\n33.0,0.2,2024-03-01,2\n")
    recording = read_recording(path, sampling_rate=4)
    assert list(recording.channels) == ["T", "reaction time", "EDA"]
    assert "Column 'reaction time' is not read as times: " in "".join(recording.notes)


@pytest.mark.parametrize("zone", [BERLIN, None])
@pytest.mark.parametrize(
    "start",
    [datetime(2024, month, day, 0, 59, 59, tzinfo=UTC) for month, day in ((3, 31), (10, 27))],
)
def test_clock_changes(start, zone, tmp_path):
    """Local times are read with their offset or the name of their zone, and refused without."""
    places = list(range(12))
    expected = np.round(0.5 + np.arange(12) / 10, 1)
    local = [date.astimezone(BERLIN) for date in dates(start, places=places)]
    if zone is None:
        path = write(tmp_path, [date.isoformat() for date in local], places=places)
        recording = read_recording(path)
        assert recording.start_time.timestamp() == start.timestamp()
    else:
        path = write(tmp_path, [d.replace(tzinfo=None).isoformat() for d in local], places=places)
        message = "an hour after the one before" if start.month == 3 else "is not after the one"
        with pytest.raises(RecordingError, match=f"line 6, .*{message}.*pass timezone, such"):
            read_recording(path)
        recording = read_recording(path, timezone="Europe/Berlin")
        assert recording.start_time.timestamp() == start.timestamp()
        assert recording.start_time.utcoffset() == local[0].utcoffset()
    np.testing.assert_array_equal(recording["eda"].samples, expected)


def test_an_hour_without_samples(tmp_path):
    """A jump as at a clock change is a gap if the user passes a zone without changes."""
    times = ["2024-03-31 01:59:59.5", "2024-03-31 01:59:59.75", "2024-03-31 03:00:00.0"]
    path = write(tmp_path, times, places=range(3))
    with pytest.raises(RecordingError, match="if nothing was recorded, pass timezone='UTC'"):
        read_recording(path)
    assert len(read_recording(path, timezone="UTC")["eda"].samples) == 3 + 4 * 3600
    with pytest.raises(RecordingError, match=r"are not in 'Europe/Berlin': .*02:"):
        read_recording(
            write(tmp_path, ["2024-03-31 02:30:00.25", "2024-03-31 02:30:00.5"], places=[0, 1]),
            timezone="Europe/Berlin",
        )


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (
            [0, 4, 8, 20, 24],
            {},
            r"Column 'time' rises by 4 from row to row and states no unit; "
            r"pass time_unit, such as 's' \(0.25 Hz\), 'ms' \(250 Hz\), 'us' .* time=False",
        ),
        ([0, 4, 8, 20, 24], {"sampling_rate": 64}, "no unit, and sampling_rate is 64 Hz"),
        ([0, 1, 2, 5, 6], {}, r"'s' \(1 Hz\), 'ms' \(1000 Hz\)"),
        (
            [0, 1, 1, 2, 3],
            {},
            r"The time in column 'time', line 4, 1, is not after the one before, 1 \(1 such "
            r"rows\). If the clock is too coarse or not reliable, pass time=False and sampling",
        ),
        ([0, 1, 0.5, 2, 3], {}, "column 'time', line 4, 0.5, is not after"),
        (["0", "", "2", "3", "4"], {}, r"'time' has no time in line 3 \(1 such rows\); pass"),
        (
            ["a", "b", "c", "d", "e"],
            {},
            "Column 'time', line 2, has 'a'; expected numbers, "
            "times of day, or dates such as .* pass time_format, .* or time=False",
        ),
        (["0", "1", "x", "3", "4"], {}, "Line 4, column 'time': 'x' is not a number"),
        (["01.03.2024 12:00:00"] * 5, {}, "'01.03.2024 12:00:00'; expected"),
        (["12:00:00", "12:00:01", "12.00.02", "", "1"], {}, "has no time in line 5"),
        (
            ["12:00:00", "12:00:01", "12.00.02", "3", "1"],
            {},
            "line 4, has '12.00.02'; expected a time of day, as in the first row",
        ),
        (
            [time + "Z" * (i != 2) for i, time in enumerate(SECONDS)],
            {},
            "line 4, has .*; expected a zone, as in other rows",
        ),
        (["2024-13-01T12:00:00"] * 5, {}, "line 2, has '2024-13-01T12:00:00'"),
        (FIVE, {"time_format": "%H"}, "has numbers, for which time_forma"),
        (FIVE, {"timezone": "UTC"}, "and timezone are not used"),
        (["12:00:00"] * 5, {"time_unit": "s"}, "has text or dates, for which time_unit is not"),
        ([f"{time}Z" for time in SECONDS], {"timezone": "UTC"}, "have a zone; lea"),
        (["1", "2", "3", "4", "5"], {"time": "eda", "time_format": "%H"}, "'eda' has numbers"),
        ([0, 0.1, 0.2, 0.3, 1e9], {}, "spread over 1e"),
    ],
)
def test_times_that_are_refused(times, options, message, tmp_path):
    with pytest.raises(RecordingError, match=f"S1.csv: .*{message}"):
        read_recording(write(tmp_path, times), **options)


@pytest.mark.parametrize(
    ("times", "options"),
    [
        ([250 * p for p in PLACES], {"time_unit": "ms"}),
        ([250 * p for p in PLACES], {"sampling_rate": 4}),
        (dates(NOON, "%d.%m.%Y %H:%M:%S.%f"), {"time_format": "%d.%m.%Y %H:%M:%S.%f"}),
        (dates(LATE, "%H.%M.%S.%f"), {"time_format": "%H.%M.%S.%f"}),
        (
            dates(NOON, "%d/%m/%y %H:%M:%S.%f"),
            {"time_format": "%d/%m/%y %H:%M:%S.%f", "timezone": "Asia/Tokyo"},
        ),
    ],
)
def test_options_for_times(times, options, tmp_path):
    recording = read_recording(write(tmp_path, times), **options)
    np.testing.assert_array_equal(recording["eda"].samples, EDA)
    assert recording["eda"].sampling_rate == 4


def test_several_columns_of_times(tmp_path):
    path = tmp_path / "S1.csv"
    path.write_text("clock_ms,time_s,eda\n0,0,1\n500,0.25,2\n1000,0.5,3\n")
    message = "2 columns may be the times; pass time='clock_ms' or time='time_s'"
    with pytest.raises(RecordingError, match=message):
        read_recording(path, "eda")
    assert read_recording(path, "eda", time="time_s")["eda"].sampling_rate == 4
    assert read_recording(path, "eda", time="clock_ms")["eda"].sampling_rate == 2
    recording = read_recording(path, time=False, sampling_rate=8)
    assert list(recording.channels) == ["clock_ms", "time_s", "eda"]


def test_irregular_times(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.2, 0.28, 400)).round(6)
    path = tmp_path / "S1.csv"
    pd.DataFrame({"time": times, "eda": 2 * (times - times[0])}).to_csv(path, index=False)
    message = (
        r"Column 'time': The times are irregular: at 4\.\d+ Hz on average, row .* Row 0 is line 2"
    )
    with pytest.raises(RecordingError, match=message):
        read_recording(path)
    found = read_recording(path, irregular="interpolate")["eda"]
    first = round(times[0] * found.sampling_rate)  # samples before the first time
    expected = 2 * np.arange(len(found.samples) - first) / found.sampling_rate
    assert np.isnan(found.samples[:first]).all()
    np.testing.assert_allclose(found.samples[first:], expected, atol=1e-9)


def test_blank_lines_between_times(tmp_path):
    """Rows without a time are skipped; the times give the places of the others."""
    path = tmp_path / "S1.csv"
    path.write_text("time,eda\n0,1\n\n0.25,2\n\n0.75,4\n")
    recording = read_recording(path)
    np.testing.assert_array_equal(recording["eda"].samples, [1, 2, NAN, 4])
    assert "2 blank lines from line 3 on skipped." in recording.notes


NEW_YEAR = datetime(2024, 1, 1)
KINDS = {
    "seconds": ("time", repr),
    "milliseconds": ("time [ms]", lambda seconds: repr(round(seconds * 1000, 6))),
    "since 1970": ("timestamp", lambda seconds: f"{1.6e9 + seconds:.6f}"),
    "ISO 8601": ("date time", lambda seconds: str(NEW_YEAR + timedelta(seconds=seconds))),
    "zone": ("time", lambda s: str(NEW_YEAR.replace(tzinfo=BERLIN) + timedelta(seconds=s))),
}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    rate=st.sampled_from([4, 32, 64, 250]),
    runs=st.lists(st.tuples(st.integers(5, 30), st.integers(2, 50)), min_size=1, max_size=4),
    separator=st.sampled_from([",", ";", "\t"]),
    decimal_comma=st.booleans(),
    seed=st.integers(0, 99),
)
def test_random_times(tmp_path, kind, rate, runs, separator, decimal_comma, seed):
    places, position = [], 0
    for n_samples, n_missing in runs:
        places += range(position, position + n_samples)
        position += n_samples + n_missing
    values = np.random.default_rng(seed).normal(5, 2, len(places)).round(4)
    name, form = KINDS[kind]
    with (tmp_path / "S1.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["bvp", name])
        for place, value in zip(places, values, strict=True):
            row = [repr(float(value)), form(place / rate)]
            writer.writerow([cell.replace(".", ",") for cell in row] if decimal_comma else row)
    bvp = read_recording(tmp_path / "S1.csv", "bvp")["bvp"]
    expected = np.full(places[-1] + 1, NAN)
    expected[places] = values
    assert bvp.sampling_rate == pytest.approx(rate, rel=1e-5)
    np.testing.assert_array_equal(bvp.samples, expected)
