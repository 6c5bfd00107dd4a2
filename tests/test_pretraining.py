"""Pretraining: simulators, objectives, recordings and groups of images."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import signal as filters
from scipy import stats
from sklearn.utils import Bunch
from torch.nn import functional

from sklearn_biomoe.pretraining import KINDS, real_recordings, simulate
from sklearn_biomoe.pretraining.cardiorespiratory import Breathing, heart, pulse_and_breathing
from sklearn_biomoe.pretraining.image_groups import (
    IMAGES,
    REPRESENTATIONS,
    SHARES,
    ImageGroups,
    draw_windows,
)
from sklearn_biomoe.pretraining.objectives import (
    OBJECTIVES,
    Heads,
    describe,
    describe_shape,
    regression_losses,
)
from sklearn_biomoe.pretraining.real_recordings import Recordings, read_recordings
from sklearn_biomoe.pretraining.simulation import Draw
from sklearn_biomoe.pretraining.simulators import usual_window
from sklearn_biomoe.pretraining.targets import TargetColumns, raw_targets, shows_sizes
from sklearn_biomoe.representations import REPRESENTATIONS as ALL_REPRESENTATIONS
from sklearn_biomoe.signals import MODALITIES


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(modality, n_windows=64, seed=0):
    kind = KINDS[modality]
    return simulate(
        modality,
        n_windows,
        sampling_rate=kind.sampling_rates[0],
        duration=kind.durations[1],
        generator=seeded(seed),
    )


@pytest.fixture(scope="module")
def columns():
    """Columns of three modalities, with scales of 32 windows instead of 384."""
    from sklearn_biomoe.pretraining import targets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "N_TO_STANDARDISE", 32)
        found = targets.find_target_columns.__wrapped__(("eda", "resp", "spo2"), 0)
    assert isinstance(found, TargetColumns)
    return found


# Simulators


@pytest.mark.parametrize("modality", KINDS)
def test_simulators_are_seeded_finite_and_vary(modality):
    first, again, other = made(modality), made(modality), made(modality, seed=1)
    assert torch.equal(first.signals, again.signals)
    assert not torch.equal(first.signals, other.signals)
    rate, duration = KINDS[modality].sampling_rates[0], KINDS[modality].durations[1]
    assert first.signals.shape == first.clean.shape == (64, round(rate * duration))
    assert first.signals.isfinite().all()
    for name, values in first.parameters.items():
        assert values.shape == (64,), name
        is_constant = (modality, name) == ("emg", "noise")  # no noise is added to EMG
        assert (values.nan_to_num().std() > 0) != is_constant, name


@pytest.mark.parametrize("modality", KINDS)
def test_shortest_and_longest_windows(modality):
    for duration in KINDS[modality].durations:
        for rate in KINDS[modality].sampling_rates:
            windows = simulate(
                modality, 2, sampling_rate=rate, duration=duration, generator=seeded()
            )
            assert windows.signals.isfinite().all()


def test_heart_rate_is_the_number_of_beats():
    pulse = made("bvp")
    for window, rate in zip(pulse.clean.numpy(), pulse.parameters["heart_rate"], strict=True):
        # Systolic peaks are at least 0.6 mean beats apart; this excludes dicrotic waves.
        distance = int(0.6 * 64 * 60 / float(rate))
        depth = np.ptp(window) * 0.05
        peaks, _ = filters.find_peaks(window, distance=distance, prominence=depth)
        assert len(peaks) == pytest.approx(float(rate), rel=0.2, abs=3)


def test_breathing_moves_the_baseline_of_a_pulse():
    """By about 6 % of its height, as in patients, and not at all in a tenth of the windows."""
    made_now, breathing = pulse_and_breathing(Draw(400, 32.0, 60.0, seeded()))
    depths = made_now.parameters["log_baseline_modulation"].exp() - 1e-3
    assert ((depths < 1e-6).float().mean() - 0.1).abs() < 0.05
    assert 0.04 < depths[depths > 1e-6].median() < 0.1
    cycle = torch.exp(2j * math.pi * breathing.phase)
    pulse = made_now.clean / made_now.parameters["log_amplitude"].exp()[:, None]
    found = 2 * (pulse * cycle).mean(dim=1).abs()
    present = depths > 0.03
    assert stats.spearmanr(found[present], depths[present]).statistic > 0.8
    assert (found[present] / depths[present]).median() == pytest.approx(1, abs=0.25)


def test_sinus_arrhythmia_falls_with_the_breathing_rate():
    """By 20 dB per decade above 7.2 breaths per minute (Hirsch and Bishop 1981)."""
    draw = Draw(4000, 5.0, 10.0, seeded())
    breathing = Breathing(draw)
    _, _, known = heart(draw, breathing)
    depths = known["log_sinus_arrhythmia"].exp() - 1e-3
    falling = (breathing.rate > 7.2) & (depths > 1e-6)
    slope = stats.linregress(breathing.rate[falling].log10(), 20 * depths[falling].log10()).slope
    assert slope == pytest.approx(-20, abs=3)


def test_breathing_rate_is_the_strongest_frequency():
    breathing = made("resp")
    regular = (breathing.parameters["irregularity"] < 0.05) & (breathing.parameters["paused"] == 0)
    assert regular.sum() >= 5
    for window, rate in zip(
        breathing.clean[regular].numpy(), breathing.parameters["breathing_rate"][regular],
        strict=True,
    ):  # fmt: skip
        frequencies, power = filters.periodogram(window, fs=25, detrend="linear", nfft=2**14)
        assert 60 * frequencies[power.argmax()] == pytest.approx(float(rate), abs=2.5)


def test_conductance_rises_with_the_number_of_responses():
    conductance = made("eda", 200)
    level = conductance.parameters["log_level"].exp()
    assert ((conductance.clean.median(dim=1).values / level).log().abs() < 1.2).all()
    n_responses = conductance.parameters["n_responses"]
    rises = conductance.clean.diff(dim=1).clamp_min(0).sum(dim=1) / level
    assert stats.spearmanr(n_responses, rises).statistic > 0.6
    without = n_responses == 0
    assert conductance.parameters["response_size"][without].isnan().all()
    assert conductance.parameters["response_size"][~without].isfinite().all()


def test_saturation_is_rounded_and_at_most_100():
    saturation = made("spo2")
    tenths = saturation.signals * 10
    assert (tenths - tenths.round()).abs().max() < 1e-3
    assert saturation.signals.max() <= 100
    lowest = saturation.parameters["lowest"]
    np.testing.assert_allclose(lowest, saturation.clean.amin(dim=1))


def test_peak_frequencies_of_eeg():
    eeg = made("eeg", 400)
    strongest = eeg.parameters["log_alpha"] > 1.6
    assert strongest.sum() >= 10
    frequencies, power = filters.welch(eeg.clean[strongest].numpy(), fs=250, nperseg=1000)
    alpha = (frequencies >= 7.5) & (frequencies <= 13.5)
    found = frequencies[alpha][power[:, alpha].argmax(axis=1)]
    errors = np.abs(found - eeg.parameters["alpha_peak"][strongest].numpy())
    assert np.median(errors) < 0.5


def test_generic_windows_show_their_parameters():
    """Against SciPy: the trend, the number of cycles and the spectral exponent."""
    windows = made("generic", 800)
    signals, known = windows.signals.numpy(), {k: v.numpy() for k, v in windows.parameters.items()}
    standard = (signals - signals.mean(axis=1, keepdims=True)) / signals.std(axis=1, keepdims=True)
    slopes = np.polyfit(np.linspace(-1, 1, 240), standard.T, 1)[0]
    assert stats.spearmanr(slopes, known["trend"]).statistic > 0.6
    frequencies, power = filters.periodogram(standard, detrend="linear")
    rhythmic = (known["rhythm"] > 1) & (np.abs(known["step"]) == 0) & (known["n_bumps"] == 0)
    assert rhythmic.sum() > 20
    found = 240 * frequencies[power[rhythmic].argmax(axis=1)]
    assert np.median(np.abs(np.log(found) - known["cycles"][rhythmic])) < 0.15
    noisy = known["coloured"] > 0.9
    fitted = np.polyfit(np.log(frequencies[5:]), np.log(power[noisy][:, 5:].T), 1)[0]
    assert stats.spearmanr(-fitted, known["exponent"][noisy]).statistic > 0.7


def test_spectral_exponent_of_noise():
    draw = Draw(50, 100.0, 60.0, seeded())
    frequencies, power = filters.welch(draw.noise(2.0).numpy(), fs=100, nperseg=1024)
    kept = (frequencies > 0.5) & (frequencies < 30)
    slope = stats.linregress(np.log(frequencies[kept]), np.log(power.mean(axis=0)[kept])).slope
    assert slope == pytest.approx(-2, abs=0.15)


@pytest.mark.parametrize("modality", KINDS)
def test_most_windows_have_the_most_common_rate_and_duration(modality):
    drawn = [usual_window(modality, seeded(seed)) for seed in range(300)]
    rates, durations = zip(*drawn, strict=True)
    kind = KINDS[modality]
    most_common = np.mean(np.equal(rates, kind.sampling_rates[0]))
    assert 0.6 < most_common < (0.95 if len(kind.sampling_rates) > 1 else 1.01)
    assert 0.6 < np.mean(np.equal(durations, kind.durations[1])) < 0.8
    assert min(durations) >= kind.durations[0]
    assert max(durations) <= kind.durations[2]


# Objectives


def test_shape_agrees_with_numpy():
    windows = torch.randn(5, 300, generator=seeded()).cumsum(dim=1)
    found = describe_shape(3 * windows + 7).numpy()
    np.testing.assert_allclose(found, describe_shape(windows), atol=2e-4)  # independent of the unit
    x = windows.double().numpy()
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
    np.testing.assert_allclose(found[:, 0], (x**3).mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(found[:, 1], np.log((x**4).mean(axis=1)), atol=1e-4)
    quantiles = np.quantile(x, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    np.testing.assert_allclose(found[:, 2:7], quantiles, atol=1e-4)
    crossings = (np.diff(np.signbit(x), axis=1) != 0).sum(axis=1) * 300 / 299
    np.testing.assert_allclose(found[:, 10], np.log(crossings + 1), atol=1e-4)


def test_power_in_octaves_of_cycles():
    along = torch.arange(256) / 256
    wave = torch.sin(2 * math.pi * 20 * along)[None]
    bands = describe_shape(wave)[0, 11:23].exp()
    assert bands.argmax() == 4  # 16 to 31 cycles
    assert bands[4] == pytest.approx(1, abs=1e-4)


def test_descriptors_contain_catch22_mean_and_deviation():
    windows = 2 + torch.randn(4, 240, generator=seeded()).cumsum(dim=1).abs()
    found = describe(windows)
    assert found.shape == (4, 22 + 25 + 2)
    np.testing.assert_allclose(found[:, -2], windows.mean(dim=1).log(), rtol=1e-5)
    np.testing.assert_allclose(found[:, -1], windows.std(dim=1).log(), rtol=1e-5)
    rescaled = describe(10 * windows - 3)
    np.testing.assert_allclose(found[:, :22], rescaled[:, :22], rtol=1e-3, atol=1e-3)
    assert describe(torch.ones(2, 100)).isfinite().all()


def test_regression_losses_ignore_unknown_targets():
    predicted = torch.tensor([[0.0, 5.0, 2.0, 1.0], [1.0, 0.0, 0.0, 9.0]])
    targets = torch.tensor([[0.5, math.nan, 4.0, math.nan], [math.nan, 3.0, 0.0, math.nan]])
    memberships = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    first = functional.smooth_l1_loss(torch.tensor([0.0, 0.0]), torch.tensor([0.5, 3.0]))
    second = functional.smooth_l1_loss(torch.tensor([2.0, 0.0]), torch.tensor([4.0, 0.0]))
    losses = regression_losses(predicted, targets, memberships)
    assert losses.tolist() == pytest.approx([first.item(), second.item(), 0.0])


def test_losses_are_weighted_by_their_uncertainty():
    heads = Heads(3, 2)
    losses = torch.tensor([2.0, 7.0, 100.0, 3.0])
    wanted = torch.tensor([float(name in ("kind", "clean")) for name in OBJECTIVES])
    assert heads.combine(losses, wanted).item() == pytest.approx(5.0)
    with torch.no_grad():
        heads.log_variances[3] = math.log(2)
    assert heads.combine(losses, wanted).item() == pytest.approx(2 + 3 / 2 + 0.5 * math.log(2))


# Targets


def test_each_modality_has_its_own_columns(columns):
    occupied = torch.zeros(len(columns))
    for own in columns.columns.values():
        occupied[own] += 1
    assert (occupied == 1).all()
    assert {objective for _, objective in columns.columns} == set(OBJECTIVES[1:])
    memberships = columns.memberships()
    assert (memberships.sum(dim=1) == 1).all()
    assert memberships[columns.columns["resp", "clean"], 2].sum() == 25


def test_targets_are_standardised(columns):
    """By the median and the interquartile range of simulated windows, and clipped."""
    raw = raw_targets(made("eda", 200, seed=3))
    filled = columns.fill("eda", raw, sizes_shown=True)
    assert filled.shape == (200, len(columns))
    assert filled[:, columns.columns["resp", "clean"]].isnan().all()
    clean = filled[:, columns.columns["eda", "clean"]]
    assert clean.abs().max() <= 4
    assert clean.median(dim=0).values.abs().max() < 1.5
    own = columns.columns["eda", "clean"]
    expected = (raw["clean"] - columns.centres[own]) / columns.widths[own]
    inside = expected.abs() < 4
    assert torch.equal(clean[inside], expected[inside])


def test_sizes_are_targets_of_images_that_show_them(columns):
    raw = raw_targets(conductance := made("eda", 8))
    shown = columns.fill("eda", raw, sizes_shown=True)
    hidden = columns.fill("eda", raw, sizes_shown=False)
    parameters, descriptors = (columns.columns["eda", o] for o in ("parameters", "descriptors"))
    level = parameters.start + list(conductance.parameters).index("log_level")
    sizes = [level, descriptors.stop - 2, descriptors.stop - 1]
    assert shown[:, sizes].isfinite().all()
    assert hidden[:, sizes].isnan().all()
    others = [at for at in range(*descriptors.indices(len(columns))) if at not in sizes]
    assert torch.equal(shown[:, others], hidden[:, others])
    assert shows_sizes("eda", "waveform")
    assert not shows_sizes("eda", "scalogram")
    assert not shows_sizes("bvp", "waveform")


# Groups


def test_all_images_of_one_channel_are_trained_on():
    joined = {name for name, each in ALL_REPRESENTATIONS.items() if each.joins_channels}
    assert set(SHARES) == set(REPRESENTATIONS) == set(KINDS)
    for own in REPRESENTATIONS.values():
        assert set(own) == set(ALL_REPRESENTATIONS) - joined
    assert len(IMAGES) == len(set(IMAGES)) == 8 * 11
    assert set(MODALITIES) - set(SHARES) == {"ppg", "resp_rate"}  # ppg is drawn as bvp is


@pytest.mark.parametrize("modality", SHARES)
def test_all_images_of_all_durations_can_be_drawn(modality):
    for rate in KINDS[modality].sampling_rates:
        for duration in KINDS[modality].durations[::2]:
            windows = simulate(
                modality, 1, sampling_rate=rate, duration=duration, generator=seeded()
            )
            signals = windows.signals.double().numpy()
            for representation in REPRESENTATIONS[modality]:
                images = draw_windows(signals, modality, representation, rate)
                assert images.shape == (1, 224, 224, 3)
                assert images.float().std() > 0


def groups_of(columns, recordings=None, seed=0, n_windows=3):
    return ImageGroups(seed, ("eda", "resp"), n_windows, columns, recordings or Recordings({}))


def test_groups_depend_on_seed_and_number_only(columns):
    groups = groups_of(columns)
    first, again = groups.make(5), groups_of(columns).make(5)
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())
    assert not torch.equal(first.images, groups.make(6).images)
    assert not torch.equal(first.images, groups_of(columns, seed=1).make(5).images)


def test_a_group_shows_its_windows_in_two_representations(columns):
    for number in range(6):
        group = groups_of(columns).make(number)
        assert group.images.shape == (6, 224, 224, 3)
        one, other = group.kinds[:3].unique(), group.kinds[3:].unique()
        assert len(one) == len(other) == 1
        assert one != other
        modality = IMAGES[one].split()[0]
        assert IMAGES[other].split()[0] == modality
        clean = group.targets[:, columns.columns[modality, "clean"]]
        assert torch.equal(clean[:3], clean[3:])
        known = ~group.targets.isnan().all(dim=0)
        assert known.nonzero().min() >= columns.columns[modality, "parameters"].start
        assert known.nonzero().max() < columns.columns[modality, "clean"].stop


def test_modalities_have_their_shares(columns):
    groups = ImageGroups(0, ("eda", "spo2", "resp"), 1, columns, Recordings({}))
    groups._make = lambda modality, generator: modality
    drawn = [groups.make(number) for number in range(1200)]
    assert drawn.count("eda") / 1200 == pytest.approx(8 / 12, abs=0.05)
    assert drawn.count("spo2") / 1200 == pytest.approx(1 / 12, abs=0.03)


def test_a_quarter_of_the_groups_is_cut_from_recordings(columns):
    signal = np.sin(np.arange(20_000) / 50) + 2
    recordings = Recordings({("eda", 4.0): [signal]})
    groups = ImageGroups(0, ("eda",), 1, columns, recordings)
    parameters = columns.columns["eda", "parameters"]
    cut = [groups.make(number).targets[:, parameters].isnan().all() for number in range(24)]
    assert 2 <= sum(cut) <= 11


def test_an_error_names_the_group(columns, monkeypatch):
    def fail(*args):
        raise ValueError("no image")

    monkeypatch.setattr("sklearn_biomoe.pretraining.image_groups.draw_windows", fail)
    message = "Group 7 of seed 0 could not be made, from 3 windows of '(eda|resp)': no image"
    with pytest.raises(RuntimeError, match=message):
        groups_of(columns).make(7)


# Recordings


@pytest.fixture(scope="module")
def recordings():
    folder = os.environ.get("SKLEARN_BIOMOE_DATA")
    if not folder or not (Path(folder) / "neurokit_csv").is_dir():
        pytest.skip("SKLEARN_BIOMOE_DATA is not a folder with recordings")
    return read_recordings(Path(folder))


def test_windows_of_recordings(recordings):
    for modality in ("eda", "bvp", "resp", "ecg", "emg", "eeg"):
        rate = KINDS[modality].sampling_rates[0]
        draw = Draw(6, rate, KINDS[modality].durations[0], seeded())
        windows = recordings.cut(modality, draw)
        assert windows.signals.shape == (6, draw.n_times)
        assert windows.signals.isfinite().all()
        assert windows.parameters == {}
    levels = np.concatenate(
        [s for (m, _), kept in recordings.signals.items() if m == "eda" for s in kept]
    )
    assert levels.min() > 0
    assert levels.max() < 60  # µS


def test_missing_recordings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No recording at .*neurokit_csv"):
        read_recordings(tmp_path)


def test_only_odd_patients_of_bidmc_and_contact_of_exam_stress(monkeypatch):
    def fetch_bidmc(duration):
        times = np.arange(125 * duration) / 125
        cells = [np.sin(2 * np.pi * (times + patient)) + patient for patient in (1, 2, 3, 53)]
        cells[2][7] = np.nan
        data = pd.DataFrame({"ppg": cells, "resp": cells})
        rates = {"ppg": 125.0, "resp": 125.0}
        return Bunch(data=data, groups=np.array([1, 2, 3, 53]), sampling_rates=rates)

    def fetch_exam_stress(duration):
        cells = [np.full(4 * duration, level) for level in (0.01, 2.0)]
        return Bunch(data=pd.DataFrame({"eda": cells}), sampling_rates={"eda": 4.0})

    monkeypatch.setattr(real_recordings, "fetch_bidmc", fetch_bidmc)
    monkeypatch.setattr(real_recordings, "fetch_exam_stress", fetch_exam_stress)
    found = read_recordings(data_sets=["bidmc", "exam_stress"])
    assert found.sources == ("bidmc", "exam_stress")
    pulses = found.signals["bvp", 64.0]
    assert [round(signal.mean()) for signal in pulses] == [1, 53]
    expected = np.sin(2 * np.pi * np.arange(64 * 480) / 64) + 1
    np.testing.assert_allclose(pulses[0][64:-64], expected[64:-64], atol=2e-3)
    assert {rate for modality, rate in found.signals if modality == "resp"} == {25.0, 10.0, 50.0}
    (contact,) = found.signals["eda", 4.0]
    assert (contact == 2).all()
    with pytest.raises(ValueError, match="Unknown data set 'cogwear'"):
        read_recordings(data_sets=["cogwear"])
