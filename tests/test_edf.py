"""EDF and BDF files, written byte by byte or by edfio, and read back."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

RAMP = np.arange(-400, 400, 10)  # 80 samples at 4 Hz: -4.0 to 3.9 in steps of 0.1
CALIBRATION = {"physical": ("-327.68", "327.67"), "digital": ("-32768", "32767")}


def signal(samples, per_record, label="EDA", unit="uS", physical=None, digital=None, size=2):
    """Fields of a signal, and its samples as bytes of one row per record."""
    physical, digital = physical or CALIBRATION["physical"], digital or CALIBRATION["digital"]
    text = [label, "", unit, *physical, *digital, "", str(per_record), ""]
    content = np.asarray(samples, "<i4").view("u1").reshape(-1, 4)[:, :size]
    return text, content.reshape(-1, per_record * size)


def annotations(lists, n_bytes=60, size=2, label="EDF Annotations"):
    """An annotation signal with the given bytes in each record."""
    rows = np.frombuffer(b"".join(text.ljust(n_bytes, b"\0") for text in lists), "u1")
    text = [label, "", "", "-1", "1", "-32768", "32767", "", str(n_bytes // size), ""]
    return text, rows.reshape(len(lists), n_bytes)


def write(path, *signals, duration="1", reserved="", pad=b" ", **changes):
    """Write a file; ``changes`` replace fields of the header."""
    fields = {
        "version": "0",
        "patient": "X X X X",
        "recording": "Startdate X X X X",
        "date": "01.01.85",
        "time": "00.00.00",
        "header_size": str(256 * (len(signals) + 1)),
        "reserved": reserved,
        "n_records": str(len(signals[0][1])),
        "duration": duration,
        "n_signals": str(len(signals)),
    } | changes
    texts = [text for text, _ in signals]
    columns = [(value, 1) for value in fields.values()]
    columns += [(text[i], 1) for i in range(10) for text in texts]
    sizes = [8, 80, 80, 8, 8, 8, 44, 8, 8, 4]
    for size in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        sizes += [size] * len(signals)
    header = b"".join(
        (value if isinstance(value, bytes) else value.encode("latin-1")).ljust(size, pad)
        for (value, _), size in zip(columns, sizes, strict=True)
    )
    path.write_bytes(header + np.hstack([rows for _, rows in signals]).tobytes())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "S1.edf"


def test_gaps_of_discontinuous_files_are_missing_samples(path):
    """10 s of samples, a gap of 30 s, 10 s more; "rest" begins in the second stretch."""
    times = [*range(10), *range(40, 50)]
    lists = [f"+{time}\x14\x14\0".encode() for time in times]
    lists[12] += b"+42.5\x152\x14rest\x14\0"
    write(path, signal(np.arange(80) * 10, 4), annotations(lists), reserved="EDF+D")
    recording = read_recording(path)
    eda = recording["EDA"]
    expected = np.concatenate([np.arange(40) / 10, np.full(120, np.nan), np.arange(40, 80) / 10])
    np.testing.assert_allclose(eda.samples, expected, atol=1e-9)
    assert (eda.n_missing, eda.duration) == (120, 50)
    assert recording.annotations.values.tolist() == [[42.5, 2.0, "rest"]]
    assert list_channels(path).values.tolist() == [["EDA", 4.0, "uS", 50.0, 200]]


def test_each_channel_has_the_gap_on_its_own_grid(path):
    """A gap of 0.4 s is one or two samples at 4 Hz, and never added up to a shift."""
    times = 1.4 * np.arange(10)
    lists = [f"+{time:.1f}\x14\x14\0".encode() for time in times]
    slow, fast = signal(np.arange(40), 4, "slow"), signal(np.arange(1000), 100, "fast")
    write(path, slow, fast, annotations(lists), reserved="EDF+D")
    recording = read_recording(path)
    for name, rate in (("slow", 4), ("fast", 100)):
        samples = recording[name].samples
        found = np.flatnonzero(~np.isnan(samples))
        expected = (times[:, None] * rate + np.arange(rate)).ravel()
        assert np.abs(found - expected).max() < 1
        np.testing.assert_allclose(samples[found], np.arange(10 * rate) / 100, atol=1e-9)


def test_a_continuous_file_with_gaps_says_so(path):
    lists = [f"+{time}\x14\x14\0".encode() for time in (0, 1, 9)]
    write(path, signal(np.arange(12), 4), annotations(lists), reserved="EDF+C")
    recording = read_recording(path)
    assert recording["EDA"].n_missing == 28
    assert recording.notes == ("The header calls the file continuous, but its records have gaps.",)


def test_times_that_run_backward_are_refused(path):
    lists = [f"+{time}\x14\x14\0".encode() for time in (0, 5, 3)]
    write(path, signal(np.arange(12), 4), annotations(lists), reserved="EDF+D")
    with pytest.raises(RecordingError, match=r"S1\.edf: Samples at 3 s begin before 6 s"):
        read_recording(path)


def test_a_damaged_time_does_not_allocate_years(path):
    lists = [f"+{time}\x14\x14\0".encode() for time in (0, 1, 10**12)]
    write(path, signal(np.arange(12), 4), annotations(lists), reserved="EDF+D")
    with pytest.raises(RecordingError, match=r"12 samples are spread over 1e\+12 s"):
        read_recording(path)


@pytest.mark.parametrize("second", [b"\0", b"+10\x14pain\x14\0"])
def test_a_discontinuous_file_without_a_record_time_is_refused(path, second):
    signals = [signal(np.arange(8), 4), annotations([b"+0\x14\x14\0", second])]
    write(path, *signals, reserved="EDF+D")
    with pytest.raises(RecordingError, match="discontinuous, but record 1 has no time"):
        read_recording(path)
    write(path, *signals, reserved="EDF+C")
    assert len(read_recording(path)["EDA"].samples) == 8


@pytest.mark.parametrize("second", [b"10\x14\x14\0", b"+a\x14\x14\0"])
def test_a_discontinuous_file_with_damaged_times_is_refused(path, second):
    write(path, signal(np.arange(8), 4), annotations([b"+0\x14\x14\0", second]), reserved="EDF+D")
    for keep in (True, False):
        with pytest.raises(RecordingError, match="in record 1 is not readable"):
            read_recording(path, annotations=keep)


def test_damaged_annotations_are_refused_or_left_out(path):
    lists = [b"+0\x14\x14\0+0.5\x14pain", b"+1\x14\x14\0"]
    write(path, signal(np.arange(8), 4), annotations(lists), reserved="EDF+C")
    with pytest.raises(RecordingError, match=r"in record 0 is not readable: b'\+0\.5.*tions=False"):
        read_recording(path)
    assert len(read_recording(path, annotations=False)["EDA"].samples) == 8


def test_start_with_a_fraction_of_a_second(path):
    lists = [b"+0.25\x14\x14\0+0.75\x14x\x14\0", b"+1.25\x14\x14\0"]
    write(
        path,
        signal(np.arange(8), 4),
        annotations(lists),
        reserved="EDF+C",
        recording="Startdate 02-MAR-2051 X X X",
        time="23.59.58",
        patient="P07 F 02-MAR-1980 Ann",
    )
    recording = read_recording(path)
    assert recording.start_time == datetime(2051, 3, 2, 23, 59, 58, 250000)
    assert recording.annotations["onset"].tolist() == [0.5]
    assert recording.subject == "P07"
    assert recording["EDA"].n_missing == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recording": "", "date": "24.04.89", "time": "16.13.00"}, datetime(1989, 4, 24, 16, 13)),
        ({"recording": "", "date": "24.04.12", "time": "16:13:00"}, datetime(2012, 4, 24, 16, 13)),
        ({"recording": "Startdate X X X X", "date": "24.04.89"}, None),
        ({"recording": "", "date": "someday"}, None),
        ({"recording": "", "date": "31.02.89"}, None),
    ],
)
def test_start_times(path, changes, expected):
    write(path, signal(RAMP, 4), **changes)
    assert read_recording(path).start_time == expected


def test_decimal_commas_in_the_calibration(path):
    write(path, signal([6553] * 4, 4, physical=("-10,0", "10,0")))
    message = "the physical minimum of channel 'EDA' as '-10,0', which .* pass decimal=','"
    with pytest.raises(RecordingError, match=message):
        read_recording(path)
    np.testing.assert_allclose(read_recording(path, decimal=",")["EDA"].samples, 2, atol=2e-4)


@pytest.mark.parametrize("field", ["physical", "digital"])
@pytest.mark.parametrize("text", ["", "abc", "1e999", "nan", "inf", "0x10", "1_0"])
def test_unreadable_calibration_is_quoted(path, field, text):
    write(path, signal(RAMP, 4, **{field: (text, "100")}), signal(RAMP, 4, "fine"))
    with pytest.raises(RecordingError, match=f"{field} minimum of channel 'EDA' as '{text}'"):
        read_recording(path)
    assert len(read_recording(path, "fine")["fine"].samples) == 80


@pytest.mark.parametrize("field", ["physical", "digital"])
def test_a_calibration_without_range_is_refused(path, field):
    write(path, signal(RAMP, 4, **{field: ("5", "5")}))
    with pytest.raises(RecordingError, match=r"calibrates channel 'EDA' from .* not a range"):
        read_recording(path)


def test_inverted_calibration(path):
    write(path, signal([-32768, 32767], 2, physical=("100", "-100")))
    np.testing.assert_allclose(read_recording(path)["EDA"].samples, [100, -100])


@pytest.mark.parametrize("pad", [b" ", b"\0"])
def test_labels_in_other_encodings_and_paddings(path, pad):
    signals = [
        signal(RAMP, 4, label="Größe".encode(), unit="µS".encode()),
        signal(RAMP, 4, label="Höhe".encode("latin-1"), unit="µS".encode("latin-1")),
        annotations([f"+{i}\x14\x14\0+{i}\x14µ é\x14\0".encode() for i in range(20)]),
    ]
    write(path, *signals, reserved="EDF+C", pad=pad)
    recording = read_recording(path)
    assert [(n, c.unit) for n, c in recording.channels.items()] == [("Größe", "µS"), ("Höhe", "µS")]
    assert set(recording.annotations["label"]) == {"µ é"}


def test_labels_that_occur_twice(path):
    write(path, signal(RAMP, 4, "EEG"), signal(-RAMP, 4, "EEG"), signal(RAMP, 4, ""))
    assert list(read_recording(path).channels) == ["EEG #1", "EEG #2", "channel 3"]
    np.testing.assert_allclose(read_recording(path, "EEG #2")["EEG #2"].samples, -RAMP / 100)
    with pytest.raises(RecordingError, match="2 channels are called 'EEG'; pass one of 'EEG #1'"):
        read_recording(path, "EEG")


def test_labels_that_need_no_annotation_stay_text(path):
    lists = [f"+{i}\x14\x14\0+{i}\x14{label}\x14\0".encode() for i, label in enumerate(LABELS)]
    write(path, signal(np.arange(4 * len(LABELS)), 4), annotations(lists), reserved="EDF+C")
    assert read_recording(path).annotations["label"].tolist() == LABELS


LABELS = ["None", "NA", "nan", "007", "1E3", "True", "pain, 2"]


def test_records_without_duration(path):
    write(path, signal(RAMP, 4), duration="0")
    with pytest.raises(RecordingError, match=r"duration of 0 s, .* pass sampling_rate in Hz"):
        read_recording(path)
    eda = read_recording(path, sampling_rate=4)["EDA"]
    assert (len(eda.samples), eda.sampling_rate) == (80, 4)
    assert np.isnan(list_channels(path)["sampling_rate"]).all()


def test_files_of_annotations_alone(path):
    write(path, annotations([b"+0\x14\x14\0+3\x14pain\x14\0"]), duration="0", reserved="EDF+C")
    recording = read_recording(path)
    assert (len(recording.channels), recording.annotations["onset"].tolist()) == (0, [3.0])


def test_an_unknown_number_of_records(path):
    write(path, signal(RAMP, 4), n_records="-1")
    recording = read_recording(path)
    assert len(recording["EDA"].samples) == 80
    assert recording.notes == ("The header does not state the number of records; the file has 20.",)


@pytest.mark.parametrize("n_bytes", [8, 3])
def test_truncated_files(path, n_bytes):
    write(path, signal(RAMP, 4))
    path.write_bytes(path.read_bytes()[:-n_bytes])
    found = "19 records" if n_bytes == 8 else "19 records and 5 bytes"
    with pytest.raises(RecordingError, match=f"states 20 records of 8 bytes; the file has {found}"):
        read_recording(path)
    recording = read_recording(path, incomplete="keep")
    expected = np.append(RAMP[:76] / 100, [np.nan] * 4)
    np.testing.assert_allclose(recording["EDA"].samples, expected, atol=1e-9)
    assert found in recording.notes[0]
    assert list_channels(path)["n_samples"].tolist() == [80]


def test_more_records_than_stated(path):
    write(path, signal(RAMP, 4), n_records="19")
    with pytest.raises(RecordingError, match="states 19 records of 8 bytes; the file has 20"):
        read_recording(path)
    assert len(read_recording(path, incomplete="keep")["EDA"].samples) == 80


def test_a_damaged_number_of_records_does_not_allocate_years(path):
    write(path, signal(RAMP, 4), n_records="99999999")
    with pytest.raises(RecordingError, match="99999999 records, but the file has 20; the number"):
        read_recording(path, incomplete="keep")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "1"}, "begins with b'1       '; expected '0' for EDF"),
        ({"n_signals": "x"}, "number of signals as 'x'; expected a whole number"),
        ({"n_signals": "9"}, "ends within its header"),
        ({"header_size": "300"}, "size as 300 bytes, but 1 signals need 512"),
        ({"n_records": "-2"}, "number of records as '-2'"),
        ({"duration": "-1"}, "record duration of -1 s"),
        ({"duration": "1s"}, "the duration of a record as '1s'"),
    ],
)
def test_damaged_headers(path, changes, message):
    write(path, signal(RAMP, 4), **changes)
    with pytest.raises(RecordingError, match=rf"S1\.edf: .*{message}"):
        read_recording(path)


@pytest.mark.parametrize("n_bytes", [0, 100, 300])
def test_files_that_end_in_the_header(path, n_bytes):
    write(path, signal(RAMP, 4))
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(RecordingError, match="ends within its header"):
        read_recording(path)


def test_a_channel_without_samples(path):
    text, _ = signal([], 1, "empty")
    write(path, signal(RAMP, 4), ([*text[:8], "0", ""], np.empty((20, 0), "u1")))
    assert list_channels(path)["n_samples"].tolist() == [80, 0]
    with pytest.raises(RecordingError, match="Channel 'empty' has no samples; pass channels with"):
        read_recording(path)
    assert len(read_recording(path, "EDA")["EDA"].samples) == 80


def test_24_bits(tmp_path):
    """BDF, with extreme values and annotations."""
    path = tmp_path / "S1.BDF"
    digital = [-8388608, -1, 0, 8388607]
    limits = ("-8388608", "8388607")
    lists = annotations([b"+0\x14\x14\0+0.5\x14pain\x14\0"], 60, 3, "BDF Annotations")
    write(
        path,
        signal(digital, 4, physical=limits, digital=limits, size=3),
        lists,
        version=b"\xffBIOSEMI",
        reserved="BDF+C",
    )
    recording = read_recording(path)
    np.testing.assert_allclose(recording["EDA"].samples, digital, atol=1e-6)
    assert recording.annotations["label"].tolist() == ["pain"]


def test_options(path):
    write(path, signal(RAMP, 4))
    with pytest.raises(TypeError, match=r"'separator' is not an option for EDF.*expected decimal"):
        read_recording(path, separator=",")
    with pytest.raises(ValueError, match=r"Unknown incomplete 'kep'.*Did you mean 'keep'"):
        read_recording(path, incomplete="kep")


# Random recordings, written by edfio

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3000).map(lambda n: n / 1000),
        st.none() | st.integers(0, 9000).map(lambda n: n / 1000),
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10),
    ),
    max_size=5,
)


FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(max_examples=40, deadline=None, suppress_health_check=FIXTURES)
@given(
    names=st.lists(TEXTS, min_size=1, max_size=3, unique=True),
    rates=st.lists(st.sampled_from([1, 4, 32, 250]), min_size=3, max_size=3),
    n_seconds=st.integers(1, 4),
    events=EVENTS,
    microsecond=st.sampled_from([0, 250000]),
    bits=st.sampled_from([16, 24]),
    seed=st.integers(0, 99),
)
def test_random_recordings(tmp_path, names, rates, n_seconds, events, microsecond, bits, seed):
    edfio = pytest.importorskip("edfio")
    file_type, signal_type, suffix = (
        (edfio.Edf, edfio.EdfSignal, "edf") if bits == 16 else (edfio.Bdf, edfio.BdfSignal, "bdf")
    )
    generator = np.random.default_rng(seed)
    data = [generator.uniform(-50, 50, rate * n_seconds) for rate in rates[: len(names)]]
    digital = {} if bits == 16 else {"digital_range": (-8388608, 8388607)}
    start = datetime(2024, 2, 29, 12, 30, 15, microsecond)
    file_type(
        [
            signal_type(values, rate, label=name, physical_range=(-60, 60), **digital)
            for name, rate, values in zip(names, rates, data, strict=False)
        ],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        data_record_duration=1,
        annotations=[edfio.EdfAnnotation(*event) for event in events],
    ).write(tmp_path / f"S1.{suffix}")
    recording = read_recording(tmp_path / f"S1.{suffix}")
    assert recording.start_time == start
    assert list(recording.channels) == names
    for name, rate, values in zip(names, rates, data, strict=False):
        assert recording[name].sampling_rate == rate
        np.testing.assert_allclose(recording[name].samples, values, atol=120 / 2**bits)
    found = [tuple(row) for row in recording.annotations.itertuples(index=False)]
    expected = [(onset, np.nan if d is None else d, text.strip()) for onset, d, text in events]
    assert sorted(map(str, found)) == sorted(map(str, expected))


@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
@given(changes=st.lists(st.tuples(st.integers(0, 1500), st.binary(max_size=4)), min_size=1))
def test_damaged_bytes(path, changes):
    """Whatever the bytes are, the file is read or refused, and nothing else is raised."""
    lists = [f"+{time}\x14\x14\0".encode() for time in range(20)]
    write(path, signal(RAMP, 4), annotations(lists), reserved="EDF+D")
    content = bytearray(path.read_bytes())
    for start, new in changes:
        content[start : start + len(new) or start + 1] = new
    path.write_bytes(content)
    try:
        read_recording(path)
    except RecordingError as error:
        assert str(path) in str(error)  # noqa: PT017
