"""Maps against scipy, pywt and pyts; settings that cannot be drawn."""

import importlib

import numba
import numpy as np
import pytest
import pywt
import torch
from scipy.signal import spectrogram

from sklearn_biomoe.representations import REPRESENTATIONS, check_representations
from sklearn_biomoe.representations.pairs import (
    gadf,
    gasf,
    mtf,
    recurrence,
    recurrence_thresholded,
    shorten,
)
from sklearn_biomoe.representations.scalograms import scalogram, scalogram_frequencies
from sklearn_biomoe.representations.spectrograms import (
    segment_length,
    spectrogram_angle,
    spectrogram_phase,
    spectrogram_psd,
)
from sklearn_biomoe.signals import MODALITIES, Modality

WINDOWS = [
    ("eda", 4.0, 240),
    ("bvp", 64.0, 3840),
    ("ecg", 500.0, 2000),
    ("resp", 25.0, 1501),
    ("generic", 32.0, 500),
    ("generic", 4.0, 7),
]
EDA = MODALITIES["eda"]


@pytest.fixture(scope="module")
def pyts():
    """Import without numba's compiler, which takes half a minute and has no cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        importlib.import_module("pyts.image")
    return importlib.import_module("pyts")


def scipys_spectrogram(signals, modality, sampling_rate, **settings):
    """Spectrogram of the same segments and padding, and which of its rows are shown."""
    segment = segment_length(signals.shape[1], sampling_rate, MODALITIES[modality])
    low, high = MODALITIES[modality].frequency_range or (0, sampling_rate / 2)
    n_fft = 2 ** int(np.ceil(np.log2(max(segment, round(16 * sampling_rate / (high - low))))))
    frequencies, _, values = spectrogram(
        signals, sampling_rate, "hann", segment, segment - max(1, segment // 8), n_fft, **settings
    )
    step = frequencies[1]
    return values[:, (frequencies >= low - step / 2) & (frequencies <= high + step / 2)]


def random_walks(n_windows, n_times):
    rng = np.random.default_rng(0)
    return 5 + np.cumsum(rng.normal(size=(n_windows, n_times)), axis=1)


@pytest.mark.parametrize(("modality", "sampling_rate", "n_times"), WINDOWS)
def test_spectrogram_equals_scipy(modality, sampling_rate, n_times):
    signals = random_walks(3, n_times)
    found = spectrogram_psd(torch.from_numpy(signals), sampling_rate, MODALITIES[modality])
    expected = scipys_spectrogram(signals, modality, sampling_rate)
    assert expected.shape[1] >= 16
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12 * expected.max())


@pytest.mark.parametrize(("modality", "sampling_rate", "n_times"), WINDOWS)
def test_phases_equal_scipy(modality, sampling_rate, n_times):
    signals = random_walks(3, n_times)
    args = (torch.from_numpy(signals), sampling_rate, MODALITIES[modality])
    for function, mode in ((spectrogram_angle, "angle"), (spectrogram_phase, "phase")):
        expected = scipys_spectrogram(
            signals, modality, sampling_rate, detrend="constant", mode=mode
        )
        np.testing.assert_allclose(function(*args), expected, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_pieces_have_phase_zero(level):
    signals = torch.full((2, 240), level, dtype=torch.float64)
    assert (spectrogram_angle(signals, 4.0, EDA) == 0).all()
    assert (spectrogram_phase(signals, 4.0, EDA) == 0).all()
    signals[:, :40] += torch.from_numpy(random_walks(2, 40))
    angles = spectrogram_angle(signals, 4.0, EDA)  # segments of 80 samples, every 10
    assert (angles[..., 4:] == 0).all()
    assert (angles[..., 0] != 0).any()


@pytest.mark.parametrize(("modality", "sampling_rate", "n_times"), WINDOWS)
def test_scalogram_equals_pywt(modality, sampling_rate, n_times):
    signals = random_walks(2, n_times)
    found = scalogram(torch.from_numpy(signals), sampling_rate, MODALITIES[modality]).numpy()
    frequencies = np.array(scalogram_frequencies(n_times, sampling_rate, MODALITIES[modality]))
    period, times = 1 / sampling_rate, np.arange(n_times) / sampling_rate
    reach = 3 * np.sqrt(1.5) / frequencies[:, None]  # of the ends' influence, in seconds
    undisturbed = (times >= reach) & (times <= times[-1] - reach)
    for power, signal in zip(found, signals, strict=True):
        centred, raw = (
            abs(pywt.cwt(x, sampling_rate / frequencies, "cmor1.5-1.0", period)[0]) ** 2
            for x in (signal - signal.mean(), signal)
        )
        np.testing.assert_allclose(power, centred, atol=1e-9 * centred.max())
        tolerance = 1e-3 * raw[undisturbed].max(initial=0)
        np.testing.assert_allclose(power[undisturbed], raw[undisturbed], rtol=0, atol=tolerance)


def test_scalogram_frequencies_follow_the_modality():
    frequencies = scalogram_frequencies(3840, 64.0, MODALITIES["bvp"])
    assert len(frequencies) == 64
    np.testing.assert_allclose(np.diff(np.log(frequencies)), np.log(10) / 63)
    np.testing.assert_allclose([frequencies[0], frequencies[-1]], [0.5, 5.0])
    # Two cycles in a window of 60 seconds.
    np.testing.assert_allclose(scalogram_frequencies(240, 4.0, EDA)[0], 2 / 60)
    np.testing.assert_allclose(
        np.array(scalogram_frequencies(500, 100.0, MODALITIES["generic"]))[[0, -1]], [0.4, 50.0]
    )


@pytest.mark.parametrize("n_times", [225, 240, 272, 500, 3840, 6001])
def test_shortening_equals_pyts(pyts, n_times):
    signals = random_walks(2, n_times)
    approximation = pyts.approximation.PiecewiseAggregateApproximation(
        window_size=None, output_size=224, overlapping=False
    )
    found = shorten(torch.from_numpy(signals))
    np.testing.assert_allclose(found, approximation.transform(signals), rtol=1e-12)
    plateau = np.full((1, n_times), 0.1)
    assert (shorten(torch.from_numpy(plateau)) == 0.1).all()


@pytest.mark.parametrize("n_times", [2, 9, 100, 224, 240, 3840])
@pytest.mark.parametrize(
    ("to_map", "image", "settings"),
    [
        (recurrence, "RecurrencePlot", {}),
        (recurrence_thresholded, "RecurrencePlot", {"threshold": "distance", "percentage": 20}),
        (gasf, "GramianAngularField", {"method": "summation"}),
        (gadf, "GramianAngularField", {"method": "difference"}),
        (mtf, "MarkovTransitionField", {"n_bins": 8, "strategy": "quantile"}),
    ],
)
def test_maps_of_pairs_equal_pyts(pyts, to_map, image, settings, n_times):
    series = shorten(torch.from_numpy(random_walks(2, n_times)))
    expected = getattr(pyts.image, image)(**settings).fit_transform(series.numpy())
    np.testing.assert_allclose(to_map(series, 1.0, EDA), expected, atol=1e-5)


def test_quantiles_of_repeated_values_equal_pyts(pyts):
    series = np.random.default_rng(0).integers(0, 20, (3, 100)).astype(float)
    expected = pyts.image.MarkovTransitionField().fit_transform(series)
    np.testing.assert_allclose(mtf(torch.from_numpy(series), 1.0, EDA), expected, atol=1e-12)


def test_gramian_fields_by_hand():
    series = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64)  # angles pi, pi / 2 and 0
    np.testing.assert_allclose(
        gasf(series, 1.0, EDA)[0], [[1, 0, -1], [0, -1, 0], [-1, 0, 1]], atol=1e-15
    )
    np.testing.assert_allclose(
        gadf(series, 1.0, EDA)[0], [[0, 1, 0], [-1, 0, 1], [0, -1, 0]], atol=1e-15
    )


CONSTANT = {
    scalogram: 0, recurrence: 0, recurrence_thresholded: 0, gasf: -1, gadf: 0, mtf: 1
}  # fmt: skip


@pytest.mark.parametrize("n_times", [2, 240])
@pytest.mark.parametrize(("to_map", "expected"), CONSTANT.items())
def test_maps_of_constant_windows(to_map, expected, n_times):
    constant = torch.full((2, n_times), 0.1, dtype=torch.float64)
    assert (to_map(constant, 4.0, EDA) == expected).all()


def test_constant_windows_have_no_power():
    constant = torch.full((2, 240), 0.1, dtype=torch.float64)
    assert (spectrogram_psd(constant, 4.0, EDA) == 0).all()


def test_spectrogram_peaks_at_the_signal_frequency():
    t = np.arange(3840) / 64
    pulse = torch.from_numpy(np.sin(2 * np.pi * 1.25 * t))[None]
    power = spectrogram_psd(pulse, 64.0, MODALITIES["bvp"])[0].mean(dim=1)
    frequencies = np.linspace(0.5, 5.0, len(power))
    assert abs(frequencies[int(power.argmax())] - 1.25) < 0.07


MAPPED = [name for name, entry in REPRESENTATIONS.items() if entry.to_map is not None]


@pytest.mark.parametrize("name", MAPPED)
@pytest.mark.parametrize("n_times", [1, 2, 3, 10])
def test_shortest_windows_have_maps(name, n_times):
    signals = torch.from_numpy(random_walks(2, n_times))
    maps = REPRESENTATIONS[name].to_map(signals, 4.0, MODALITIES["generic"])
    assert maps.ndim == 3
    assert len(maps) == 2
    assert maps.isfinite().all()
    assert maps.numel() > 0


def test_every_modality_has_every_representation():
    for name, modality in MODALITIES.items():
        check_representations(list(REPRESENTATIONS), 512.0, name, modality)


def test_frequencies_above_the_nyquist_limit_are_an_error():
    bvp = MODALITIES["bvp"]
    message = r"'bvp' shows frequencies up to 5 Hz, above the Nyquist.*frequency_range=\(0.5, 4\)"
    with pytest.raises(ValueError, match=message):
        check_representations(["spectrogram_psd"], 8.0, "bvp", bvp)
    check_representations(["spectrogram_psd"], 10.0, "bvp", bvp)
    check_representations(["waveform"], 8.0, "bvp", bvp)


def test_missing_sampling_rate_is_an_error():
    with pytest.raises(
        ValueError, match="'spectrogram_psd' of modality 'eda' needs the sampling rate"
    ):
        check_representations(["waveform", "spectrogram_psd"], None, "eda", EDA)


def test_length_of_pieces():
    half = Modality((), spectrogram_window=2.5)
    assert segment_length(1000, 10.0, half) == 25
    assert segment_length(1000, 10.0, Modality(())) == 125
    assert segment_length(3, 10.0, Modality(())) == 1
