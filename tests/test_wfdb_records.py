"""WFDB records, written byte by byte, and read back."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

wfdb = pytest.importorskip("wfdb")

LINE = "{stem}.dat 16{per_frame} 100(0)/uS 16 0 0 0 0 {name}"


def write_segment(folder, stem, samples, fs=4, per_frame=None, lines=None, extra=""):
    """Write signals in format 16: frames of ``per_frame`` samples of each signal."""
    per_frame = per_frame or dict.fromkeys(samples, 1)
    rows = [np.reshape(values, (-1, per_frame[name])) for name, values in samples.items()]
    np.hstack(rows).astype("<i2").tofile(folder / f"{stem}.dat")
    header = [f"{stem} {len(samples)} {fs} {len(rows[0])}{extra}"]
    header += lines or [
        LINE.format(stem=stem, name=name, per_frame=f"x{n}" if n > 1 else "")
        for name, n in per_frame.items()
    ]
    (folder / f"{stem}.hea").write_text("\n".join(header) + "\n")
    return folder / f"{stem}.hea"


def write_annotations(path, events):
    """Write events of (sample, symbol code, text or None) in the MIT format."""
    words, before = [], 0
    for sample, code, text in events:
        interval = sample - before
        if interval >= 1024:  # a skip, whose long integer has its high word first
            words += [59 << 10, interval >> 16, interval & 0xFFFF]
            interval = 0
        words.append(code << 10 | interval)
        if text is not None:
            encoded = text.encode()
            words += [63 << 10 | len(encoded)]
            words += np.frombuffer(encoded + b"\0" * (len(encoded) % 2), "<u2").tolist()
        before = sample
    path.write_bytes(np.array([*words, 0], "<u2").tobytes())


def test_null_segments_are_missing_samples(tmp_path):
    """A fixed layout: 50 s of samples, 25 s without any, 50 s more."""
    write_segment(tmp_path, "seg0", {"EDA": np.arange(200)})
    write_segment(tmp_path, "seg1", {"EDA": np.arange(200, 400)})
    (tmp_path / "whole.hea").write_text("whole/3 1 4 500\nseg0 200\n~ 100\nseg1 200\n")
    eda = read_recording(tmp_path / "whole.hea", "EDA")["EDA"]
    expected = np.concatenate([np.arange(200), np.full(100, np.nan), np.arange(200, 400)]) / 100
    np.testing.assert_allclose(eda.samples, expected)
    assert (eda.sampling_rate, eda.unit) == (4.0, "uS")
    assert list_channels(tmp_path / "whole.hea").values.tolist() == [["EDA", 4.0, "uS", 125.0, 500]]


def test_variable_layout(tmp_path):
    """A segment may lack channels, and have them in another order and at another gain."""
    write_segment(tmp_path, "seg0", {"EDA": np.arange(8)})
    halves = [
        "seg1.dat 16 50(10)/mV 16 0 0 0 0 ECG",
        "seg1.dat 16 10(0)/uS 16 0 0 0 0 EDA",
    ]
    write_segment(tmp_path, "seg1", {"ECG": np.arange(8), "EDA": np.arange(8)}, lines=halves)
    (tmp_path / "layout.hea").write_text(
        "layout 2 4 0\n~ 0 100(0)/uS 16 0 0 0 0 EDA\n~ 0 100(0)/mV 16 0 0 0 0 ECG\n"
    )
    (tmp_path / "whole.hea").write_text(
        "whole/4 2 4 20 10:30:00 05/03/2021\nlayout 0\nseg0 8\n~ 4\nseg1 8\n"
    )
    recording = read_recording(tmp_path / "whole.hea")
    assert recording.start_time == datetime(2021, 3, 5, 10, 30)
    eda = [*np.arange(8) / 100, *[np.nan] * 4, *np.arange(8) / 10]
    ecg = [*[np.nan] * 12, *(np.arange(8) - 10) / 50]
    np.testing.assert_allclose(recording["EDA"].samples, eda)
    np.testing.assert_allclose(recording["ECG"].samples, ecg)
    assert list(read_recording(tmp_path / "whole.hea", ["ECG"]).channels) == ["ECG"]
    with pytest.raises(RecordingError, match=r"layout\.hea: This header describes the segments of"):
        read_recording(tmp_path / "layout.hea")


def test_segments_without_a_file(tmp_path):
    write_segment(tmp_path, "seg0", {"EDA": np.arange(8)})
    (tmp_path / "whole.hea").write_text("whole/2 1 4 16\nseg0 8\nseg1 8\n")
    with pytest.raises(RecordingError, match=r"1 of 2 segments have no file: seg1\. Put the files"):
        read_recording(tmp_path / "whole.hea")
    recording = read_recording(tmp_path / "whole.hea", incomplete="keep")
    np.testing.assert_allclose(recording["EDA"].samples, [*np.arange(8) / 100, *[np.nan] * 8])
    assert recording.notes == ("1 of 2 segments have no file: seg1.",)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("whole/2 1 4 99\nseg0 8\nseg1 8\n", "states 99 frames; its segments have 16"),
        ("whole/2 1 4 17\nseg0 9\nseg1 8\n", "Segment seg0 has 8 frames, .* header states 9"),
    ],
)
def test_lengths_that_contradict_each_other(tmp_path, header, message):
    for stem in ("seg0", "seg1"):
        write_segment(tmp_path, stem, {"EDA": np.arange(8)})
    (tmp_path / "whole.hea").write_text(header)
    with pytest.raises(RecordingError, match=message):
        read_recording(tmp_path / "whole.hea")


def test_segments_in_different_units(tmp_path):
    write_segment(tmp_path, "seg0", {"EDA": np.arange(8)})
    line = "seg1.dat 16 100(0)/nS 16 0 0 0 0 EDA"
    write_segment(tmp_path, "seg1", {"EDA": np.arange(8)}, lines=[line])
    (tmp_path / "whole.hea").write_text("whole/2 1 4 16\nseg0 8\nseg1 8\n")
    with pytest.raises(RecordingError, match=r"Segment seg1 has channel 'EDA' in nS .* in uS"):
        read_recording(tmp_path / "whole.hea")


def test_codes_of_missing_samples(tmp_path):
    path = write_segment(tmp_path, "S1", {"EDA": [1, -32768, 3, 4]})
    samples = read_recording(path)["EDA"].samples
    np.testing.assert_allclose(samples, [0.01, np.nan, 0.03, 0.04])
    assert read_recording(path, resample_to=2)["EDA"].n_missing == 0


def test_frames_of_several_rates(tmp_path):
    samples = {"RESP": np.arange(10), "EDA": np.arange(20), "ECG": np.arange(80)}
    path = write_segment(tmp_path, "S1", samples, fs=2, per_frame={"RESP": 1, "EDA": 2, "ECG": 8})
    assert list_channels(path)["sampling_rate"].tolist() == [2, 4, 16]
    recording = read_recording(path, ["ECG", "RESP", "EDA"])
    for name, rate in {"ECG": 16, "RESP": 2, "EDA": 4}.items():
        assert recording[name].sampling_rate == rate
        np.testing.assert_allclose(recording[name].samples, samples[name] / 100)


def test_uncalibrated_channels_are_noted(tmp_path):
    lines = ["S1.dat 16", "S1.dat 16 0(0)/mV 16 0 0 0 0 b", "S1.dat 16 200(0)/mV 16 0 0 0 0 c"]
    path = write_segment(tmp_path, "S1", dict.fromkeys("abc", np.arange(4)), lines=lines)
    recording = read_recording(path)
    assert list(recording.channels) == ["channel 1", "b", "c"]
    assert [note.split("is")[0] for note in recording.notes] == [
        "Channel 'channel 1' ",
        "Channel 'b' ",
    ]
    assert not read_recording(path, "c").notes


def test_annotations(tmp_path):
    path = write_segment(tmp_path, "S1", {"EDA": np.arange(8)}, fs=250)
    write_annotations(tmp_path / "S1.atr", [(25, 1, None), (500, 22, "None"), (70000, 22, "pain")])
    write_annotations(tmp_path / "S1.qrs", [(125, 1, None)])
    recording = read_recording(path)
    assert recording.annotations["onset"].tolist() == [0.1, 2, 280]
    assert recording.annotations["label"].tolist() == ["N", "None", "pain"]
    assert recording.annotations["duration"].isna().all()
    assert recording.notes == (
        "The annotations in S1.qrs are not read; annotator='qrs' reads them.",
    )
    assert read_recording(path, annotator="qrs").annotations["onset"].tolist() == [0.5]
    with pytest.raises(RecordingError, match=r"no annotation file S1\.ecg beside the record"):
        read_recording(path, annotator="ecg")


def test_damaged_annotations(tmp_path):
    path = write_segment(tmp_path, "S1", {"EDA": np.arange(8)})
    (tmp_path / "S1.atr").write_bytes(b"\x01")
    with pytest.raises(RecordingError, match=r"in S1\.atr are not readable .*annotations=False"):
        read_recording(path)
    assert len(read_recording(path, annotations=False)["EDA"].samples) == 8


def test_truncated_data(tmp_path):
    path = write_segment(tmp_path, "S1", {"EDA": np.arange(8)})
    (tmp_path / "S1.dat").write_bytes((tmp_path / "S1.dat").read_bytes()[:-2])
    with pytest.raises(RecordingError, match=r"S1\.hea cannot be read as WFDB"):
        read_recording(path)
    (tmp_path / "S1.dat").unlink()
    with pytest.raises(RecordingError, match=r"names a data file that is missing: .*S1\.dat"):
        read_recording(path)


def test_a_header_without_length(tmp_path):
    path = write_segment(tmp_path, "S1", {"EDA": np.arange(8)})
    path.write_text(path.read_text().replace("S1 1 4 8", "S1 1 4"))
    assert list_channels(path)["n_samples"].tolist() == [8]
    assert len(read_recording(path)["EDA"].samples) == 8


SIGNALS = st.dictionaries(
    st.sampled_from(["EDA", "ECG II", "Resp(1)", "µ"]), st.sampled_from([1, 2, 5]), min_size=1
)


FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(max_examples=40, deadline=None, suppress_health_check=FIXTURES)
@given(
    per_frame=SIGNALS,
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    gaps=st.lists(st.integers(0, 9), min_size=3, max_size=3),
    fs=st.sampled_from([1, 4, 62.4725, 250]),
    events=st.lists(st.tuples(st.integers(1, 5000), st.sampled_from(["pain", "No", "x y"]))),
    seed=st.integers(0, 99),
)
def test_random_records(tmp_path, per_frame, lengths, gaps, fs, events, seed):
    """Segments with gaps between them, of frames of mixed rates."""
    generator = np.random.default_rng(seed)
    expected = {name: [] for name in per_frame}
    lines = []
    for number, (length, gap) in enumerate(zip(lengths, gaps, strict=False)):
        samples = {n: generator.integers(-32768, 32768, length * k) for n, k in per_frame.items()}
        write_segment(tmp_path, f"seg{number}", samples, fs, per_frame)
        lines += [f"seg{number} {length}"] + [f"~ {gap}"] * (gap > 0)
        for name, values in samples.items():
            physical = np.where(values == -32768, np.nan, values / 100)
            expected[name] += [*physical, *[np.nan] * (gap * per_frame[name])]
    n_frames = sum(lengths) + sum(gaps[: len(lengths)])
    header = f"whole/{len(lines)} {len(per_frame)} {fs} {n_frames}\n" + "\n".join(lines) + "\n"
    (tmp_path / "whole.hea").write_text(header)
    events = sorted(events)
    write_annotations(tmp_path / "whole.atr", [(at, 22, text) for at, text in events])
    recording = read_recording(tmp_path / "whole.hea")
    assert list(recording.channels) == list(per_frame)
    for name, count in per_frame.items():
        assert recording[name].sampling_rate == fs * count
        np.testing.assert_allclose(recording[name].samples, expected[name])
    found = recording.annotations
    np.testing.assert_allclose(found["onset"], [at / fs for at, _ in events])
    assert sorted(found["label"]) == sorted(text for _, text in events)


@settings(max_examples=1500, deadline=None, suppress_health_check=FIXTURES)
@given(changes=st.lists(st.tuples(st.integers(0, 90), st.binary(max_size=4)), min_size=1))
def test_damaged_bytes(tmp_path, changes):
    """Whatever the bytes are, the file is read or refused, and nothing else is raised."""
    path = write_segment(tmp_path, "S1", {"EDA": np.arange(8), "ECG": np.arange(8)})
    content = bytearray(path.read_bytes())
    for start, new in changes:
        content[start : start + len(new) or start + 1] = new
    path.write_bytes(content)
    try:
        read_recording(path)
    except RecordingError as error:
        assert str(path) in str(error)  # noqa: PT017
