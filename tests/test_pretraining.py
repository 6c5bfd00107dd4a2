"""Pretraining: simulators, objectives, recordings and the recipe."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import signal as filters
from scipy import stats

from sklearn_biomoe.pretraining import KINDS, recipe, simulate
from sklearn_biomoe.pretraining.objectives import (
    DEFAULT_OBJECTIVES,
    OBJECTIVES,
    Heads,
    agreement_loss,
    describe,
    describe_shape,
    regression_loss,
)
from sklearn_biomoe.pretraining.real_recordings import Recordings, read_recordings
from sklearn_biomoe.pretraining.recipe import (
    IMAGES,
    REPRESENTATIONS,
    SHARES,
    Recipe,
    Training,
    find_scales,
    make_targets,
    make_views,
)
from sklearn_biomoe.pretraining.simulators import Draw, usual_window
from sklearn_biomoe.signals import MODALITIES

pytestmark = pytest.mark.filterwarnings("ignore:.* leave value_range")


@pytest.fixture(autouse=True, scope="module")
def _few_windows_to_standardise():
    """Scales of targets of 32 windows instead of 512, which take 14 seconds for each seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "N_TO_STANDARDISE", 32)
        find_scales.cache_clear()
        yield
    find_scales.cache_clear()


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
    assert 0.6 < np.mean(np.equal(rates, kind.sampling_rates[0])) < 0.95
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


def test_regression_loss_ignores_unknown_targets():
    predicted, targets = torch.tensor([0.0, 5.0, 2.0]), torch.tensor([0.5, math.nan, 4.0])
    assert regression_loss(predicted, targets) == pytest.approx((0.5 * 0.5**2 + (2 - 0.5)) / 2)
    assert regression_loss(predicted, torch.full((3,), math.nan)) == 0


def test_agreement_loss_of_two_pairs():
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    windows = torch.tensor([0, 1, 0, 1])
    # Similarities are 5 to the image of the same window, and 0 to the other two.
    expected = -math.log(math.exp(5) / (math.exp(5) + 2))
    assert agreement_loss(images, windows).item() == pytest.approx(expected, rel=1e-5)


def test_losses_are_weighted_by_their_uncertainty():
    heads = Heads(3, {"eda": {"clean": 2}})
    losses = {"kind": torch.tensor(2.0), "clean": torch.tensor(3.0)}
    assert heads.combine(losses).item() == pytest.approx(5.0)
    with torch.no_grad():
        heads.log_variances[3] = math.log(2)
    expected = 2 + 3 / 2 + 0.5 * math.log(2)
    assert heads.combine(losses).item() == pytest.approx(expected)


# Images


def test_images_of_all_presets_are_trained_on():
    known = {"ppg": "bvp"}  # the same simulator and images
    for name, modality in MODALITIES.items():
        if name in ("generic", "resp_rate"):
            continue
        for representation in modality.representations:
            assert f"{known.get(name, name)} {representation}" in IMAGES


def test_views_show_the_same_windows_twice():
    generator = seeded(3)
    for _ in range(6):
        views = make_views(Recipe(48, batch_size=12), generator, Recordings({}))
        assert len(views) == 6
        for one, other in zip(views[::2], views[1::2], strict=True):
            assert one.modality == other.modality
            assert one.representation != other.representation
            assert one.images.shape == (2, 3, 224, 224)
            assert 0 <= one.images.min() <= one.images.max() <= 1


def test_sizes_are_targets_of_images_that_show_them():
    conductance = made("eda", 8)
    shown, hidden = make_targets(conductance), make_targets(conductance, sizes_shown=False)
    assert shown["descriptors"].isfinite().all()
    assert hidden["descriptors"][:, -2:].isnan().all()
    level = list(conductance.parameters).index("log_level")
    assert hidden["parameters"][:, level].isnan().all()
    assert shown["parameters"][:, level].isfinite().all()


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
    levels = torch.cat(
        [s for (m, _), kept in recordings.signals.items() if m == "eda" for s in kept]
    )
    assert levels.min() > 0
    assert levels.max() < 60  # µS


def test_missing_recordings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No recording at .*neurokit_csv"):
        read_recordings(tmp_path)


# The recipe


def test_learning_rate_schedule():
    long = Recipe(10_000, batch_size=96, peak_rate=1.0)
    assert long.rate_at(0) == pytest.approx(0.048)
    assert long.rate_at(1904) == long.rate_at(5000) == 1
    assert long.rate_at(7500) == pytest.approx(0.5)
    assert long.rate_at(10_000) == 0
    assert not long.is_frozen(7400)
    assert long.is_frozen(7500)


@pytest.mark.parametrize("modality", KINDS)
def test_scales_of_targets(modality):
    for centres, widths in find_scales(modality, 0).values():
        assert centres.isfinite().all()
        assert widths.isfinite().all()
        assert (widths > 0).all()


@pytest.fixture
def short(small_backbone):
    return Recipe(36, batch_size=12, objectives=OBJECTIVES)


def test_an_interrupted_run_resumes_to_the_same_weights(short, tmp_path):
    nothing = Recordings({})
    whole = Training(short, tmp_path / "whole", nothing)
    assert whole.run()
    first = Training(short, tmp_path / "parts", nothing)
    first._log(first._step())
    first.save()
    first._log(first._step())  # killed after this step, before a checkpoint
    second = Training(short, tmp_path / "parts", nothing)
    assert second.n_seen == 12
    assert second.run()
    expected = whole.backbone.state_dict()
    for name, value in second.backbone.state_dict().items():
        assert torch.equal(value, expected[name]), name
    logs = [
        pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds")
        for name in ("whole", "parts")
    ]
    pd.testing.assert_frame_equal(*logs)
    assert list(logs[0]["images"]) == [12, 24, 36]
    assert (tmp_path / "whole" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_checkpoints_are_on_disk_before_they_replace_the_last_one(short, tmp_path, monkeypatch):
    training = Training(short, tmp_path, Recordings({}))
    training.save()
    before = training.checkpoint.read_bytes()
    training.n_seen = 12

    def full_disk(file):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        training.save()
    assert training.checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [training.checkpoint]


def test_objectives_can_be_left_out(small_backbone, tmp_path):
    training = Training(Recipe(6, 6, objectives=("kind", "clean")), tmp_path, Recordings({}))
    training.run()
    log = pd.read_csv(tmp_path / "log.csv")
    assert log[["kind", "clean"]].notna().all(axis=None)
    assert log[["parameters", "descriptors", "agreement"]].isna().all(axis=None)


@pytest.mark.parametrize("batch_size", [0, -6, 10])
def test_batches_have_pairs_of_images_of_three_modalities(batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size}; expected a multiple of 6"):
        Recipe(48, batch_size=batch_size)


@pytest.mark.parametrize("modalities", [("spo2",), ("resp", "eda")])
def test_modalities_can_be_chosen(small_backbone, tmp_path, modalities):
    chosen = Recipe(8, batch_size=8, modalities=modalities)
    views = make_views(chosen, seeded(3), Recordings({}))
    assert {view.modality for view in views} == set(modalities)
    assert sum(len(view.images) for view in views) == 8
    training = Training(chosen, tmp_path, Recordings({}))
    assert training.run()
    log = pd.read_csv(tmp_path / "log.csv")
    assert log[list(DEFAULT_OBJECTIVES)].notna().all(axis=None)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_images": 0}, "n_images=0; expected an integer of 1 or more"),
        ({"precision": "float16"}, "Unknown precision 'float16'"),
        ({"modalities": ()}, "expected some of eda, .*, eeg, each at most once"),
        ({"modalities": ("eda", "emu")}, "expected some of eda, .*, eeg, each at most once"),
        ({"modalities": ("eda", "eda")}, "expected some of eda, .*, eeg, each at most once"),
        ({"objectives": ()}, "expected some of kind, .*, agreement, each at most once"),
        ({"objectives": ("kind", "stress")}, "expected some of kind, .*, each at most once"),
        ({"objectives": ("kind", "kind")}, "expected some of kind, .*, each at most once"),
    ],
)
def test_bad_recipes(parameters, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"n_images": 48} | parameters)


def test_targets_have_the_shape_of_the_heads(recordings):
    """Windows of recordings have no parameters."""
    generator = seeded(5)
    n_parameters = {modality: len(made(modality, 1).parameters) for modality in KINDS}
    n_recorded = 0
    for _ in range(8):
        for view in make_views(Recipe(48, batch_size=6), generator, recordings):
            if "parameters" in view.targets:
                assert view.targets["parameters"].shape == (1, n_parameters[view.modality])
            else:
                n_recorded += 1
    assert n_recorded > 5


def test_another_recipe_in_the_folder_is_an_error(short, tmp_path):
    Training(short, tmp_path, Recordings({})).save()
    with pytest.raises(ValueError, match="trained with other values of batch_size, seed"):
        Training(replace(short, batch_size=24, seed=1), tmp_path, Recordings({}))


def test_training_lowers_the_losses(small_backbone, tmp_path, monkeypatch):
    """A single batch, repeated, is overfitted."""
    batch = make_views(Recipe(10_000, batch_size=12), seeded(1), Recordings({}))
    monkeypatch.setattr(recipe, "make_views", lambda *_: batch)
    training = Training(Recipe(10_000, batch_size=12), tmp_path, Recordings({}))
    losses = [training._step() for _ in range(40)]
    for objective in ("kind", "parameters", "descriptors", "clean"):
        assert losses[-1][objective] < 0.8 * losses[0][objective], objective


def test_the_command_writes_weights_that_load(tmp_path):
    """With the real network, for one step."""
    from sklearn_biomoe.weights import load_backbone

    command = [sys.executable, "-m", "sklearn_biomoe.pretraining", "--folder", str(tmp_path)]
    command += ["--images", "6", "--batch", "6", "--modalities", "eda", "resp", "spo2"]
    subprocess.run(command, check=True, timeout=300)
    path = tmp_path / "weights.safetensors"
    assert path.stat().st_size < 15e6
    assert load_backbone(path).training is False


def test_shares_name_known_images():
    assert set(SHARES) == set(REPRESENTATIONS) == set(KINDS)
