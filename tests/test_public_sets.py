"""Loaders of published data sets: small made-up files, and the published ones where they are."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe.datasets import _folders, fetch_bidmc

REAL_DATA = Path(
    os.environ.get("SKLEARN_BIOMOE_DATA") or Path(__file__).parents[2] / "shared" / "data"
)


def published(name, file):
    """Return the folder with data sets, or skip the test."""
    if not any((REAL_DATA / name).glob(f"**/{file}*")):
        pytest.skip(f"No folder {name} with the published files in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def pin(monkeypatch, tmp_path):
    """Return a function that makes the files in a folder the published ones."""
    for name in ("SKLEARN_BIOMOE_DATA", "SKLEARN_BIOMOE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("SKLEARN_BIOMOE_OFFLINE", "1")

    def pin_files(folder):
        registry = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        monkeypatch.setattr(_folders, "read_registry", lambda name: registry)

    return pin_files


def compress(path):
    """Replace a file with its compressed copy."""
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


# BIDMC


def write_bidmc(folder, patients=("01", "02"), seconds=20):
    """Write patients whose PPG is the time in seconds, ECG twice and respiration thrice of it."""
    folder.mkdir(exist_ok=True)
    for patient in patients:
        times = np.arange(seconds * 125) / 125
        # Columns differ in order, as they do between patients; times have two decimals.
        order = [" II", " PLETH", " RESP"] if patient == "01" else [" RESP", " PLETH", " II", " V"]
        columns = {" PLETH": times, " II": 2 * times, " RESP": 3 * times, " V": 0 * times}
        signals = pd.DataFrame(
            {"Time [s]": times.round(2)} | {name: columns[name] for name in order}
        )
        signals.to_csv(folder / f"bidmc_{patient}_Signals.csv", index=False)
        numerics = pd.DataFrame(
            {
                "Time [s]": np.arange(seconds),
                " HR": np.arange(seconds) + 60,
                " PULSE": np.r_[np.full(10, np.nan), np.full(seconds - 10, 70)],
                " RESP": np.r_[np.zeros(6), np.full(seconds - 6, 15)],
                " SpO2": np.r_[np.full(5, np.nan), np.full(seconds - 5, 98)],
            }
        )
        numerics.to_csv(folder / f"bidmc_{patient}_Numerics.csv", index=False)
        # Breaths of the first annotator every 4 s, of the second at 1 s only.
        breaths = "breaths ann1 [signal sample no], breaths ann2 [signal sample no]\n"
        breaths += "125,125\n625,NaN\n1125,NaN\n1625,NaN\n2125,NaN\n"
        (folder / f"bidmc_{patient}_Breaths.csv").write_text(breaths)
    return folder


def test_bidmc_windows_and_rates(tmp_path, pin):
    folder = write_bidmc(tmp_path / "bidmc")
    pin(folder)
    windows = fetch_bidmc(data_home=tmp_path, duration=10)
    assert list(windows.data.columns) == ["subject", "ppg", "ecg", "resp"]
    assert windows.groups.tolist() == windows.data["subject"].tolist() == [1, 1, 2, 2]
    assert windows.elapsed_time.tolist() == [0, 10, 0, 10]
    for row in (1, 3):
        np.testing.assert_allclose(windows.data["ppg"][row], 10 + np.arange(1250) / 125)
        np.testing.assert_allclose(windows.data["ecg"][row], 20 + np.arange(1250) / 62.5)
        np.testing.assert_allclose(windows.data["resp"][row], 30 + np.arange(1250) * 3 / 125)
    assert windows.sampling_rates == {"ppg": 125, "ecg": 125, "resp": 125}
    first, second = windows.target.iloc[0], windows.target.iloc[1]
    assert first["heart_rate"] == 64.5  # mean of 60 to 69
    assert second["heart_rate"] == 74.5
    assert np.isnan(first["pulse_rate"])
    assert second["pulse_rate"] == 70
    assert first["spo2"] == 98  # of half of the seconds
    assert np.isnan(first["breathing_rate"])  # 0 for 6 of 10 seconds
    assert second["breathing_rate"] == 15
    assert first["breathing_rate_1"] == second["breathing_rate_1"] == 15  # 1, 5, 9 s; 13, 17 s
    assert np.isnan(first["breathing_rate_2"])


def test_bidmc_steps_and_compressed_files(tmp_path, pin):
    folder = write_bidmc(tmp_path / "bidmc_csv", patients=["07"])
    pin(folder)
    for path in list(folder.iterdir()):
        compress(path)
    windows = fetch_bidmc(data_home=tmp_path, duration=8, step=4)
    assert windows.elapsed_time.tolist() == [0, 4, 8, 12]
    assert windows.target["heart_rate"].tolist() == [63.5, 67.5, 71.5, 75.5]


def test_bidmc_damaged_file(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    path = folder / "bidmc_02_Signals.csv"
    path.write_text("Time [s], PLETH\n0,")
    with pytest.raises(ValueError, match="is not the published file: expected sha256") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert str(path) in str(caught.value)
    assert "https://physionet.org/files/bidmc/1.0.0/bidmc_csv/bidmc_02" in str(caught.value)
    windows = fetch_bidmc(data_home=tmp_path, duration=10, on_error="skip")
    assert windows.groups.tolist() == [1, 1]
    assert windows.skipped["subject"].tolist() == ["02"]
    assert "Left out" in windows.DESCR
    assert str(path) in windows.DESCR


def test_bidmc_truncated_compressed_file(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    compress(folder / "bidmc_01_Signals.csv")
    path = folder / "bidmc_01_Signals.csv.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is damaged: Compressed file ended") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert str(path) in str(caught.value)


def test_bidmc_incomplete_folder(tmp_path, pin):
    folder = write_bidmc(tmp_path)
    pin(folder)
    (folder / "bidmc_02_Breaths.csv").unlink()
    with pytest.raises(OSError, match=r"without 1 of 6: bidmc_02_Breaths\.csv") as caught:
        fetch_bidmc(data_home=tmp_path)
    assert "https://physionet.org/content/bidmc/1.0.0" in str(caught.value)


def test_bidmc_published_files():
    home = published("bidmc", "bidmc_01_Signals.csv")
    windows = fetch_bidmc(data_home=home, download_if_missing=False)
    assert windows.data.shape == (424, 4)
    assert np.bincount(windows.groups)[1:].tolist() == [8] * 53
    assert {cell.shape for cell in windows.data["ecg"]} == {(7500,)}
    lines = pd.read_csv(next((home / "bidmc").glob("bidmc_23_Signals*")), skipinitialspace=True)
    row = int(np.flatnonzero(windows.groups == 23)[2])
    np.testing.assert_array_equal(windows.data["ecg"][row], lines["II"][15000:22500])
    assert windows.target.isna().sum().tolist() == [0, 1, 7, 1, 0, 0]
    assert windows.target["heart_rate"].corr(windows.target["pulse_rate"]) > 0.9
    annotators = windows.target[["breathing_rate_1", "breathing_rate_2"]]
    assert annotators.corr().iloc[0, 1] > 0.8
    assert (annotators.diff(axis=1).iloc[:, 1].abs() > 2).sum() == 24
