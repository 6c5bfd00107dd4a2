"""Recordings read from files, against what was written into them by the formats' own libraries."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from sklearn_biomoe.recordings import RecordingError, list_channels, read_recording

SECONDS = np.arange(0, 20, 1 / 64)
PULSE = np.sin(2 * np.pi * 1.2 * SECONDS)
SLOW = 5 + np.sin(2 * np.pi * 0.2 * SECONDS)[::16]


def as_csv(folder):
    pd.DataFrame({"pulse": PULSE, "other": 0.0}).to_csv(folder / "S1.csv", index=False)
    return folder / "S1.csv"


def as_parquet(folder):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"other": 0.0, "pulse": PULSE}).to_parquet(folder / "S1.parquet")
    return folder / "S1.parquet"


def as_edf(folder):
    edfio = pytest.importorskip("edfio")
    signals = [("slow", SLOW, 4), ("pulse", PULSE, 64), ("double", SLOW, 4), ("double", SLOW, 4)]
    edf = edfio.Edf([edfio.EdfSignal(data, rate, label=name) for name, data, rate in signals])
    edf.write(folder / "S1.edf")
    return folder / "S1.edf"


def as_wfdb(folder):
    wfdb = pytest.importorskip("wfdb")
    both = np.column_stack([np.zeros_like(PULSE), PULSE])
    names = {"units": ["mV", "mV"], "sig_name": ["other", "pulse"], "fmt": ["16", "16"]}
    wfdb.wrsamp("S1", fs=64, p_signal=both, write_dir=str(folder), **names)
    return folder / "S1.hea"


FORMATS = {"csv": (as_csv, 64), "parquet": (as_parquet, 64), "edf": (as_edf, None)}
FORMATS["wfdb"] = (as_wfdb, None)


@pytest.mark.parametrize("name", FORMATS)
def test_a_channel_by_its_name(name, tmp_path):
    write, rate = FORMATS[name]
    recording = read_recording(write(tmp_path), "pulse", sampling_rate=rate)
    pulse = recording["pulse"]
    assert (list(recording.channels), pulse.sampling_rate) == (["pulse"], 64.0)
    np.testing.assert_allclose(pulse.samples, PULSE, atol=1e-4)  # 16 bits


def test_channels_have_their_own_rates(tmp_path):
    path = as_edf(tmp_path)
    recording = read_recording(path, ["pulse", "slow"])
    assert [channel.sampling_rate for channel in recording.channels.values()] == [64, 4]
    resampled = read_recording(path, ["slow", "pulse"], resample_to=32)
    assert {(len(c.samples), c.sampling_rate) for c in resampled.channels.values()} == {(640, 32)}
    expected = resample_poly(SLOW, 8, 1, padtype="line")
    np.testing.assert_allclose(resampled["slow"].samples, expected, atol=1e-3)


def test_channels_of_one_wfdb_record_at_different_rates(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    wfdb.wrsamp(
        "S1",
        fs=4,
        units=["mV", "mV"],
        sig_name=["slow", "pulse"],
        fmt=["16", "16"],
        samps_per_frame=[1, 16],
        e_p_signal=[SLOW, PULSE],
        write_dir=str(tmp_path),
    )
    pulse = read_recording(tmp_path / "S1.hea", "pulse")["pulse"]
    assert pulse.sampling_rate == 64.0
    np.testing.assert_allclose(pulse.samples, PULSE, atol=1e-4)


def test_gaps_stay_gaps(tmp_path):
    pulse = PULSE.copy()
    pulse[640:704] = np.nan
    path = tmp_path / "S1.csv"
    pd.DataFrame({"pulse": pulse}).to_csv(path, index=False)
    plain = read_recording(path, "pulse", sampling_rate=64)["pulse"].samples
    np.testing.assert_array_equal(plain, pulse)
    resampled = read_recording(path, "pulse", sampling_rate=64, resample_to=32)["pulse"].samples
    assert np.flatnonzero(np.isnan(resampled)).tolist() == list(range(320, 352))
    np.testing.assert_allclose(resampled[40:280], PULSE[80:560:2], atol=0.01)


@pytest.mark.parametrize(
    ("name", "channels", "options", "message"),
    [
        ("csv", "12", {"sampling_rate": 64}, "no channel '12'; the channels are 'pulse', 'other'"),
        ("csv", "pulse", {}, "channel 'pulse' has no sampling rate; pass sampling_rate in Hz"),
        ("edf", "pulse", {"sampling_rate": 4}, "'pulse' is recorded at 64 Hz, but .* is 4 Hz"),
        ("edf", "double", {}, "2 channels are called 'double'; pass one of 'double #1', 'double"),
        ("wfdb", "eda", {}, "no channel 'eda'; the channels are 'other', 'pulse'"),
        ("parquet", "eda", {"sampling_rate": 64}, "no channel 'eda'"),
    ],
)
def test_refused(name, channels, options, message, tmp_path):
    path = FORMATS[name][0](tmp_path)
    with pytest.raises(RecordingError, match=f"S1.*{message}"):
        read_recording(path, channels, **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".hea"])
def test_damaged_files_are_named(suffix, tmp_path):
    path = tmp_path / f"S1{suffix}"
    path.write_bytes(b"pulse\nno number\n" * 20)
    rate = 64 if suffix in (".csv", ".parquet") else None
    with pytest.raises(RecordingError, match=rf"S1\{suffix} cannot be read"):
        read_recording(path, ["pulse"], sampling_rate=rate)


def test_missing_files_and_other_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*S1\.edf"):
        read_recording(tmp_path / "S1.edf", ["pulse"])
    (tmp_path / "S1.mat").touch()
    with pytest.raises(RecordingError, match=r"suffix '\.mat', which no reader takes; .*\.hea"):
        read_recording(tmp_path / "S1.mat", ["pulse"])


def test_without_the_library(tmp_path, monkeypatch):
    path = as_wfdb(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    with pytest.raises(ImportError, match=r"need wfdb: pip install 'sklearn-biomoe\[recordings"):
        read_recording(path, ["pulse"])


def test_listed_channels(tmp_path):
    listed = list_channels(as_edf(tmp_path))
    assert listed["name"].tolist() == ["slow", "pulse", "double #1", "double #2"]
    assert listed["sampling_rate"].tolist() == [4, 64, 4, 4]
    assert listed["n_samples"].tolist() == [80, 1280, 80, 80]
    assert listed["duration"].tolist() == [20] * 4
