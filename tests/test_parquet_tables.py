"""Parquet files: numbers as channels, times from a column or an index, other types refused."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NAN = float("nan")
TIMES = pd.Timestamp("2024-03-01 12:00") + pd.to_timedelta([0, 0.25, 1], unit="s")
EDA = [0.5, 0.6, NAN, NAN, 0.9]


def write(folder, columns):
    pq.write_table(pa.table(columns), folder / "S1.parquet")
    return folder / "S1.parquet"


OTHER = {
    "lists": pa.array([[1.0, 2.0], [3.0]]),
    "dates": pa.array([date(2024, 3, 1), date(2024, 3, 2)]),
    "flags": pa.array([True, False]),
    "text": pa.array(["rest", "pain"]),
    "struct": pa.array([{"x": 1}, {"x": 2}]),
    "bytes": pa.array([b"a", b"b"]),
    "levels": pa.array(["a", "b"]).dictionary_encode(),
    "empty": pa.nulls(2),
}


@pytest.mark.parametrize("name", OTHER)
def test_columns_that_are_not_numbers(name, tmp_path):
    path = write(tmp_path, {name: OTHER[name], "eda": [0.5, 0.6]})
    message = f"S1.parquet: Column '{name}' has values of the type .*; expected numbers"
    with pytest.raises(RecordingError, match=message):
        read_recording(path, name, sampling_rate=4)
    recording = read_recording(path, sampling_rate=4)
    assert list(recording.channels) == ["eda"]
    assert recording.notes[-1] == f"Columns without numbers are left out: {name}."
    assert list_channels(path)["name"].tolist() == ["eda"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 3], pa.int16()), [1, NAN, 3]),
        (pa.array([2**53 + 1, 0, 1], pa.uint64()), [2**53, 0, 1]),
        (pa.array(np.array([0.5, 1, 2], np.float16)), [0.5, 1, 2]),
        (pa.array([Decimal("0.50"), None, Decimal("-1.25")]), [0.5, NAN, -1.25]),
        (pa.chunked_array([[0.5], [None, 1.0]]), [0.5, NAN, 1]),
    ],
)
def test_numbers(values, expected, tmp_path):
    path = write(tmp_path, {"eda [µS]": values, "other": ["a", "b", "c"]})
    channel = read_recording(path, "eda [µS]", sampling_rate=4)["eda [µS]"]
    np.testing.assert_array_equal(channel.samples, expected)
    assert channel.unit == "µS"


@pytest.mark.parametrize("is_index", [True, False])
@pytest.mark.parametrize("name", ["time", None, "x"])
@pytest.mark.parametrize(
    ("times", "start"),
    [
        (TIMES, datetime(2024, 3, 1, 12)),
        (TIMES.tz_localize("Asia/Tokyo"), datetime(2024, 3, 1, 3, tzinfo=UTC)),
        (TIMES - TIMES[0], None),
        (pd.Index([0.0, 0.25, 1.0]), None),
    ],
)
def test_times(times, start, name, is_index, tmp_path):
    """Of a column or of the index of a frame, by their name or type."""
    frame = pd.DataFrame({"eda": [0.5, 0.6, 0.9]}, index=times.rename(name))
    path = tmp_path / "S1.parquet"
    if is_index:
        frame.to_parquet(path)
    elif name is None:
        frame.reset_index(names="timestamp").to_parquet(path)
    else:
        frame.reset_index(names=name).to_parquet(path)
    options = {}
    if times.dtype.kind == "f" and name == "x":
        with pytest.raises(RecordingError, match="There is no column of times, and channel"):
            read_recording(path)
        options = {"time": "x", "time_unit": "s"}
    elif times.dtype.kind == "f" and name is None and is_index:
        with pytest.raises(RecordingError, match=r"The first column has no name.*time='__index_l"):
            read_recording(path)
        options = {"time": "__index_level_0__", "time_unit": "s"}
    recording = read_recording(path, **options)
    assert list(recording.channels) == ["eda"]
    np.testing.assert_array_equal(recording["eda"].samples, EDA)
    assert (recording["eda"].sampling_rate, recording.start_time) == (4, start)


def test_rows_that_were_dropped(tmp_path):
    """The index of a frame shows which rows are missing."""
    frame = pd.DataFrame({"eda": [0.5, 0.6, NAN, NAN, 0.9]}).dropna()
    path = tmp_path / "S1.parquet"
    frame.to_parquet(path)
    with pytest.raises(RecordingError, match="counts rows, of which 2 are missing; pass sampling"):
        read_recording(path)
    np.testing.assert_array_equal(read_recording(path, sampling_rate=4)["eda"].samples, EDA)
    frame.reset_index(drop=True).to_parquet(path)
    assert read_recording(path, sampling_rate=4)["eda"].samples.tolist() == [0.5, 0.6, 0.9]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"eda": [0.5, np.inf]}, {}, "Column 'eda' is infinite in row 1"),
        ({"eda": pa.array([], pa.float64())}, {}, "The file has no rows"),
        ({"time": [0.0, 0.25], "eda": [1, 2]}, {}, "recorded at 4 Hz, but sampling_rate is 64 Hz"),
        ({"time": [0.25, 0.0], "eda": [1, 2]}, {}, "column 'time', row 1, 0, is not after the one"),
        ({"time": [0.0, None], "eda": [1, 2]}, {}, "Column 'time' has no time in row 1"),
        ({"time": ["a", "b"], "eda": [1, 2]}, {}, "Column 'time', row 0, has 'a'; expected"),
        ({"time": [True, False], "eda": [1, 2]}, {}, "Column 'time' does not hold times. Column"),
        ({"eda": [1, 2]}, {"time": "x"}, "There is no column 'x'; the columns are 'eda'"),
    ],
)  # fmt: skip
def test_refused(columns, options, message, tmp_path):
    with pytest.raises(RecordingError, match=f"S1.parquet: .*{message}"):
        read_recording(write(tmp_path, columns), sampling_rate=64, **options)


def test_columns_of_one_name_and_truncated_files(tmp_path):
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    pq.write_table(table, tmp_path / "S1.parquet")
    with pytest.raises(RecordingError, match="Several columns have the same name: a, a"):
        read_recording(tmp_path / "S1.parquet", sampling_rate=4)
    path = write(tmp_path, {"eda": np.arange(1000.0)})
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(200) + content[400:])
    with pytest.raises(RecordingError, match=r"S1\.parquet: The file is damaged: "):
        read_recording(path, sampling_rate=4)
    path.write_bytes(content[:-100])
    with pytest.raises(RecordingError, match=r"S1\.parquet cannot be read as Parquet"):
        read_recording(path, sampling_rate=4)


def test_without_the_library(tmp_path, monkeypatch):
    path = write(tmp_path, {"eda": [1.0]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match="Parquet files need pyarrow: pip install 'sklearn"):
        read_recording(path, sampling_rate=4)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    type_=st.sampled_from([pa.float64(), pa.float32(), pa.int32(), pa.uint8()]),
    rows=st.lists(st.one_of(st.none(), st.integers(0, 255)), min_size=2, max_size=30),
    gap=st.integers(0, 20),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    rate=st.sampled_from([1, 4, 50]),
)
def test_random_files(tmp_path, type_, rows, gap, unit, rate):
    """Times in any resolution, with a gap before the last row."""
    if unit == "s":
        rate = 1
    places = [*range(len(rows) - 1), len(rows) - 1 + (gap if len(rows) > 2 else 0)]
    period = pd.Timedelta(seconds=1) / rate
    dates = pa.array([pd.Timestamp("2024-01-01") + period * place for place in places])
    columns = {"eda": pa.array(rows, type_), "when": dates.cast(pa.timestamp(unit))}
    recording = read_recording(write(tmp_path, columns))
    expected = np.full(places[-1] + 1, NAN)
    expected[places] = np.array(rows, dtype=float)
    assert recording["eda"].sampling_rate == rate
    np.testing.assert_array_equal(recording["eda"].samples, expected)


def test_durations_begin_at_their_first_value(tmp_path):
    index = pd.to_timedelta(10 + np.arange(40) / 4, unit="s").rename("time")
    frame = pd.DataFrame({"eda": np.arange(40.0)}, index=index)
    frame.to_parquet(tmp_path / "P1.parquet")
    found = read_recording(tmp_path / "P1.parquet")["eda"].samples
    np.testing.assert_array_equal(found, read_recording(frame)["eda"].samples)
    assert np.isnan(found[:40]).all()
    assert found[40] == 0
