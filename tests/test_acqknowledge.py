"""AcqKnowledge files of version 3.7, written byte by byte, and read back."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

bioread = pytest.importorskip("bioread")

HEADER_SIZE = 4000


def write(path, signals, markers=(), order="<", rate=100):
    """Write signals of (name, unit, samples, divider); integers have the scale 0.5, offset 10."""

    def pack(kinds, *values):
        return struct.pack(order + kinds, *values)

    graph = pack("hiihhhd", 0, 38, HEADER_SIZE, len(signals), 0, 0, 1000 / rate)
    content = graph.ljust(HEADER_SIZE, b"\0")
    for number, (name, unit, samples, divider) in enumerate(signals):
        names = (name.encode("latin-1"), unit.encode("latin-1"))
        content += pack("ih40s4shdd20s", 252, number, names[0], b"", 0, 0, 0, names[1])
        content += pack("iddhhhd128sh", len(samples), 0.5, 10, number, 0, 0, 0, b"", divider)
    content += pack("hh", 4, 0)
    kinds = ["f8" if np.asarray(s[2]).dtype.kind == "f" else "i2" for s in signals]
    content += b"".join(pack("hh", int(kind[1]), 1 if kind == "f8" else 2) for kind in kinds)
    n_ticks = max(len(samples) * divider for _, _, samples, divider in signals)
    for tick in range(n_ticks):
        for (_, _, samples, divider), kind in zip(signals, kinds, strict=True):
            if tick % divider == 0 and tick // divider < len(samples):
                content += np.array(samples[tick // divider], order + kind).tobytes()
    content += pack("ii", 0, len(markers))
    for sample, text in markers:
        encoded = text.encode("latin-1")
        content += pack("ihhhh", sample, 0, 0, 0, len(encoded)) + encoded + b"\0"
    content += b"\x44\x33\x22\x11" + pack("hi", 0, 0)
    path.write_bytes(content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "S1.acq"


SIGNALS = [
    ("EDA", "µS", np.linspace(0, 1, 10), 4),
    ("Puls größer", "Volts", np.arange(40), 1),
]


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_rates_units_and_markers(path, order):
    write(path, SIGNALS, [(25, "pain"), (0, "None")], order)
    recording = read_recording(path)
    eda, pulse = recording["EDA"], recording["Puls größer"]
    np.testing.assert_allclose(eda.samples, np.linspace(0, 1, 10))
    np.testing.assert_allclose(pulse.samples, np.arange(40) * 0.5 + 10)
    assert (eda.sampling_rate, eda.unit) == (25, "µS")
    assert (pulse.sampling_rate, pulse.unit) == (100, "Volts")
    assert recording.annotations["onset"].tolist() == [0, 0.25]
    assert recording.annotations["label"].tolist() == ["None", "pain"]
    assert list_channels(path).values.tolist() == [
        ["EDA", 25.0, "µS", 0.4, 10],
        ["Puls größer", 100.0, "Volts", 0.4, 40],
    ]


def test_one_channel(path):
    recording = read_recording(write(path, SIGNALS), "Puls größer")
    assert list(recording.channels) == ["Puls größer"]


def test_names_that_occur_twice(path):
    write(path, [("Analog input", "mV", np.arange(4), 1)] * 2)
    assert list_channels(path)["name"].tolist() == ["Analog input #1", "Analog input #2"]


@pytest.mark.parametrize("n_bytes", [0, 5, 1000, HEADER_SIZE + 300])
def test_files_that_end_in_the_header(path, n_bytes):
    path.write_bytes(write(path, SIGNALS).read_bytes()[:n_bytes])
    with pytest.raises(RecordingError, match=r"S1\.acq: .*not have the headers of an AcqKnowledge"):
        read_recording(path)


def test_truncated_samples(path):
    content = write(path, SIGNALS).read_bytes()
    path.write_bytes(content[: HEADER_SIZE + 2 * 252 + 12 + 100])
    with pytest.raises(RecordingError, match=r"end at byte 4676, but .* 4616 bytes; it is truncat"):
        read_recording(path)


@pytest.mark.parametrize("dividers", [(9973, 9967), (-1, 1)])
def test_damaged_sampling_rates(path, dividers):
    content = bytearray(write(path, SIGNALS).read_bytes())
    for number, divider in enumerate(dividers):
        end = HEADER_SIZE + 252 * (number + 1)
        content[end - 2 : end] = struct.pack("<h", divider)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="rates or lengths in the headers are damaged"):
        read_recording(path)


def test_unreadable_markers(path):
    content = write(path, SIGNALS, [(25, "pain")]).read_bytes()
    path.write_bytes(content[: HEADER_SIZE + 2 * 252 + 12 + 160 + 10])
    with pytest.raises(RecordingError, match="markers are not readable; pass annotations=False"):
        read_recording(path)
    assert len(read_recording(path, annotations=False)["EDA"].samples) == 10


def test_continued_recordings_are_noted(path, monkeypatch):
    """Markers of a type exist in files of later versions only; here they are made up."""
    write(path, SIGNALS)
    markers = [
        SimpleNamespace(
            sample_index=sample, type_code="apnd", type="Append", text="", date_created_utc=None
        )
        for sample in (0, 20)
    ]
    read = bioread.read

    def read_with_markers(*arguments):
        data = read(*arguments)
        data.event_markers = markers
        return data

    monkeypatch.setattr(bioread, "read", read_with_markers)
    recording = read_recording(path)
    assert recording.annotations["label"].tolist() == ["Append", "Append"]
    assert recording.notes[0].startswith("The recording was continued at 0.2 s; the file does not")


def test_without_the_library(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bioread", None)
    with pytest.raises(ImportError, match=r"need bioread: pip install 'sklearn-biomoe\[recordings"):
        read_recording(write(path, SIGNALS))


FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(max_examples=30, deadline=None, suppress_health_check=FIXTURES)
@given(
    names=st.lists(
        st.text("EDAµ 1", min_size=1, max_size=8).map(str.strip).filter(bool),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    dividers=st.lists(st.sampled_from([1, 2, 4]), min_size=3, max_size=3),
    n_ticks=st.integers(4, 40),
    markers=st.lists(
        st.tuples(st.integers(0, 39), st.sampled_from(["pain", "NA", "é"])), max_size=3
    ),
    order=st.sampled_from("<>"),
    seed=st.integers(0, 99),
)
def test_random_recordings(path, names, dividers, n_ticks, markers, order, seed):
    generator = np.random.default_rng(seed)
    signals = []
    for number, (name, divider) in enumerate(zip(names, dividers, strict=False)):
        samples = generator.integers(-32768, 32768, -(-n_ticks // divider))
        signals.append((name, "V", samples / 7 if number % 2 else samples, divider))
    write(path, signals, markers, order, rate=1000)
    recording = read_recording(path)
    assert list(recording.channels) == names
    for name, _, samples, divider in signals:
        expected = samples if samples.dtype.kind == "f" else samples * 0.5 + 10
        np.testing.assert_allclose(recording[name].samples, expected)
        assert recording[name].sampling_rate == 1000 / divider
    found = zip(recording.annotations["onset"], recording.annotations["label"], strict=True)
    assert sorted(found) == sorted((sample / 1000, text) for sample, text in markers)


@settings(max_examples=15, deadline=None, suppress_health_check=FIXTURES)
@given(changes=st.lists(st.tuples(st.integers(0, 4800), st.binary(max_size=4)), min_size=1))
def test_damaged_bytes(path, changes):
    """Whatever the bytes are, the file is read or refused, and nothing else is raised."""
    content = bytearray(write(path, SIGNALS, [(25, "pain")]).read_bytes())
    for start, new in changes:
        content[start : start + len(new) or start + 1] = new
    path.write_bytes(content)
    try:
        read_recording(path)
    except RecordingError as error:
        assert str(path) in str(error)  # noqa: PT017
