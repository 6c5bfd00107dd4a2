"""Simulated windows are physiological and reproducible; Stress-Predict is found and cut exactly."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import find_peaks, savgol_filter, welch
from scipy.stats import ks_2samp
from sklearn.utils import Bunch

from sklearn_biomoe.datasets import (
    _folders,
    fetch_stress_predict,
    make_biosignal_windows,
    stress_predict,
)

RATES = {"eda": 4.0, "bvp": 64.0, "resp": 25.0, "spo2": 1.0}


# The simulator


def stack(windows: Bunch, modality: str) -> np.ndarray:
    return np.stack(list(windows.data[modality]))


def heart_rates(bvp: np.ndarray) -> np.ndarray:
    """Beats per minute by the distance between systolic peaks; shape (n_windows,)."""
    rates = []
    for window in bvp:
        peaks, _ = find_peaks(window, distance=0.4 * 64, prominence=0.8 * window.std())
        rates.append(60 * 64 / np.median(np.diff(peaks)))
    return np.array(rates)


def main_frequencies(signals: np.ndarray, rate: float) -> np.ndarray:
    """Frequencies of most power, in Hz, shape (n_windows,)."""
    n_times = signals.shape[1]
    frequencies, power = welch(signals, rate, nperseg=n_times, nfft=8 * n_times)
    return frequencies[power.argmax(axis=1)]


def count_responses(eda: np.ndarray) -> np.ndarray:
    """Skin conductance responses of more than 2 % of the level; shape (n_windows,)."""
    return np.array([len(find_peaks(w, prominence=0.02 * w.mean())[0]) for w in eda])


def features(windows: Bunch) -> dict[str, np.ndarray]:
    eda, bvp, resp, spo2 = (stack(windows, name) for name in RATES)
    return {
        "heart rate": heart_rates(bvp),
        "pulse amplitude": bvp.std(axis=1),
        "skin conductance level": np.median(eda, axis=1),
        "skin conductance responses": count_responses(eda),
        "breathing rate": main_frequencies(resp, 25.0),
        "breathing depth": resp.std(axis=1),
        "lowest saturation": spo2.min(axis=1),
    }


@pytest.fixture(scope="module")
def windows():
    return make_biosignal_windows(60, 8, random_state=1)


def test_simulated_shapes_and_dtypes():
    windows = make_biosignal_windows(3, 5, duration=10, sampling_rates={"eda": 8}, random_state=0)
    assert list(windows.data.columns) == ["subject", "eda", "bvp", "resp", "spo2"]
    assert windows.sampling_rates == RATES | {"eda": 8.0}
    lengths = {"eda": 80, "bvp": 640, "resp": 250, "spo2": 10}
    for name, n_times in lengths.items():
        assert all(cell.shape == (n_times,) for cell in windows.data[name])
        assert all(cell.dtype == np.float64 for cell in windows.data[name])
        assert np.isfinite(stack(windows, name)).all()
    np.testing.assert_array_equal(windows.groups, np.repeat([1, 2, 3], 5))
    np.testing.assert_array_equal(windows.data["subject"], windows.groups)
    assert windows.target.dtype.kind == "i"
    np.testing.assert_array_equal(windows.target.reshape(3, 5).sum(axis=1), 2)
    assert "stress" in windows.DESCR


def test_order_of_classes_is_shuffled_within_subjects(windows):
    orders = {tuple(row) for row in windows.target.reshape(60, 8)}
    assert len(orders) > 30
    np.testing.assert_array_equal(windows.target.reshape(60, 8).sum(axis=1), 4)


def test_random_state():
    one, same, other = (make_biosignal_windows(2, 2, random_state=seed) for seed in (3, 3, 4))
    state = np.random.RandomState(3)
    from_state, next_from_state = (make_biosignal_windows(2, 2, random_state=state) for _ in "ab")
    for name in RATES:
        np.testing.assert_array_equal(stack(one, name), stack(same, name))
        np.testing.assert_array_equal(stack(one, name), stack(from_state, name))
        assert not np.array_equal(stack(one, name), stack(other, name))
        assert not np.array_equal(stack(one, name), stack(next_from_state, name))


@pytest.mark.parametrize("modalities", [["bvp"], "bvp", ["spo2", "bvp"], ["bvp", "resp", "eda"]])
def test_a_modality_does_not_depend_on_the_others(modalities):
    full = make_biosignal_windows(2, 3, random_state=0)
    part = make_biosignal_windows(2, 3, modalities=modalities, random_state=0)
    names = [modalities] if isinstance(modalities, str) else modalities
    assert list(part.data.columns) == ["subject", *names]
    assert list(part.sampling_rates) == names
    np.testing.assert_array_equal(part.target, full.target)
    for name in names:
        np.testing.assert_array_equal(stack(part, name), stack(full, name))


def test_sampling_rate_does_not_change_the_signal():
    full, fine = (
        make_biosignal_windows(2, 3, modalities=["bvp"], sampling_rates=rates, random_state=0)
        for rates in (None, {"bvp": 256})
    )
    for coarse_window, fine_window in zip(full.data["bvp"], fine.data["bvp"], strict=True):
        assert np.corrcoef(coarse_window, fine_window[::4])[0, 1] > 0.97


def test_simulated_values_are_physiological(windows):
    spo2, eda = stack(windows, "spo2"), stack(windows, "eda")
    assert spo2.max() <= 100
    assert 96 < np.median(spo2) < 98
    assert spo2.min() < 93
    assert eda.min() > 0
    assert 1 < np.median(eda) < 4
    rest = windows.target == 0
    found = features(windows)
    assert 60 < np.median(found["heart rate"][rest]) < 80
    assert 10 / 60 < np.median(found["breathing rate"][rest]) < 18 / 60
    assert 1 <= np.mean(found["skin conductance responses"][rest]) <= 3
    for name in ("bvp", "resp"):
        assert abs(stack(windows, name).mean()) < 0.1 * stack(windows, name).std()


def test_subjects_differ(windows):
    for name, values in features(windows).items():
        values = values[windows.target == 0].reshape(60, 4).astype(float)
        within = values.var(axis=1, ddof=1).mean()
        assert values.mean(axis=1).var(ddof=1) > 1.1 * within / 4, name


def test_inhaling_takes_less_time_than_exhaling(windows):
    steps = np.diff(stack(windows, "resp"), axis=1)
    assert 0.38 < (steps > 0).mean() < 0.48


def test_pulse_has_a_dicrotic_wave(windows):
    """Most beats have a second, lower peak."""
    bvp = stack(windows, "bvp")
    smooth = savgol_filter(bvp, 11, 2, axis=1)
    peaks = [len(find_peaks(w, prominence=0.02 * np.ptp(w))[0]) for w in smooth]
    assert 1.5 < np.median(peaks / heart_rates(bvp)) <= 2.1


def test_responses_before_the_window_decay_in_it():
    """In 0.5 s only a decaying response can decrease by 0.6 % per sample, 4 SD of the noise."""
    windows = make_biosignal_windows(
        300, 2, modalities=["eda"], duration=0.5, effect_size=3, random_state=0
    )
    steps = np.diff(np.log(stack(windows, "eda")), axis=1).ravel()
    assert (steps < -0.006).mean() > 0.1


def test_heart_rate_varies_with_the_breathing_of_the_same_window():
    windows = make_biosignal_windows(30, 2, effect_size=0, random_state=2)
    breathing = main_frequencies(stack(windows, "resp"), 25.0)
    grid = np.arange(3, 57, 0.25)
    gains = []
    for window, frequency in zip(windows.data["bvp"], breathing, strict=True):
        peaks, _ = find_peaks(window, distance=0.4 * 64, prominence=0.8 * window.std())
        rate = 64 / np.diff(peaks)
        rate = np.interp(grid, peaks[1:] / 64, rate)
        frequencies, power = welch(rate, 4.0, nperseg=len(grid), nfft=2048)
        near = abs(frequencies - frequency) < 0.02
        # Compare with the highest power elsewhere in the respiration band, above 0.1 Hz.
        elsewhere = (abs(frequencies - frequency) > 0.06) & (frequencies > 0.14)
        gains.append(power[near].max() / power[elsewhere].max())
    assert np.median(gains) > 3
    assert np.mean(np.array(gains) > 1) > 0.85


def test_effect_size_zero_gives_equal_classes():
    # One rest and one stress-like window per subject; subjects are independent.
    windows = make_biosignal_windows(700, 2, effect_size=0, random_state=0)
    for name, values in features(windows).items():
        rest, stress = values[windows.target == 0], values[windows.target == 1]
        assert ks_2samp(rest, stress).pvalue > 0.005, name
        assert abs((stress - rest).mean()) < 3.5 * (stress - rest).std() / np.sqrt(700), name


def test_direction_of_the_class_effect(windows):
    raised = {
        "heart rate": 1,
        "pulse amplitude": -1,
        "skin conductance level": 1,
        "skin conductance responses": 1,
        "breathing rate": 1,
        "breathing depth": -1,
    }
    found = features(windows)
    for name, sign in raised.items():
        values = found[name].astype(float)
        rest, stress = values[windows.target == 0], values[windows.target == 1]
        assert sign * (stress.mean() - rest.mean()) > 0.4 * rest.std(), name


def test_larger_effect_gives_more_desaturations_and_a_faster_heart():
    rates, dips = [], []
    for effect_size in (0, 1, 2):
        windows = make_biosignal_windows(
            400, 2, modalities=["spo2"], effect_size=effect_size, random_state=0
        )
        spo2 = stack(windows, "spo2")[windows.target == 1]
        dips.append((np.median(spo2, axis=1) - spo2.min(axis=1) > 1).mean())
        windows = make_biosignal_windows(
            40, 2, modalities=["bvp"], effect_size=effect_size, random_state=0
        )
        rates.append(heart_rates(stack(windows, "bvp")[windows.target == 1]).mean())
    assert dips[0] < dips[1] < dips[2]
    assert rates[2] - rates[1] == pytest.approx(rates[1] - rates[0], rel=0.15)


def test_shortest_windows():
    windows = make_biosignal_windows(1, 1, modalities=["eda", "bvp"], duration=0.25)
    assert windows.data["eda"][0].shape == (1,)
    assert windows.data["bvp"][0].shape == (16,)
    np.testing.assert_array_equal(windows.target, [0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modalities": ["eda", "bpv"]}, r"Unknown modality 'bpv'.*\['bvp'.*mean 'bvp'"),
        ({"modalities": []}, r"modalities=\[\]; expected one or more distinct"),
        ({"modalities": ["eda", "eda"]}, r"modalities=\['eda', 'eda'\]; expected one"),
        ({"n_subjects": 0}, "n_subjects=0; expected an integer of 1 or more"),
        ({"n_subjects": 2.5}, "n_subjects=2.5; expected an integer"),
        ({"n_windows_per_subject": 0}, "n_windows_per_subject=0; expected an integer"),
        ({"effect_size": -0.1}, "effect_size=-0.1; expected a finite number of 0 or more"),
        ({"effect_size": np.nan}, "effect_size=nan; expected a finite number"),
        ({"duration": 0.9}, "duration=0.9 s is shorter than a sample of 'spo2' at 1 Hz; pass 1 s"),
        ({"duration": -1.0}, "duration=-1.0; expected a finite number above 0 in s"),
        ({"duration": np.inf}, "duration=inf; expected a finite number"),
        ({"sampling_rates": {"bvp": 0}}, r"sampling_rates\['bvp'\]=0; expected .* above 0 in Hz"),
        (
            {"modalities": ["eda"], "sampling_rates": {"bvp": 64, "ecg": 1}},
            r"sampling_rates has \['bvp', 'ecg'\].*modalities=\['eda'\]",
        ),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_biosignal_windows(**arguments)


# Stress-Predict, the published recordings


@pytest.fixture(scope="module")
def stress_predict_home():
    default = Path(__file__).parents[2] / "shared" / "data"
    home = Path(os.environ.get("SKLEARN_BIOMOE_DATA") or default)
    if not any(home.glob("**/Raw_data/S02/BVP.csv")):
        pytest.skip(f"No Stress-Predict recordings in {home}; set SKLEARN_BIOMOE_DATA")
    return home


@pytest.fixture(scope="module")
def grid(stress_predict_home):
    return fetch_stress_predict(data_home=stress_predict_home, download_if_missing=False)


@pytest.fixture(scope="module")
def transitions(stress_predict_home):
    return fetch_stress_predict(
        data_home=stress_predict_home, protocol="transitions", download_if_missing=False
    )


def test_grid_has_the_published_counts(grid):
    assert grid.data.shape == (3291, 3)
    assert list(grid.data.columns) == ["subject", "bvp", "eda"]
    assert sorted(set(grid.groups)) == list(range(2, 36))
    assert round(100 * grid.target.mean(), 1) == 31.1
    assert {cell.shape for cell in grid.data["bvp"]} == {(3840,)}
    assert {cell.shape for cell in grid.data["eda"]} == {(240,)}
    assert grid.target.dtype.kind == grid.groups.dtype.kind == "i"
    assert grid.elapsed_time.dtype == np.float64
    assert (grid.elapsed_time % 30 == 0).all()
    assert grid.sampling_rates == {"bvp": 64.0, "eda": 4.0}
    assert grid.target_names == ["rest", "stress"]
    assert "MIT" in grid.DESCR


def test_grid_windows_are_views_of_the_recording(grid):
    first, second = grid.data["bvp"][:2]
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(first[1920:], second[:1920])
    assert not first.flags.writeable


def test_grid_window_holds_the_samples_of_its_time(grid, stress_predict_home):
    """Compare row 100 with the lines of the file."""
    folder = next(stress_predict_home.glob("**/Raw_data")).parent
    subject, elapsed = grid.groups[100], grid.elapsed_time[100]
    table = pd.read_csv(folder / "Processed_data/Improved_All_Combined_hr_rsp_binary.csv")
    rows = table[table["Participant"] == subject]
    start = rows["Time(sec)"].min() + elapsed
    inside = rows["Time(sec)"].between(start, start + 59)
    assert set(rows["Label"][inside]) == {grid.target[100]}
    lines = (folder / f"Raw_data/S{subject:02d}/EDA.csv").read_text().split()
    first = 2 + int((start - float(lines[0])) * 4)
    np.testing.assert_array_equal(grid.data["eda"][100], [float(x) for x in lines[first:][:240]])


def test_transitions_have_the_published_count(transitions):
    assert transitions.pairs.shape == (1752, 2)
    assert transitions.target.shape == transitions.groups.shape == (1752,)
    assert transitions.elapsed_time.shape == (len(transitions.data),)
    subjects = transitions.data["subject"].to_numpy()
    np.testing.assert_array_equal(subjects[transitions.pairs], transitions.groups[:, None] + [0, 0])
    np.testing.assert_array_equal(np.unique(transitions.pairs), np.arange(len(transitions.data)))
    keys = transitions.data["subject"] * 1e6 + transitions.elapsed_time
    assert keys.is_unique


def test_transitions_balance_time(transitions):
    """The duration between windows is the same for onsets and offsets."""
    elapsed = transitions.elapsed_time[transitions.pairs]
    steps = elapsed[:, 1] - elapsed[:, 0]
    assert set(steps) == {60, 90, 120, 150, 180}
    assert transitions.target.mean() == pytest.approx(0.5, abs=0.01)
    assert steps[transitions.target == 1].mean() == pytest.approx(
        steps[transitions.target == 0].mean(), abs=1
    )


# Stress-Predict, small simulated files whose windows are counted by hand

BEGIN = 1_000_000  # UTC second at which the simulated signals start
FILES = ["Raw_data/S07/BVP.csv", "Raw_data/S07/EDA.csv"]
LABELS = "Processed_data/Improved_All_Combined_hr_rsp_binary.csv"


def write_files(folder, labels, *, first=10, n_seconds=400):
    """Write subject 7; ``labels`` holds one character per second: 0, 1 or '-' for no label.

    The first label is ``first`` seconds after the beginning of both signals, which last
    ``n_seconds``; a sample's value is its time in seconds.
    """
    for path, rate in zip(FILES, (64, 4), strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        samples = np.arange(n_seconds * rate) / rate
        np.savetxt(folder / path, np.r_[BEGIN, rate, samples], fmt="%.6f")
    lines = ["Participant,HR,respr,Time(sec),Label"]
    for second, label in enumerate(labels, start=BEGIN + first):
        if label != "-":
            lines.append(f"7,,12.5,{second},{label}")
    (folder / LABELS).parent.mkdir(exist_ok=True)
    (folder / LABELS).write_text("\n".join(lines))


def hashes_of(folder):
    paths = [LABELS, *FILES]
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that writes small files and loads their windows."""

    def write_and_load(labels, protocol="grid", **options):
        write_files(tmp_path, labels, **options)
        monkeypatch.setattr(_folders, "read_registry", lambda name: hashes_of(tmp_path))
        return fetch_stress_predict(data_home=tmp_path, protocol=protocol)

    return write_and_load


def test_grid_of_small_files(load):
    """Change at 100 s: windows at 0 and 30 are before it, 60 and 90 contain it, 120 is after it."""
    windows = load("0" * 100 + "1" * 140)
    np.testing.assert_array_equal(windows.elapsed_time, [0, 30, 120, 150, 180])
    np.testing.assert_array_equal(windows.target, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(windows.groups, [7] * 5)
    # Values are times since the beginning of the signals, 10 s before the first label.
    assert [cell[0] for cell in windows.data["bvp"]] == [10, 40, 130, 160, 190]
    assert [cell[0] for cell in windows.data["eda"]] == [10, 40, 130, 160, 190]
    assert windows.data["bvp"][0][-1] == pytest.approx(70 - 1 / 64, abs=1e-6)
    assert windows.data["eda"][0][-1] == 69.75


@pytest.mark.parametrize(("gap", "expected"), [(0, [0, 30]), (6, [0, 30]), (7, [30])])
def test_at_least_54_of_60_seconds_carry_a_label(load, gap, expected):
    labels = "0" * 5 + "-" * gap + "0" * (90 - 5 - gap)
    np.testing.assert_array_equal(load(labels).elapsed_time, expected)


def test_last_window_may_have_six_seconds_without_label(load):
    np.testing.assert_array_equal(load("0" * 84).elapsed_time, [0, 30])
    np.testing.assert_array_equal(load("0" * 83).elapsed_time, [0])


def test_one_second_of_the_other_label_drops_a_window(load):
    np.testing.assert_array_equal(load("0" * 59 + "1" + "0" * 60).elapsed_time, [60])


@pytest.mark.parametrize(
    ("first", "n_seconds", "expected"),
    [(0, 120, [0, 30, 60]), (0, 119, [0, 30]), (-1, 400, [30, 60])],
)
def test_windows_are_inside_the_signals(load, first, n_seconds, expected):
    windows = load("0" * 120, first=first, n_seconds=n_seconds)
    np.testing.assert_array_equal(windows.elapsed_time, expected)


def test_transitions_of_small_files(load):
    """Rest for 100 s, stress for 120 s, rest for 60 s.

    Around the onset at 100, earlier windows start at 40 and 10 (-20 is before the first label) and
    later ones at 100, 130, 160. Around the offset at 220, they start at 160, 130, 100 and at 220.
    """
    pairs = load("0" * 100 + "1" * 120 + "0" * 60, protocol="transitions")
    elapsed = pairs.elapsed_time[pairs.pairs]
    onsets = [(e, x) for e in (10, 40) for x in (100, 130, 160)]
    offsets = [(e, 220) for e in (100, 130, 160)]
    assert sorted(map(tuple, elapsed)) == sorted(onsets + offsets)
    np.testing.assert_array_equal(pairs.target, (elapsed[:, 1] < 220).astype(int))
    np.testing.assert_array_equal(pairs.elapsed_time, [10, 40, 100, 130, 160, 220])
    assert [cell[0] for cell in pairs.data["eda"]] == [20, 50, 110, 140, 170, 230]
    np.testing.assert_array_equal(pairs.groups, [7] * 9)


def test_transitions_do_not_extend_beyond_a_short_stress_period(load):
    """Stress for 60 s: a window 60 s after the onset is rest, and is not paired with rest."""
    pairs = load("0" * 60 + "1" * 60 + "0" * 60, protocol="transitions")
    elapsed = pairs.elapsed_time[pairs.pairs]
    np.testing.assert_array_equal(elapsed, [[0, 60], [60, 120]])
    np.testing.assert_array_equal(pairs.target, [1, 0])


def test_unknown_protocol():
    with pytest.raises(ValueError, match=r"Unknown protocol 'grids'.*Did you mean 'grid'"):
        fetch_stress_predict(protocol="grids")


# Search and download


def test_a_damaged_subject_is_left_out(tmp_path, monkeypatch):
    write_files(tmp_path, "0" * 60)
    others = [path.replace("S07", "S08") for path in FILES]
    for path, other in zip(FILES, others, strict=True):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_bytes((tmp_path / path).read_bytes())
    with (tmp_path / LABELS).open("a") as file:
        file.writelines(f"\n8,,12.5,{second},0" for second in range(BEGIN + 10, BEGIN + 70))
    paths = [LABELS, *FILES, *others]
    hashes = {path: hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() for path in paths}
    monkeypatch.setattr(_folders, "read_registry", lambda name: hashes)
    assert fetch_stress_predict(data_home=tmp_path).groups.tolist() == [7, 8]
    (tmp_path / others[1]).write_text("changed")
    with pytest.raises(ValueError, match=r"S08.EDA\.csv is not the published file"):
        fetch_stress_predict(data_home=tmp_path)
    windows = fetch_stress_predict(data_home=tmp_path, on_error="skip")
    assert windows.groups.tolist() == [7]
    assert windows.skipped["subject"].tolist() == ["S08"]
    assert "- S08: " in windows.DESCR


def test_data_home_that_is_no_path():
    with pytest.raises(TypeError, match="data_home=5; expected a path, as str or Path or None"):
        fetch_stress_predict(data_home=5)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Create empty folders for data_home, the environment and the cache; downloads fail."""
    pooch = pytest.importorskip("pooch")
    homes = {name: tmp_path / name for name in ("home", "env", "cache")}
    for home in homes.values():
        home.mkdir()
    write_files(tmp_path / "origin", "0" * 60)
    monkeypatch.setattr(_folders, "read_registry", lambda name: hashes_of(tmp_path / "origin"))
    monkeypatch.setenv("SKLEARN_BIOMOE_DATA", str(homes["env"]))
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(homes["cache"]))
    monkeypatch.delenv("SKLEARN_BIOMOE_OFFLINE", raising=False)

    def download(self, url, output_file, pooch):
        raise AssertionError("no download expected")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    return homes


@pytest.mark.parametrize(
    "folder", ["home", "home/stress_predict", "env", "env/stress_predict", "cache/stress_predict"]
)
def test_each_folder_is_searched(places, folder):
    write_files(places["home"].parent / folder, "0" * 60)
    windows = fetch_stress_predict(data_home=places["home"], download_if_missing=False)
    assert len(windows.data) == 1


def test_search_order(places):
    """The first folder with all files is read; a file with a wrong hash identifies it."""
    folders = [places["home"], places["home"] / "stress_predict", places["env"]]
    folders += [places["env"] / "stress_predict", places["cache"] / "stress_predict"]
    for folder in reversed(folders):
        write_files(folder, "1" * 60)
        with pytest.raises(ValueError, match="is not the published file") as caught:
            fetch_stress_predict(data_home=str(places["home"]))
        assert str(caught.value).startswith(str(folder / LABELS))


def test_wrong_hash_names_file_and_hashes(places):
    write_files(places["home"], "0" * 60)
    (places["home"] / FILES[1]).write_text("changed")
    found = hashlib.sha256(b"changed").hexdigest()
    expected = _folders.read_registry("stress_predict")[FILES[1]]
    with pytest.raises(ValueError, match=f"{expected}, got {found}. Delete it") as caught:
        fetch_stress_predict(data_home=places["home"])
    assert str(places["home"] / FILES[1]) in str(caught.value)


def test_not_found_lists_places_and_missing_files(places):
    write_files(places["env"], "0" * 60)
    (places["env"] / FILES[0]).unlink()
    with pytest.raises(OSError, match="were not found in") as caught:
        fetch_stress_predict(data_home=places["home"], download_if_missing=False)
    message = str(caught.value)
    for name, home in places.items():
        assert str(home) in message, name
    assert f"{places['env']} (without 1 of 3: {FILES[0]})" in message
    assert "download_if_missing=True" in message


@pytest.mark.parametrize("home", ["home", None])
def test_download_to_data_home_or_cache(places, monkeypatch, home):
    import pooch

    origin = places["home"].parent / "origin"
    urls = []

    def download(self, url, output_file, pooch):
        urls.append(url)
        path = url.removeprefix(stress_predict.SOURCE.base_url)
        Path(output_file).write_bytes((origin / path).read_bytes())

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    windows = fetch_stress_predict(data_home=home and places[home])
    assert len(windows.data) == 1
    assert (places[home or "cache"] / "stress_predict" / LABELS).is_file()
    base = "https://raw.githubusercontent.com/italha-d/Stress-Predict-Dataset/f49d2ea"
    assert len(urls) == 3
    assert all(url.startswith(base) for url in urls)
    fetch_stress_predict(data_home=home and places[home])
    assert len(urls) == 3


def test_failed_download_explains_manual_download(places, monkeypatch):
    import pooch
    import requests

    def download(self, url, output_file, pooch):
        Path(output_file).write_text("half of a fi")
        raise requests.exceptions.ConnectionError("no route to host")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    with pytest.raises(OSError, match=r"The download failed\. To download them manually") as caught:
        fetch_stress_predict()
    assert isinstance(caught.value.__cause__, requests.exceptions.ConnectionError)
    assert not any(path.is_file() for path in places["cache"].rglob("*"))
    assert str(places["cache"] / "stress_predict") in str(caught.value)
    assert "SKLEARN_BIOMOE_DATA" in str(caught.value)


def test_wrong_download_raises(places, monkeypatch):
    import pooch

    def download(self, url, output_file, pooch):
        Path(output_file).write_text("something else")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    with pytest.raises(ValueError, match="does not match the known hash"):
        fetch_stress_predict()
    assert not any(path.is_file() for path in places["cache"].rglob("*"))


def test_pooch_is_only_required_for_downloads(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "sklearn-biomoe\[data\]"') as caught:
        fetch_stress_predict()
    assert str(places["env"]) in str(caught.value)
    write_files(places["cache"] / "stress_predict", "0" * 60)
    assert len(fetch_stress_predict().data) == 1


def test_offline(places, monkeypatch):
    monkeypatch.setenv("SKLEARN_BIOMOE_OFFLINE", "1")
    with pytest.raises(OSError, match="SKLEARN_BIOMOE_OFFLINE is set: no download"):
        fetch_stress_predict()
    write_files(places["cache"] / "stress_predict", "0" * 60)
    assert len(fetch_stress_predict().data) == 1


def test_registry_pins_every_file():
    registry = _folders.read_registry("stress_predict")
    assert len(registry) == 69
    assert all(len(digest) == 64 for digest in registry.values())
    assert {Path(path).parent.name for path in registry} == {
        "Processed_data",
        *(f"S{subject:02d}" for subject in range(2, 36)),
    }
