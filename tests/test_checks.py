"""Checks of windows: planted faults are named, and sound data gives no errors or warnings."""

import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe import check_windows
from sklearn_biomoe.datasets import fetch_stress_predict, make_biosignal_windows
from sklearn_biomoe.signals import WindowReport

RATES = {"eda": 4.0, "bvp": 64.0, "resp": 25.0, "spo2": 1.0}
N_SUBJECTS, N_OWN = 8, 6


@cache
def simulated():
    return make_biosignal_windows(N_SUBJECTS, N_OWN, random_state=0)


def sound(*names):
    """Copies of columns, so that a test may change them."""
    data = simulated().data[list(names)].copy()
    for name in names:
        data[name] = [window.copy() for window in data[name]]
    return data


def put(data, name, row, window):
    """Replace one window."""
    cells = data[name].to_list()
    cells[row] = window
    data[name] = cells


def ecg(rate=250, n=N_SUBJECTS * N_OWN, beats=70):
    rng = np.random.default_rng(1)
    times = np.arange(20 * rate) / rate
    windows = []
    for _ in range(n):
        period = 60 / beats * rng.uniform(0.9, 1.1)
        phase = (times + rng.uniform(0, 1)) % period
        qrs = np.exp(-((phase - 0.3) ** 2) / (2 * 0.012**2))
        t_wave = 0.25 * np.exp(-((phase - 0.55) ** 2) / (2 * 0.05**2))
        windows.append(qrs + t_wave + 0.02 * rng.normal(size=len(times)))
    return windows


def check(data, *, rates=None, labels=True, start=None):
    rates = {name: RATES[name] for name in data} if rates is None else rates
    y = simulated().target if labels else None
    return check_windows(data, y, simulated().groups, sampling_rates=rates, start=start)


def find(report, kind, grade=None):
    """The only finding of a kind."""
    found = [each for each in report.findings if each.kind == kind]
    assert len(found) == 1, str(report)
    assert grade is None or found[0].grade == grade, str(found[0])
    return found[0]


def severe(report):
    return [str(each) for each in report.findings if each.grade != "note"]


class TestSoundData:
    def test_simulated_windows_give_nothing(self):
        start = np.tile(np.arange(N_OWN) * 60.0, N_SUBJECTS)
        report = check(sound(*RATES), start=start)
        assert report.findings == ()
        assert (
            report.headline == "48 windows of eda, bvp, resp, spo2: 0 errors, 0 warnings, 0 notes"
        )

    def test_ecg(self):
        assert check({"ecg": ecg()}, rates={"ecg": 250}).findings == ()

    def test_noise_of_any_kind(self):
        X = np.random.default_rng(0).normal(size=(48, 1000))
        for modality in ("generic", "emg"):
            assert not severe(check_windows(X, sampling_rates=500, modalities=modality))

    def test_eeg_and_breathing_rate(self):
        rng = np.random.default_rng(0)
        eeg = np.cumsum(rng.normal(size=(48, 2, 1000)), axis=2)
        assert check({"eeg": eeg}, rates={"eeg": 250}).findings == ()
        breaths = np.round(rng.normal(16, 1, size=(48, 1)) + rng.normal(size=(48, 60)))
        assert check({"resp_rate": breaths}, rates={"resp_rate": 1}).findings == ()

    @pytest.mark.parametrize("change", [lambda x: 2 * x, lambda x: x + 10])
    def test_levels_of_other_people(self, change):
        assert not severe(check({"eda": [change(x) for x in sound("eda")["eda"]]}))

    def test_stress_predict(self):
        try:
            loaded = fetch_stress_predict(download_if_missing=False)
        except OSError as error:
            pytest.skip(str(error))
        rows = np.flatnonzero(loaded.groups < 10)
        report = check_windows(
            loaded.data.iloc[rows], loaded.target[rows], loaded.groups[rows],
            sampling_rates=loaded.sampling_rates, start=loaded.elapsed_time[rows],
        )  # fmt: skip
        assert not report.of_grade("error")
        assert {each.kind for each in report.of_grade("warning")} <= {"order", "quality"}
        assert find(report, "order").figures["order"] == "fixed"


UNITS = {
    "S": (lambda x: x * 1e-6, 1e6),
    "mS": (lambda x: x * 1e-3, 1e3),
    "nS": (lambda x: x * 1e3, 1e-3),
    "MΩ": (lambda x: 1 / x, 1),
    "kΩ": (lambda x: 1e3 / x, 1e3),
    "Ω": (lambda x: 1e6 / x, 1e6),
}


class TestUnits:
    @pytest.mark.parametrize("unit", UNITS)
    def test_skin_conductance_in_another_unit(self, unit):
        change, factor = UNITS[unit]
        report = check({"eda": [change(x) for x in sound("eda")["eda"]]})
        found = find(report, "unit", "error")
        assert found.figures["unit"] == unit
        assert found.figures["factor"] == factor
        assert f"in {unit}" in found.advice
        assert found.figures["microsiemens"] == pytest.approx(3, rel=0.3)
        assert len(found.rows) == 48
        assert not [each for each in report.findings if each.kind in ("range", "quality")]

    def test_one_subject_in_another_unit(self):
        data = sound("eda")
        rows = np.flatnonzero(simulated().groups == 3)
        for row in rows:
            put(data, "eda", row, 1e3 * data["eda"][row])
        found = find(check(data), "unit", "warning")
        assert found.subject == 3
        assert found.rows == tuple(rows)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda x: (x - x.min()) / np.ptp(x), "from 0 to 1 in each window"),
            (
                lambda x: (x - x.mean()) / x.std(),
                "to mean 0 and standard deviation 1 in each window",
            ),
            (lambda x: x - x.mean(), "negative values"),
            (lambda x: 1e6 * x, "raw counts"),
        ],
    )
    def test_skin_conductance_without_unit(self, change, message):
        found = find(check({"eda": [change(x) for x in sound("eda")["eda"]]}), "unit", "error")
        assert message in found.message

    def test_scaled_within_subjects(self):
        values = np.stack(sound("eda")["eda"].to_list())
        for subject in range(1, N_SUBJECTS + 1):
            own = simulated().groups == subject
            values[own] = (values[own] - values[own].min()) / np.ptp(values[own])
        assert "in each subject" in find(check({"eda": list(values)}), "unit", "error").message

    def test_saturation_as_a_fraction(self):
        found = find(check({"spo2": [x / 100 for x in sound("spo2")["spo2"]]}), "unit", "error")
        assert found.figures["factor"] == 100

    def test_breathing_rate_in_hertz(self):
        X = np.random.default_rng(0).normal(0.25, 0.01, size=(48, 60))
        found = find(check({"resp_rate": X}, rates={"resp_rate": 1}), "unit", "error")
        assert found.figures["factor"] == 60

    @pytest.mark.parametrize(
        ("change", "message"),
        [(lambda x: x / 1e3, "in V"), (lambda x: np.round(2e3 * x), "raw counts")],
    )
    def test_ecg_not_in_millivolts(self, change, message):
        found = find(check({"ecg": [change(x) for x in ecg()]}, rates={"ecg": 250}), "unit", "note")
        assert message in found.message

    def test_eeg_in_volts(self):
        X = 2e-5 * np.random.default_rng(0).normal(size=(48, 4, 500))
        found = find(check({"eeg": X}, rates={"eeg": 250}), "unit", "note")
        assert found.figures["factor"] == 1e6


class TestRates:
    @pytest.mark.parametrize(("name", "beats"), [("bvp", "beats"), ("resp", "breaths")])
    @pytest.mark.parametrize(
        ("factor", "words", "grade"),
        [
            (2, "about 2 times too high", "warning"),
            (0.5, "about 2 times too low", "warning"),
            (1000, "about 1,000 times too high", "error"),
            (0.001, "about 1,000 times too low", "error"),
        ],
    )
    def test_the_factor_is_named(self, name, beats, factor, words, grade):
        report = check(sound(name), rates={name: factor * RATES[name]})
        found = find(report, "rate", grade)
        assert words in found.message
        assert beats in found.message
        assert found.figures["sampling_rate"] == pytest.approx(RATES[name], rel=0.3)

    @pytest.mark.parametrize(("factor", "words"), [(1000, "0.06 s"), (0.001, "16.7 h")])
    def test_skin_conductance_that_lasts_too_short_or_long(self, factor, words):
        found = find(check(sound("eda"), rates={"eda": 4 * factor}), "rate", "error")
        assert words in found.message
        assert "about 1,000 times" in found.message

    def test_ecg_at_twice_the_rate(self):
        assert "too high" in find(check({"ecg": ecg()}, rates={"ecg": 500}), "rate").message

    def test_windows_of_one_second(self):
        data = {"eda": [window[:4] for window in sound("eda")["eda"]]}
        found = find(check(data), "rate", "warning")
        assert "less than the 10 s" in found.message

    @pytest.mark.parametrize("factor", [2, 0.5, 62.5])
    def test_signals_of_different_length(self, factor):
        report = check(sound("eda", "bvp"), rates={"eda": 4 * factor, "bvp": 64})
        assert "'eda'" in find(report, "rate").message

    def test_heart_rates_that_differ(self):
        n_times = 20 * 250
        pulse = [window[: n_times * 64 // 250] for window in sound("bvp")["bvp"]]
        data = {"ecg": ecg(beats=110), "bvp": pulse}
        found = find(check(data, rates={"ecg": 250, "bvp": 64}), "rate", "error")
        assert "The heart rate in 'ecg' is 1." in found.message


class TestKinds:
    @pytest.mark.parametrize(
        ("given", "said", "words"),
        [
            ("bvp", "eda", "a pulse of"),
            ("resp", "eda", "breathing of"),
            ("spo2", "eda", "saturation"),
            ("bvp", "resp", "a pulse of"),
            ("resp", "bvp", "breathing of"),
            ("bvp", "spo2", "a pulse of"),
            ("eda", "bvp", "Hardly any window"),
            ("bvp", "ecg", "without QRS complexes"),
        ],
    )
    def test_one_signal_passed_as_another(self, given, said, words):
        data = sound(given).rename(columns={given: said})
        found = find(check(data, rates={said: RATES[given]}), "kind", "error")
        assert words in found.message

    def test_ecg_passed_as_pulse(self):
        assert "ECG" in find(check({"bvp": ecg()}, rates={"bvp": 250}), "kind", "error").message

    def test_skin_conductance_passed_as_saturation(self):
        data = sound("eda").rename(columns={"eda": "spo2"})
        assert "not a saturation" in find(check(data, rates={"spo2": 4}), "unit", "error").message

    def test_swapped_columns(self):
        data = sound("bvp", "resp")
        data[["bvp", "resp"]] = data[["resp", "bvp"]].to_numpy()
        report = check(data, rates={"bvp": 25, "resp": 64})
        assert [each.kind for each in report.of_grade("error")] == ["kind", "kind"]

    def test_swapped_skin_conductance_and_pulse(self):
        """Windows of 40 s at 4 Hz are too short for a pulse at 64 Hz, which is not their rate."""
        short = [window[:160] for window in sound("eda")["eda"]]
        data = sound("bvp").rename(columns={"bvp": "eda"}).assign(bvp=short)
        report = check(data, rates={"eda": 64, "bvp": 64})
        assert find(report, "kind").signal == "eda"
        assert "exchanged with 'eda'" in find(report, "rate").advice
        alone = check(data[["bvp"]], rates={"bvp": 64})
        assert "exchanged" not in find(alone, "rate").advice

    def test_time_passed_as_a_signal(self):
        X = 1.7e9 + np.arange(48 * 240).reshape(48, 240) / 4
        found = find(check({"eda": X}), "kind", "error")
        assert "a time or a counter" in found.message


class TestSensors:
    @pytest.mark.parametrize("name", ["eda", "bvp", "resp"])
    @pytest.mark.parametrize(("n", "grade"), [(2, "note"), (12, "warning"), (48, "error")])
    def test_flat(self, name, n, grade):
        data = sound(name)
        for row in np.linspace(0, 47, n).astype(int):
            put(data, name, row, np.full_like(data[name][row], 3.0))
        found = find(check(data), "flat", grade)
        assert len(found.rows) == n

    def test_a_dead_sensor_of_one_subject(self):
        data = sound("bvp")
        for row in range(N_OWN):
            put(data, "bvp", row, np.zeros(3840))
        found = find(check(data), "flat", "warning")
        assert found.subject == 1
        assert "nearly all windows of subject 1" in found.message

    @pytest.mark.parametrize("name", ["eda", "bvp", "resp"])
    def test_clipped(self, name):
        values = np.stack(sound(name)[name].to_list())
        for subject in range(1, N_SUBJECTS + 1):
            own = simulated().groups == subject
            values[own] = np.minimum(values[own], np.quantile(values[own], 0.8))
        find(check({name: list(values)}), "clipped", "warning")

    def test_missing_and_gaps(self):
        data = sound("eda")
        put(data, "eda", 5, None)
        data["eda"][7][10:34] = np.nan
        report = check(data)
        assert find(report, "missing", "note").rows == (5,)
        gaps = find(report, "gaps", "warning")
        assert gaps.rows == (7,)
        assert "in 10 % of samples" in gaps.message

    def test_all_missing(self):
        found = find(check({"eda": [None] * 48}, labels=False), "form", "error")
        assert "All 48 windows of 'eda' are missing" in found.message

    def test_copies(self):
        data = sound("eda")
        put(data, "eda", 1, data["eda"][0].copy())
        assert find(check(data), "repeated", "note").rows == (0, 1)
        data = sound("eda")
        put(data, "eda", 47, data["eda"][0].copy())
        assert "another subject" in find(check(data), "repeated", "warning").message

    def test_everybody_has_the_same_windows(self):
        first = sound("eda")["eda"][:N_OWN].to_list()
        found = find(check({"eda": first * N_SUBJECTS}), "repeated", "error")
        assert len(found.rows) == 48

    def test_lost_contact(self):
        data = sound("eda")
        for row in range(0, 48, 4):
            put(data, "eda", row, data["eda"][row] * 1e-3)
        assert len(find(check(data), "range", "warning").rows) == 12

    def test_lost_contact_is_one_finding(self):
        """Flat windows off the axis are not listed as clipped and of low quality, too."""
        data = sound("eda")
        for row in range(0, 48, 2):
            put(data, "eda", row, np.zeros(240))
        for row in range(1, 48, 8):
            window = np.zeros(240)
            window[row % 7 :: 7] = 0.001 * row
            put(data, "eda", row, window)
        assert [each.kind for each in check(data).findings] == ["flat", "range"]

    def test_level_of_a_sensor_without_contact(self):
        data = sound("eda")
        for row in range(N_OWN):  # of the first subject, nearly all samples are missing
            window = np.full(240, np.nan)
            window[:3] = 1000
            put(data, "eda", row, window)
        assert not [each for each in check(data).findings if each.kind == "unit"]

    @pytest.mark.parametrize("modality", ["emg", "eeg"])
    @pytest.mark.parametrize("mains", [50, 60])
    @pytest.mark.parametrize(("size", "grade"), [(0.5, None), (3, "warning")])
    def test_interference_of_the_mains(self, modality, mains, size, grade):
        rng = np.random.default_rng(0)
        line = np.sqrt(2) * size * np.sin(2 * np.pi * mains * np.arange(2000) / 500)
        X = 20 * (rng.normal(size=(48, 2000)) + line)
        report = check({modality: X}, rates={modality: 500})
        if grade is None:
            assert report.findings == ()
        else:
            assert "interference of the mains" in find(report, "quality", grade).message
        # Of power s² + 1, the sine has s².
        quality = report.summary()["quality"]
        assert quality.to_numpy() == pytest.approx(1 / (size**2 + 1), abs=0.04)

    def test_no_regular_pulse_in_half_of_the_windows(self):
        rng = np.random.default_rng(0)
        data = sound("bvp")
        for row in range(0, 48, 2):
            put(data, "bvp", row, 20 * rng.normal(size=3840))
        report = check(data)
        assert find(report, "quality", "warning").rows == tuple(range(0, 48, 2))
        assert report.summary()["usable"].between(0.4, 0.6).all()


class TestForm:
    def test_channels_last(self):
        report = check_windows(np.zeros((3, 240, 1)), sampling_rates=4, modalities="eda")
        assert "time last" in find(report, "form", "error").message

    def test_label_as_a_column_of_samples(self):
        X = np.stack(sound("eda")["eda"].to_list())
        frame = pd.DataFrame(X, columns=[f"eda_{i}" for i in range(240)])
        frame["label"] = simulated().target
        report = check_windows(frame, sampling_rates=4, modalities="eda")
        assert "'label'" in find(report, "form", "error").message
        # Selected by name, they are read.
        assert not check(frame, rates={"eda": 4}).findings

    def test_label_among_numbers(self):
        X = np.stack(sound("eda")["eda"].to_list())
        X = np.column_stack([X, 3.0 + simulated().target])
        found = find(check({"eda": X}), "label", "error")
        assert "Sample 240" in found.message

    @pytest.mark.parametrize("at", [0, 1])
    def test_label_among_windows_of_different_lengths(self, at):
        parts = [(y + 3.0, x[: 240 - row % 3]) for row, (y, x) in
                 enumerate(zip(simulated().target, sound("eda")["eda"], strict=True))]  # fmt: skip
        cells = [np.r_[y, x] if at == 0 else np.r_[x, y] for y, x in parts]
        found = find(check({"eda": cells}), "label", "error")
        assert found.figures["sample"] == (0 if at == 0 else -1)

    def test_label_as_a_channel(self):
        X = np.stack(sound("eda")["eda"].to_list())
        marker = np.broadcast_to(simulated().target[:, None] + 1.0, X.shape)
        found = find(check({"eda": np.stack([X, marker], axis=1)}), "label", "error")
        assert found.figures["channel"] == 1

    def test_infinity(self):
        data = sound("eda")
        data["eda"][3][2] = np.inf
        assert "Window 3" in find(check(data), "form", "error").message

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"sampling_rates": {"gsr": 4}}, "no column 'gsr'; there are 'eda'"),
            ({"sampling_rates": {"eda": 0}}, r"sampling_rates\['eda'\]=0; expected"),
            ({"sampling_rates": {}}, "sampling_rates is empty"),
            ({"sampling_rates": {"eda": ("edo", 4)}}, "Unknown modality 'edo'"),
            ({"sampling_rates": {"eda": 4}, "y": [1]}, "y has shape"),
            ({"sampling_rates": {"eda": 4}, "groups": [1]}, "groups has shape"),
            ({"sampling_rates": {"eda": 4}, "start": [1]}, "start has shape"),
            ({"sampling_rates": {"eda": 4}, "modalities": "eda"}, "expected a dict"),
            ({"sampling_rates": 4, "modalities": {"eda": "eda"}}, "the name of one"),
        ],
    )
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            check_windows(sound("eda"), **arguments)

    def test_columns_of_any_name_and_length(self):
        cells = [window[: 240 - row] for row, window in enumerate(sound("eda")["eda"])]
        report = check_windows(pd.DataFrame({"wrist": cells}), sampling_rates={"wrist": ("GSR", 4)})
        assert not severe(report)
        assert report.signals[0].modality == "eda"
        named = check_windows({"w": cells}, sampling_rates={"w": 4}, modalities={"w": "eda"})
        assert named.signals[0].modality == "eda"


def design(labels, start=None):
    """Findings about labels of 8 subjects, each of shape (n_windows,)."""
    y = np.concatenate([np.asarray(own) for own in labels])
    groups = np.repeat(np.arange(len(labels)), [len(own) for own in labels])
    if start is None:
        start = np.concatenate([60.0 * np.arange(len(own)) for own in labels])
    X = np.random.default_rng(0).normal(size=(len(y), 240))
    return check_windows(X, y, groups, sampling_rates=4, start=start)


AB, BA = ["a"] * 6 + ["b"] * 6, ["b"] * 6 + ["a"] * 6


class TestDesign:
    def test_fixed_order(self):
        found = find(design([AB] * 8), "order", "warning")
        assert "8 of 8 subjects have the classes in one order: a, b" in found.message
        assert "balanced accuracy of 1.00" in found.message

    def test_counterbalanced_and_random_orders(self):
        assert not severe(design([AB, BA] * 4))
        rng = np.random.default_rng(1)
        assert not severe(design([rng.permutation(AB) for _ in range(8)]))

    def test_classes_of_subjects(self):
        report = design([AB, BA] * 3 + [["a"] * 12, ["b"] * 12])
        assert "2 of 8 subjects have windows of one class" in find(report, "classes").message
        report = design([["a"] * 12, ["b"] * 12] * 4)
        assert "Every subject has windows of one class" in find(report, "classes").message

    def test_one_class_and_rare_ones(self):
        assert "All windows are of class 'a'" in find(design([["a"] * 12] * 8), "classes").message
        found = find(design([["a"] * 19 + ["b"], ["b"] + ["a"] * 19] * 4), "classes", "note")
        assert "8 of 'b'" in found.message

    def test_few_subjects(self):
        assert "p-value below 0.12" in find(design([AB, BA] * 2), "subjects", "note").advice

    def test_overlap(self):
        start = np.tile(30.0 * np.arange(12), 8)
        found = find(design([AB, BA] * 4, start), "overlap", "note")
        assert len(found.rows) == 88
        assert "same time" in find(design([AB, BA] * 4, np.zeros(96)), "overlap").message

    def test_ratings_are_not_classes(self):
        rng = np.random.default_rng(0)
        assert not severe(design([rng.normal(size=12) for _ in range(8)]))
        numbers = design([rng.permutation(np.r_[np.zeros(6, int), 3, 5, 6, 7, 9, 10])] * 8)
        assert "classes" not in {finding.kind for finding in numbers.findings}


@pytest.fixture(scope="module")
def faulty():
    data = sound("eda", "bvp")
    data["eda"] = [window * 1e-6 for window in data["eda"]]
    put(data, "bvp", 3, np.zeros(3840))
    return check(data)


class TestReport:
    def test_text(self, faulty):
        text = str(faulty)
        assert text.startswith("48 windows of eda, bvp: 1 error, 0 warnings, 1 note")
        for words in ("ERROR unit of eda", "multiply it by 1e6", "and 40 more", "Checked:"):
            assert words in text
        assert "1 error" in repr(faulty)

    def test_frame(self, faulty):
        frame = faulty.to_frame()
        assert list(frame["grade"]) == ["error", "note"]
        assert list(frame["n_rows"]) == [48, 1]
        assert frame["subject"].isna().tolist() == [True, False]
        assert frame["subject"][1] == 1
        summary = faulty.summary()
        assert summary.index.names == ["signal", "subject"]
        assert summary.loc[("bvp", 1), "flat"] == 1
        assert summary.loc["bvp", "frequency"].between(0.8, 1.7).all()

    def test_raise_for_errors(self, faulty):
        with pytest.raises(ValueError, match="1 checks of the windows failed:\n- unit: The median"):
            faulty.raise_for_errors()
        check(sound("eda")).raise_for_errors()

    def test_beats(self):
        pytest.importorskip("neurokit2")
        data = sound("bvp", "eda").iloc[: 2 * N_OWN].reset_index(drop=True)
        for row in range(N_OWN):
            put(data, "bvp", row, np.random.default_rng(row).normal(size=3840))
        data["ecg"] = ecg(n=2 * N_OWN)
        rates = {"bvp": 64, "eda": 4, "ecg": 250}
        report = check_windows(data, groups=simulated().groups[: 2 * N_OWN], sampling_rates=rates)
        quality = report.beat_quality(at_most=2)
        assert quality["windows"].tolist() == [2, 2, 2, 2]
        assert quality["usable"].to_dict() == {
            ("bvp", 1): 0, ("bvp", 2): 1, ("ecg", 1): 1, ("ecg", 2): 1
        }  # fmt: skip
        assert quality["correlation"][("ecg", 1)] > 0.95
        with pytest.raises(ValueError, match="at_most=0"):
            report.beat_quality(0)

    def test_beats_need_neurokit(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "neurokit2", None)
        report = check_windows(np.ones((2, 640)), sampling_rates=64, modalities="bvp")
        with pytest.raises(ImportError, match=r"requires NeuroKit: .*sklearn-biomoe\[eda\]"):
            report.beat_quality()
        assert check_windows(np.ones((2, 40)), sampling_rates=4).beat_quality().empty

    def test_page(self, faulty, tmp_path):
        html = faulty._repr_html_()
        assert html.count("<svg") == 7  # of quality 0, the windows of eda have one example
        assert "http" not in html
        assert "Error: unit, eda." in html
        path = faulty.write(tmp_path / "windows.html", title="A < B")
        assert "<title>A &lt; B</title>" in path.read_text("utf-8")
        with pytest.raises(ValueError, match="does not exist"):
            faulty.write(tmp_path / "missing" / "windows.html")
        with pytest.raises(ValueError, match=r"is a folder; pass a file in it, such as report"):
            faulty.write(tmp_path)

    def test_page_of_anything(self):
        for report in (
            check({"eda": [None] * 48}),
            check({"eda": np.zeros((48, 240))}),
            check_windows([np.zeros(1), None], sampling_rates=4, modalities="ecg"),
            check_windows(np.zeros((2, 3)), sampling_rates=1, modalities="resp"),
        ):
            assert isinstance(report, WindowReport)
            assert "window-report" in report._repr_html_()
            assert str(report)

    def test_names_are_escaped(self):
        report = check_windows({"<b>": np.zeros((3, 50))}, sampling_rates={"<b>": ("eda", 4)})
        assert "<b>:" not in report._repr_html_().replace("<b>Error", "")


def test_labels_as_objects():
    windows = make_biosignal_windows(4, 4, modalities=["eda"], random_state=0)
    rates = {"eda": 4}
    one = pd.Series(["p"] * 16, dtype=object)
    report = check_windows(windows.data[["eda"]], one, windows.groups, sampling_rates=rates)
    assert "All windows are of class 'p'." in [each.message for each in report.findings]
    one[3] = None
    with pytest.raises(ValueError, match="Input y contains NaN or None in row 3"):
        check_windows(windows.data[["eda"]], one, windows.groups, sampling_rates=rates)
    starts = np.r_[np.nan, np.arange(15)]
    with pytest.raises(ValueError, match="Input start contains NaN or None in row 0"):
        check_windows(windows.data[["eda"]], groups=windows.groups, start=starts,
                      sampling_rates=rates)  # fmt: skip
