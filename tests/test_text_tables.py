"""CSV and TSV files as programs write them: read right, or refused with the line."""

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording


def write(folder, text, name="S1.csv", encoding="utf-8"):
    content = text if isinstance(text, bytes) else text.encode(encoding)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def values(recording):
    return {name: channel.samples.tolist() for name, channel in recording.channels.items()}


def assert_values(recording, expected):
    assert list(recording.channels) == list(expected)
    for name, samples in expected.items():
        np.testing.assert_array_equal(recording[name].samples, samples, err_msg=name)


TWO = {"eda": [0.5, 0.6, 0.7], "bvp": [10, 11, 12]}
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eda,bvp\n0.5,10,\n0.6,11,\n0.7,12,\n", TWO),
        ("eda,bvp,\n0.5,10,\n0.6,11,\n0.7,12,\n", TWO),
        ("eda,bvp\n0.5,10\n0.6,11,,\n0.7,12,\n", TWO),
        ("eda;bvp\n0,5;10\n0,6;11\n0,7;12\n", TWO),
        ("eda\tbvp\n0.5\t10\n0.6\t11\n0.7\t12", TWO),
        ("eda|bvp\n0.5|10\n0.6|11\n0.7|12\n", TWO),
        ("eda bvp\n0.5  10\n0.6  11\n 0.7  12\n", TWO),
        ("eda bvp\n0,5 10\n0,6 11\n0,7 12\n", TWO),
        ("eda, bvp\r\n0.5, 10\r\n0.6, 11\r\n0.7, 12\r\n", TWO),
        ("eda,bvp\r0.5,10\r0.6,11\r0.7,12\r", TWO),
        ("eda,bvp\r\r\n0.5,10\r\r\n0.6,11\r\r\n0.7,12\r\r\n", TWO),
        ('"eda","bvp"\n"0,5","10"\n"0,6","11"\n"0,7","12"\n', TWO),
        ('"sep=;"\r\neda;bvp;\r\n0.5;10;\r\n0.6;11;\r\n0.7;12;\r\n', TWO),
        ("sep=,\neda,bvp\n0.5,10\n0.6,11\n0.7,12\n", TWO),
        ("# made by a program\n#\neda,bvp\n0.5,10\n# pain\n0.6,11\n0.7,12\n", TWO),
        ("# eda, bvp\n0.5, 10\n0.6, 11\n0.7, 12\n", TWO),
        ("\n\neda,bvp\n0.5,10\n0.6,11\n0.7,12\n\n\n", TWO),
        (",eda,bvp\n0,0.5,10\n1,0.6,11\n2,0.7,12\n", TWO),
        ("index,eda,bvp\n7,0.5,10\n8,0.6,11\n9,0.7,12\n", TWO),
        ("label,eda,bvp\nm,0.5,10\nNone,0.6,11\nm,0.7,12\n", TWO),
        ("eda\n0.5\n\n0.6\n", {"eda": [0.5, NAN, 0.6]}),
        ("eda\n\n\n0.5\n0.6\n\n", {"eda": [NAN, NAN, 0.5, 0.6, NAN]}),
        ("eda\n0,51\n0,62\n12,345\n", {"eda": [0.51, 0.62, 12.345]}),
        ("eda;\n0,5;\n;\n0,6;\n", {"eda": [0.5, NAN, 0.6]}),
        ("eda,bvp\nNaN,1e-3\n,+2.\nNA,-.5E+2\n", {"eda": [NAN] * 3, "bvp": [1e-3, 2, -50]}),
        ("eda,eda,ecg\n1,2,3\n4,5,6\n", {"eda #1": [1, 4], "eda #2": [2, 5], "ecg": [3, 6]}),
        ("EDA, µS\n0.51\n0.62\n", {"EDA, µS": [0.51, 0.62]}),
        ("|ACC|,eda\n1,2\n3,4\n", {"|ACC|": [1, 3], "eda": [2, 4]}),
        ("eda,t\n1.5,\n2.5,\n", None),
    ],
)
def test_tables_that_are_read(text, expected, tmp_path):
    path = write(tmp_path, text)
    if expected is None:
        with pytest.raises(RecordingError, match=r"Column 't' has no time in line 2 \(2 such rows"):
            read_recording(path, sampling_rate=4)
        return
    assert_values(read_recording(path, sampling_rate=4), expected)
    listed = list_channels(path)
    assert listed["name"].tolist() == list(expected)
    assert set(listed["n_samples"]) == {len(next(iter(expected.values())))}


def test_the_layout_is_reported(tmp_path):
    path = write(tmp_path, "eda;bvp\n0,5;10\n")
    recording = read_recording(path, sampling_rate=4)
    assert recording.notes == ("Detected: separator ';', decimal mark ',', encoding 'utf-8'.",)
    options = {"separator": ";", "decimal": ",", "encoding": "utf-8"}
    assert read_recording(path, sampling_rate=4, **options).notes == ()
    path = write(tmp_path, "# x\neda,label\nµS,\n0.5,a\n\n0.6,b\n")
    recording = read_recording(path, sampling_rate=4, blank_lines="skip")
    assert recording["eda"].unit == "µS"
    assert recording.notes == (
        "Detected: separator ',', decimal mark '.', encoding 'utf-8'.",
        "1 comment from line 1 on: '# x'.",
        "Line 3 is taken as units.",
        "1 blank line from line 5 on skipped.",
        "Columns without numbers are left out: label.",
    )


@pytest.mark.parametrize(
    ("text", "channels", "message"),
    [
        # Commas between cells and as decimal marks
        ("a,b\n0,00,0,51\n0,25,0,62\n", None, "Line 2 has 4 cells, but there are 2 columns: 'a', "
         "'b'. If the decimal mark is a comma too, export with another separator"),
        ("a,b,c\n0,00,72,0,51\n", None, "Line 2 has 5 cells, but there are 3 columns"),
        # Rows of another length
        ("a,b\n1,2\n3\n4,5\n", None, "Line 3 has 1 cell, but there are 2 columns: 'a', 'b'"),
        ("a,b\n1,2,\n3,\n5,6,\n", None, "Line 3 has fewer separators than other rows and no "
         "last cell, but there are 2 columns: 'a', 'b'. Pass separator"),
        ("a;b\n1;2\n3;4;5\n", None, "Line 3 has 3 cells.*Pass separator, or skip_rows"),
        ("Export of S1\na;b\n1;2\n3;4\n", None, "Line 2 has 2 cells, but there is 1 column: 'Expo"),
        ("a,b\n1,2\n3", None, "Line 3 has 1 cell, but"),
        ("a,b\n1\n2\n", None, "Line 2 has 1 cell, but there are 2 columns"),
        ("EDA, µS\n0,51\n0,62\n", None, "'EDA, µS' may be two names, or one with a unit, and '0,51"
         "' two numbers or one; pass separator=',' or decimal=','"),
        # Marks between thousands
        ("a;b\n1,234.5;1\n", None, "Line 2 has '1,234.5' with marks between thousands; pass "
         "thousands=',' and decimal='.'"),
        ("a;b\n1.234,5;1\n", None, "pass thousands='.' and decimal=','"),
        ("a;b\n1.234.567;1\n", None, "Line 2 has '1.234.567' .* pass thousands='.'"),
        ('a,b\n"1,234",1\n', None, "Line 2 has '1,234', which may be 1.234 or 1234; pass decimal='"
         ",' or thousands=','"),
        ("a\n1,234\n2,345\n", None, "Line 2 has '1,234', which may be"),
        ("a;b\n998;1\n1.002;1\n", None, "Line 3 has '1.002', which may be 1.002 or 1002; pass"),
        ("a;b\n1 234;1\n", "a", "Line 2, column 'a': '1 234' is not a number; if that is a mark "
         "between thousands, pass thousands=' '"),
        ("a;b\n0.5;1\n0,6;1\n", "a", "Line 3, column 'a': '0,6' is not a number; if that is a "
         "decimal comma, pass decimal=','"),
        ("a;b\n0,5;1\n1.234;1\n", None, "Line 3, column 'a': '1.234' is not a number; if that is a "
         "mark between thousands, pass thousands='.'"),
        # Names
        ("0.5,10\n0.6,11\n", None, "Line 1 has '0.5' where the names of columns are expected; pass "
         "names, a list of 2,"),
        ("# eda\n0.5\n", None, "Line 2 has '0.5' where the names"),
        ("a,,b\n1,2,3\n", None, "Column 2 has no name; the names are ['a', '', 'b']. Pass skip"),
        ("a,a\n1,2\n", "a", "2 channels are called 'a'; pass one of 'a #1', 'a #2'"),
        ("a,b\n1,2\n", "c", "There is no channel 'c'; the channels are 'a', 'b'"),
        # Cells that are not numbers
        ("a,b\n1,x\n2,y\n", "b", "Line 2, column 'b': 'x' is not a number"),
        ("a,b\n1,2\n2,y\n", None, "Line 3, column 'b': 'y' is not a number"),
        ("a,b\n1,True\n2,False\n", "b", "Line 2, column 'b': 'True' is not a number"),
        ("a,b\n1,1_000\n", "b", "Line 2, column 'b': '1_000' is not a number; .* thousands='_'"),
        ("a,b\n1,0x10\n", "b", "Line 2, column 'b': '0x10' is not a number"),
        ("a,b\n1,2\n1,inf\n", None, "Line 3, column 'b': 'inf' is infinite"),
        ("a,b\n1,1e999\n", None, "Line 2, column 'b': '1e999' is infinite"),
        ("a\nerror\n0.5\n", None, "Line 2, column 'a': 'error' is not a number"),
        ("a,b\nx,y\n", None, "There is no column of numbers"),
        ('a,b\n1,"2\n3,4"\n', None, "Line 2 has a quotation mark that is not closed"),
        # Blank lines
        ("a,b\n1,2\n\n3,4\n", None, "Line 3 is blank, and there is no column of times; pass "
         "blank_lines='skip' if it is not a row, or 'missing'"),
        ("a\n\n0.5\n\n0.6\n\n", None, "Every second line is blank from line 2 on; pass blank_line"),
        ("", None, "The file has no rows"),
        ("a,b\n", None, "The file has no rows after the names a, b"),
        # Numbers of rows
        (",a\n0,1\n1,2\n4,3\n", None, "Column 'Unnamed: 0' counts rows, of which 2 are missing; "
         "pass sampling_rate"),
        (",a\n0.1,1\n0.2,2\n", None, "The first column has no name, and increases; pass time='U"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(text, channels, message, tmp_path):
    path = write(tmp_path, text)
    rate = None if "counts rows" in message else 4
    with pytest.raises(RecordingError) as caught:
        read_recording(path, channels, sampling_rate=rate)
    assert str(caught.value).startswith(f"{path}: ")
    first, *rest = message.split(".*") if ".*" in message else [message]
    assert first in str(caught.value)
    assert all(part.strip() in str(caught.value) for part in rest)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a;b\n1,234.5;1\n", {"thousands": ","}, {"a": [1234.5], "b": [1]}),
        ("a;b\n1.234,5;1\n1;1.234.567", {"thousands": "."}, {"a": [1234.5, 1], "b": [1, 1234567]}),
        ("a\n1,234\n2,345\n", {"decimal": ","}, {"a": [1.234, 2.345]}),
        ("a\n1,234\n2,345\n", {"thousands": ","}, {"a": [1234, 2345]}),
        ("a;b\n1 234,5;1\n", {"thousands": " ", "decimal": ","}, {"a": [1234.5], "b": [1]}),
        ("a;b\n998;1\n1.002;1\n", {"decimal": "."}, {"a": [998, 1.002], "b": [1, 1]}),
        ("0.5,10\n0.6,11\n", {"names": ["a", "b"]}, {"a": [0.5, 0.6], "b": [10, 11]}),
        ("x\ny\na;b\n1;2\n", {"skip_rows": 2}, {"a": [1], "b": [2]}),
        ("0;1\n3;4\n", {"names": ["a", "b"], "skip_rows": 1}, {"a": [3], "b": [4]}),
        ("a:b\n1:2\n", {"separator": ":"}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\n\n3,4\n", {"blank_lines": "skip"}, {"a": [1, 3], "b": [2, 4]}),
        ("a,b\n1,2\n\n3,4\n", {"blank_lines": "missing"}, {"a": [1, NAN, 3], "b": [2, NAN, 4]}),
        ("a\n\n5\n\n6\n\n", {"blank_lines": "skip"}, {"a": [5, 6]}),
        ("a\n\n5\n\n6\n", {"blank_lines": "missing"}, {"a": [NAN, 5, NAN, 6]}),
        (",a\n0,1\n1,2\n4,3\n", {}, {"a": [1, 2, NAN, NAN, 3]}),
        (",a\n0,1\n1,2\n4,3\n", {"time": False}, {"Unnamed: 0": [0, 1, 4], "a": [1, 2, 3]}),
        ("a;b\n0,5;x\n", {"decimal": ",", "separator": ";"}, {"a": [0.5]}),
    ],
)  # fmt: skip
def test_options(text, options, expected, tmp_path):
    assert_values(read_recording(write(tmp_path, text), sampling_rate=4, **options), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, "Unknown decimal ';'"),
        ({"separator": "||"}, r"separator='\|\|'; expected one character, or None"),
        ({"thousands": ",", "decimal": ","}, "thousands=',' is given as another mark too"),
        ({"blank_lines": "drop"}, "Unknown blank_lines 'drop'"),
        ({"skip_rows": -1}, "skip_rows=-1; expected an integer of 0 or more"),
        ({"names": "ab"}, "names='ab'; expected a list of names"),
        ({"encoding": "utf-5"}, "encoding='utf-5' does not exist; expected one such as 'utf-8'"),
        ({"time_unit": "sec"}, "Unknown time_unit 'sec'"),
        ({"timezone": "Berlin"}, "timezone='Berlin' does not exist; expected .* 'Europe/Berlin'"),
        ({"time": 1}, "time=1; expected the name of a column, False or None"),
        ({"time": "x"}, r"S1\.csv: There is no column 'x'; the columns are 'a', 'b'"),
        ({"irregular": "drop"}, "Unknown irregular 'drop'"),
        ({"names": ["a"]}, r"S1\.csv: Line 1 has 2 cells, but there is 1 column: 'a'"),
        ({"thousands": ",", "separator": ";"}, r"S1\.csv: Line 2, column 'a': '1,2' is not a"),
    ],
)  # fmt: skip
def test_wrong_options(options, message, tmp_path):
    path = write(tmp_path, "a;b\n1,2;3\n" if "thousands" in options else "a,b\n1,2\n")
    with pytest.raises(ValueError, match=message):
        read_recording(path, sampling_rate=4, **options)


UMLAUTS = "Hautleitwert (µS);Zeit für x\n0,5;1\n"


@pytest.mark.parametrize(
    ("encoding", "start"),
    [
        ("utf-8", b""),
        ("utf-8-sig", b""),
        ("latin-1", b""),
        ("utf-16", b""),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32", b""),
    ],
)
def test_encodings(encoding, start, tmp_path):
    path = write(tmp_path, start + UMLAUTS.encode(encoding))
    recording = read_recording(path, sampling_rate=4, time=False)
    assert_values(recording, {"Hautleitwert (µS)": [0.5], "Zeit für x": [1]})
    assert recording["Hautleitwert (µS)"].unit == "µS"
    found = encoding if not start else "utf-16"
    assert f"encoding {found!r}" in recording.notes[0]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"eda\n0.5\n\0\0\0\0", {}, "Line 3 has NUL bytes: the file is damaged, not text, or in"),
        (b"eda\n0.5\n\xb5\n", {"encoding": "utf-8"}, "Line 3 is not in utf-8: .*; pass encoding"),
        (b"eda\n0.5\n", {"encoding": "utf-16-le"}, "where the names|not in utf-16-le|no rows"),
    ],
)
def test_encodings_that_are_refused(content, options, message, tmp_path):
    path = write(tmp_path, content)
    with pytest.raises(RecordingError, match=f"S1.csv: .*({message})"):
        read_recording(path, sampling_rate=4, **options)


@pytest.mark.parametrize("name", ["S1.CSV", "S1.tsv", "S1.txt", "S1.csv.gz", "S1.TSV.GZ"])
def test_suffixes(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    content = b"eda;bvp\n0,5;10\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name[-2:].lower() == "gz" else content)
    recording = read_recording(tmp_path / name, "eda", sampling_rate=4)
    assert values(recording) == {"eda": [0.5]}


def test_compressed_files_that_are_damaged(tmp_path):
    path = write(tmp_path, "eda\n" + "0.5\n" * 1000, "S1.csv.gz")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(RecordingError, match=r"S1\.csv\.gz: The compressed file is truncated"):
        read_recording(path, sampling_rate=4)
    path.write_bytes(content[:20] + bytes(3) + content[23:])
    with pytest.raises(RecordingError, match=r"S1\.csv\.gz: The compressed file is damaged"):
        read_recording(path, sampling_rate=4)


def test_a_shimmer_file(tmp_path):
    """A line with the separator, names, units, and a separator at the end of each line."""
    text = '"sep=;"\r\nS1_Timestamp_Unix_CAL;S1_GSR_Skin_Conductance_CAL;S1_Range_CAL;\r\n'
    text += "ms;uS;no_units;\r\n"
    text += "".join(f"{1.59593381e12 + 250 * i:.15E};{2 + i / 8};2.0;\r\n" for i in (0, 1, 2, 5))
    recording = read_recording(write(tmp_path, text))
    eda = recording["S1_GSR_Skin_Conductance_CAL"]
    np.testing.assert_array_equal(eda.samples, [2, 2.125, 2.25, NAN, NAN, 2.625])
    assert (eda.sampling_rate, eda.unit, recording["S1_Range_CAL"].unit) == (4, "uS", "no_units")
    assert recording.start_time.isoformat() == "2020-07-28T10:56:50+00:00"
    assert "Line 3 is taken as units." in recording.notes


def test_a_gap_in_the_times(tmp_path):
    """20 s at 4 Hz, 20 s without samples, 20 s more."""
    at = [place / 4 for place in (*range(80), *range(160, 240))]
    text = "time,eda\n" + "".join(f"{time},{2 + time / 100:.4f}\n" for time in at)
    eda = read_recording(write(tmp_path, text), "eda")["eda"]
    assert (eda.sampling_rate, len(eda.samples), eda.n_missing) == (4, 240, 80)
    assert np.flatnonzero(np.isnan(eda.samples)).tolist() == list(range(80, 160))
    assert eda.samples[45 * 4] == 2.45


def test_a_dead_channel(tmp_path):
    """A channel without samples is a missing one, with the rate of its times."""
    path = write(tmp_path, "t,eda\n" + "".join(f"{place / 4},\n" for place in range(80)))
    eda = read_recording(path, sampling_rate=4, resample_to=2)["eda"]
    assert (eda.sampling_rate, len(eda.samples), eda.n_missing) == (2, 40, 40)


def test_columns_of_labels_are_left_out(tmp_path):
    rows = "".join(f"P1,{'None' if i < 8 else 'high'},{2 + i / 100:.2f}\n" for i in range(16))
    path = write(tmp_path, "who,pain,eda\n" + rows)
    recording = read_recording(path, sampling_rate=4)
    assert_values(recording, {"eda": [round(2 + i / 100, 2) for i in range(16)]})
    assert recording.notes[-1] == "Columns without numbers are left out: who, pain."
    with pytest.raises(RecordingError, match="Line 10, column 'pain': 'high' is not a number"):
        read_recording(path, "pain", sampling_rate=4)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.one_of(st.binary(max_size=60), st.text(',;\t0123456789.:-abµ\n\n" #', max_size=80))
)
@pytest.mark.parametrize("name", ["S1.csv", "EDA.csv.gz", "S1.txt"])
def test_random_text(tmp_path, name, content):
    """Anything else is read as a table or refused, without another error."""
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        recording = read_recording(tmp_path / name, sampling_rate=4)
    except RecordingError as error:
        assert str(tmp_path / name) in str(error)  # noqa: PT017
    else:
        assert len({len(channel.samples) for channel in recording.channels.values()}) == 1


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**7), 10**7),
    st.floats(-1e6, 1e6),
    st.floats(-10, 10).map(lambda number: round(number, 3)),
)
NAMES = st.sampled_from(["EDA (µS)", "bvp", "Resp, belt", "ä"])
DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
    }
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dialect=DIALECTS,
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    names=st.lists(
        st.sampled_from(["EDA (µS)", "bvp", "Resp, belt", "ä"]), min_size=1, unique=True
    ),
    before=st.sampled_from(["", "# a comment; of, one line\n"]),
    at_end=st.sampled_from([[], [""]]),
    data=st.data(),
)
def test_random_tables(tmp_path, dialect, decimal, encoding, names, before, at_end, data):
    """What an independent writer wrote is read with its layout, and found or refused without."""
    assume(names != ["Resp, belt"])  # which may be two names if no separator follows
    row = st.lists(NUMBERS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    file = io.StringIO()
    writer = csv.writer(file, **dialect)
    writer.writerow([*names, *at_end])
    for numbers in rows:
        cells = ["" if x is None else repr(x).replace(".", decimal) for x in numbers]
        writer.writerow([*cells, *at_end])
    path = write(tmp_path, (before + file.getvalue()).encode(encoding))
    columns = np.array(rows, dtype=float).T
    expected = dict(zip(names, columns, strict=True))
    given_layout = {"separator": dialect["delimiter"], "decimal": decimal, "encoding": encoding}
    assert_values(read_recording(path, sampling_rate=4, **given_layout), expected)
    try:
        found = read_recording(path, sampling_rate=4)
    except RecordingError as error:
        assert "pass" in str(error).lower()  # noqa: PT017
    else:
        assert_values(found, expected)
