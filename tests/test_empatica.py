"""Sessions of the Empatica E4: folders, zip files and single files."""

import gzip
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

START = 1_700_000_000
EDA = np.round(0.5 + np.arange(240) / 1000, 6)


def signal(samples, rate, start=START):
    """Return the text of a file; samples of several axes are in columns."""
    samples = np.asarray(samples)
    head = [f"{start:.6f}", f"{rate:.6f}"]
    if samples.ndim == 1:
        return "\n".join([*head, *map(str, samples.tolist())]) + "\n"
    n_axes = samples.shape[1]
    rows = [", ".join([cell] * n_axes) for cell in head]
    return "\n".join([*rows, *(",".join(map(str, row)) for row in samples.tolist())]) + "\n"


def files():
    return {
        "EDA.csv": signal(EDA, 4),
        "BVP.csv": signal(np.sin(np.arange(3840)).round(2), 64),
        "HR.csv": signal(np.full(50, 72.5), 1, START + 10),
        "TEMP.csv": signal(np.full(240, 33.1), 4),
        "ACC.csv": signal(np.arange(3 * 1920).reshape(-1, 3) % 128 - 64, 32),
        "IBI.csv": f"{START}.000000, IBI\n1.5,0.8\n2.25,0.75\n",
        "tags.csv": f"{START + 20}.00\n{START + 40}.50\n",
        "info.txt": "Data from the E4\n",
    }


def write(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        content = text.encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def test_a_folder(tmp_path):
    path = write(tmp_path / "P01", files())
    recording = read_recording(path)
    assert list(recording.channels) == ["EDA", "BVP", "TEMP", "HR", "ACC_X", "ACC_Y", "ACC_Z"]
    assert [c.sampling_rate for c in recording.channels.values()] == [4, 64, 4, 1, 32, 32, 32]
    assert [len(c.samples) for c in recording.channels.values()] == [240, 3840, 240, 60] + [
        1920
    ] * 3
    np.testing.assert_array_equal(recording["EDA"].samples, EDA)
    np.testing.assert_array_equal(recording["HR"].samples, [np.nan] * 10 + [72.5] * 50)
    assert recording["ACC_Z"].samples[:3].tolist() == [-62, -59, -56]
    assert [c.unit for c in recording.channels.values()][:5] == ["µS", "", "°C", "bpm", "g/64"]
    assert (recording.subject, recording.source) == ("P01", str(path))
    assert recording.start_time == datetime.fromtimestamp(START, UTC)
    assert recording.annotations["onset"].tolist() == [20, 40.5]
    assert recording.annotations["label"].tolist() == ["tag", "tag"]
    assert recording.annotations["duration"].isna().all()
    assert recording.notes == ("2 intervals in the IBI file are read with ibi=True.",)
    listed = list_channels(path)
    assert listed["n_samples"].tolist() == [240, 3840, 240, 60, 1920, 1920, 1920]
    with pytest.raises(RecordingError, match="'EDA' is recorded at 4 Hz, but sampling_rate is 64"):
        read_recording(path, "EDA", sampling_rate=64)


def test_the_time_axis_does_not_depend_on_the_channels(tmp_path):
    path = write(tmp_path / "P01", files())
    recording = read_recording(path, ["HR"])
    assert recording["HR"].n_missing == 10
    assert recording.annotations["onset"].tolist() == [20, 40.5]
    with pytest.raises(RecordingError, match="P01: There is no channel 'ECG'; the channels are"):
        read_recording(path, "ECG")


def test_intervals_between_beats(tmp_path):
    contents = files() | {"IBI.csv": f"{START + 5}.000000, IBI\n1.5,0.8\n2.25,0.75\n"}
    annotations = read_recording(write(tmp_path / "P01", contents), ibi=True).annotations
    beats = annotations[annotations["label"] == "IBI"]
    np.testing.assert_allclose(beats[["onset", "duration"]], [[5.7, 0.8], [6.5, 0.75]])
    assert len(annotations) == 4


@pytest.mark.parametrize("inner", ["", "session/"])
def test_a_zip_file(inner, tmp_path):
    with zipfile.ZipFile(tmp_path / "1700000000_A01.zip", "w") as archive:
        for name, text in files().items():
            archive.writestr(inner + name, text)
        archive.writestr("__MACOSX/._EDA.csv", b"\0\1")
    recording = read_recording(tmp_path / "1700000000_A01.zip")
    np.testing.assert_array_equal(recording["EDA"].samples, EDA)
    assert (recording.subject, len(recording.annotations)) == ("1700000000_A01", 2)


def test_compressed_files_and_named_tags(tmp_path):
    contents = {"EDA.csv.gz": signal(EDA, 4), "tags_P01.csv": f"{START + 3}\n\n"}
    recording = read_recording(write(tmp_path / "P01", contents))
    assert recording.annotations["onset"].tolist() == [3]
    np.testing.assert_array_equal(recording["EDA"].samples, EDA)


@pytest.mark.parametrize(
    ("name", "channel"),
    [("EDA.csv", "EDA"), ("P01_EDA.CSV", "EDA"), ("eda.csv.gz", "EDA"), ("skin.csv", "skin")],
)
def test_a_single_file_is_not_read_as_a_table(name, channel, tmp_path):
    path = write(tmp_path / "P01", {name: signal(EDA, 4)}) / name
    recording = read_recording(path)
    np.testing.assert_array_equal(recording[channel].samples, EDA)
    assert (recording[channel].sampling_rate, recording.subject) == (4, "P01")
    assert list_channels(path)["n_samples"].tolist() == [240]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("IBI.csv", r"IBI\.csv: There is no signal with samples in IBI\.csv; read its folder"),
        ("tags.csv", r"tags\.csv: Line 1 has '1700000020\.00' where the names of columns are exp"),
    ],
)
def test_single_files_without_samples(name, message, tmp_path):
    path = write(tmp_path / "P01", files())
    with pytest.raises(RecordingError, match=message):
        read_recording(path / name, sampling_rate=4)


def test_files_without_samples_are_noted(tmp_path):
    contents = files() | {"HR.csv": "", "TEMP.csv": f"{START}\n4\n", "IBI.csv": "", "tags.csv": ""}
    recording = read_recording(write(tmp_path / "P01", contents))
    assert "HR.csv has no samples and is left out." in recording.notes
    assert "TEMP.csv has no samples and is left out." in recording.notes
    assert {"HR", "TEMP"}.isdisjoint(recording.channels)
    assert len(recording.annotations) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"BVP.csv": f"{START}\n64\n0.5\nx\n"}, r"BVP\.csv, line 4, column 'BVP': 'x' is not"),
        ({"BVP.csv": f"{START}\n64\n0.5\n1,5\n"}, r"BVP\.csv, line 4 has 2 cells, but there is"),
        ({"ACC.csv": f"{START},{START},{START}\n32,32,32\n1,2\n"}, r"ACC\.csv, line 3 has 2 cells"),
        ({"BVP.csv": "bvp\n0.5\n0.6\n"}, r"BVP\.csv begins with 'bvp' and '0\.5'; expected the"),
        ({"BVP.csv": f"{START}\n-4\n0.6\n"}, r"BVP\.csv begins with '1700000000' and '-4'"),
        ({"BVP.csv": f"{START + 10**9}\n64\n0.6\n"}, "BVP.csv begins with '2700000000'"),
        ({"BVP.csv": f"{START + 10**8}\n64\n0.6\n"}, "samples are spread over 1e"),
        ({"tags.csv": f"{START}\nx\n"}, r"tags\.csv, line 2, column 'time': 'x' is not a number"),
        ({"tags.csv": f"{START}\n20\n"}, r"tags\.csv, line 2: '20' is not a time in seconds since"),
        ({"IBI.csv": "time, IBI\n1.5,0.8\n"}, r"IBI\.csv begins with 'time, IBI'; expected the"),
        ({"IBI.csv": f"{START}, IBI\n1.5\n"}, r"IBI\.csv, line 2 has 1 cell, but there are 2"),
        ({"EDA.csv.gz": signal(EDA, 4)}, r"two EDA files, EDA\.csv and EDA\.csv\.gz; put each"),
    ],
)  # fmt: skip
def test_sessions_that_are_refused(changed, message, tmp_path):
    path = write(tmp_path / "P01", files() | changed)
    with pytest.raises(RecordingError, match=f"P01: .*{message}"):
        read_recording(path)


def test_damaged_zip_files_and_other_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "P01.zip", "w") as archive:
        archive.writestr("EDA.csv", signal(EDA, 4))
    content = (tmp_path / "P01.zip").read_bytes()
    (tmp_path / "P01.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        RecordingError, match=r"P01\.zip: The zip file is damaged or encrypted: BadZip"
    ):
        read_recording(tmp_path / "P01.zip")
    (tmp_path / "P01.zip").write_bytes(content.replace(b"0.6", b"9.6", 1))
    with pytest.raises(
        RecordingError, match=r"P01\.zip: The zip file is damaged or encrypted: BadZip"
    ):
        read_recording(tmp_path / "P01.zip")
    folder = write(tmp_path / "P02", {"EDA.csv": "time,eda\n0,0.5\n0.25,0.6\n"})
    with pytest.raises(RecordingError, match="P02 is a folder, which no reader takes"):
        read_recording(folder)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    signals=st.dictionaries(
        st.sampled_from(["EDA", "BVP", "TEMP", "HR"]),
        st.tuples(st.sampled_from([1, 4, 64]), st.integers(1, 200), st.integers(0, 30)),
        min_size=1,
    ),
    tags=st.lists(st.integers(0, 100), unique=True),
    seed=st.integers(0, 99),
)
def test_random_sessions(tmp_path_factory, signals, tags, seed):
    generator = np.random.default_rng(seed)
    contents, expected = {}, {}
    first = min(delay for _, _, delay in signals.values())
    for name, (rate, n_samples, delay) in signals.items():
        samples = generator.normal(size=n_samples).round(6)
        contents[f"{name}.csv"] = signal(samples, rate, START + delay)
        expected[name] = np.append(np.full((delay - first) * rate, np.nan), samples)
    contents["tags.csv"] = "".join(f"{START + tag}.00\n" for tag in sorted(tags))
    recording = read_recording(write(tmp_path_factory.mktemp("P"), contents))
    assert set(recording.channels) == set(signals)
    for name, (rate, _, _) in signals.items():
        assert recording[name].sampling_rate == rate
        np.testing.assert_array_equal(recording[name].samples, expected[name])
    assert recording.annotations["onset"].tolist() == [tag - first for tag in sorted(tags)]
