"""Maps against scipy, and settings that cannot be drawn refused."""

import numpy as np
import pytest
import torch
from scipy.signal import spectrogram

from sklearn_biomoe.representations import (
    REPRESENTATIONS,
    check_representations,
    spectrogram_piece,
    spectrogram_psd,
    waveform,
)
from sklearn_biomoe.signals import MODALITIES, Modality


def random_walks(n_windows, n_times, seed=0):
    rng = np.random.default_rng(seed)
    return 5 + np.cumsum(rng.normal(size=(n_windows, n_times)), axis=1)


def test_waveform_is_the_signal():
    signals = torch.from_numpy(random_walks(3, 50))
    torch.testing.assert_close(waveform(signals, 4.0, MODALITIES["eda"]), signals[:, None])


@pytest.mark.parametrize(
    ("modality", "sampling_rate", "n_times"),
    [
        ("eda", 4.0, 240),
        ("bvp", 64.0, 3840),
        ("ecg", 500.0, 2000),
        ("resp", 25.0, 1501),
        ("generic", 32.0, 500),
        ("eda", 4.0, 7),
    ],
)
def test_spectrogram_equals_scipy(modality, sampling_rate, n_times):
    signals = random_walks(3, n_times)
    ours = spectrogram_psd(torch.from_numpy(signals), sampling_rate, MODALITIES[modality])
    piece = spectrogram_piece(n_times, sampling_rate, MODALITIES[modality])
    low, high = MODALITIES[modality].frequency_range or (0, sampling_rate / 2)
    n_fft = 2 ** int(np.ceil(np.log2(max(piece, round(16 * sampling_rate / (high - low))))))
    frequencies, _, expected = spectrogram(
        signals, sampling_rate, "hann", piece, piece - max(1, piece // 8), n_fft
    )
    shown = (frequencies >= low) & (frequencies <= high)
    assert shown.sum() >= 16
    np.testing.assert_allclose(ours, expected[:, shown], rtol=1e-5, atol=1e-12 * expected.max())


def test_spectrogram_peaks_at_the_signal_frequency():
    t = np.arange(3840) / 64
    pulse = torch.from_numpy(np.sin(2 * np.pi * 1.25 * t))[None]
    power = spectrogram_psd(pulse, 64.0, MODALITIES["bvp"])[0].mean(dim=1)
    frequencies = np.linspace(0.5, 5.0, len(power))
    assert abs(frequencies[int(power.argmax())] - 1.25) < 0.07


def test_constant_windows_have_no_power():
    constant = torch.full((2, 240), 0.1, dtype=torch.float64)
    assert spectrogram_psd(constant, 4.0, MODALITIES["eda"]).abs().max() == 0


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("n_times", [1, 2, 3, 10])
def test_shortest_windows_have_maps(name, n_times):
    signals = torch.from_numpy(random_walks(2, n_times))
    for modality in ("eda", "generic"):
        maps = REPRESENTATIONS[name].to_map(signals, 4.0, MODALITIES[modality])
        assert maps.ndim == 3
        assert len(maps) == 2
        assert maps.isfinite().all()
        assert maps.numel() > 0


def test_every_modality_can_be_drawn_at_its_own_rates():
    for modality in MODALITIES:
        check_representations(list(REPRESENTATIONS), 512.0, modality)


def test_frequencies_above_the_nyquist_limit_are_refused():
    with pytest.raises(ValueError, match=r"'bvp' shows frequencies up to 5 Hz, above the Nyquist"):
        check_representations(["spectrogram_psd"], 8.0, "bvp")
    check_representations(["spectrogram_psd"], 10.0, "bvp")
    check_representations(["waveform"], 8.0, "bvp")


def test_missing_sampling_rate_is_refused():
    with pytest.raises(ValueError, match="'spectrogram_psd' needs the sampling rate"):
        check_representations(["waveform", "spectrogram_psd"], None, "eda")


def test_pieces_last_as_long_as_the_modality_says():
    assert spectrogram_piece(1000, 10.0, Modality(2.5, None)) == 25
    assert spectrogram_piece(20, 10.0, Modality(2.5, None)) == 20
    assert spectrogram_piece(1000, 10.0, Modality(None, None)) == 125
