"""Fitted image settings: presets and other parameters, value ranges, tiles, channels."""

import numpy as np
import pytest
from scipy.signal import spectrogram

from sklearn_biomoe import BiosignalImageTransformer, SignalFilter, TinyBioMoEEmbedder
from sklearn_biomoe.images.curves import LINE_WIDTH
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.signals import MODALITIES

SIZE = 224
BOTH = ["waveform", "spectrogram_psd"]


def walks(n_windows=6, n_times=240, level=5.0, seed=0):
    rng = np.random.default_rng(seed)
    return level + 0.02 * np.cumsum(rng.normal(size=(n_windows, n_times)), axis=1)


def settings(X, *args, **parameters):
    return BiosignalImageTransformer(*args, **parameters).fit(X).settings_


def curve_height(image):
    """Height of a flat curve, from 0 at the bottom to 1 at the top."""
    ink = (255.0 - image[..., 0]).sum(axis=1)
    middle = (ink * (np.arange(SIZE) + 0.5)).sum() / ink.sum()
    return 1 - (middle - LINE_WIDTH / 2) / (SIZE - LINE_WIDTH)


class TestPresets:
    @pytest.mark.parametrize("modality", MODALITIES)
    def test_presets_of_every_modality(self, modality):
        unit = MODALITIES[modality].unit
        level = {"µS": 5.0, "%": 85.0, "1/min": 15.0}.get(unit, 0.0)
        images = BiosignalImageTransformer(sampling_rate=600, modality=modality).fit_transform(
            walks(1, 24_000, level)
        )
        names = [f"{modality}_{name}" for name in MODALITIES[modality].representations]
        assert images.image_names == names
        drawn = np.asarray(images)[0]
        assert all(len(np.unique(image)) > 5 for image in drawn)

    @pytest.mark.parametrize(("modality", "preset"), MODALITIES.items())
    def test_presets_are_consistent(self, modality, preset):
        assert set(preset.representations) <= set(REPRESENTATIONS)
        if preset.frequency_range is not None:
            low, high = preset.frequency_range
            assert 0 <= low < high
        assert (preset.value_range is None) == (preset.unit == "")
        if preset.band is not None:
            SignalFilter(sampling_rate=600, band="preset", modality=modality).fit(walks(1, 900))

    def test_parameters_override_presets(self):
        eda = {"sampling_rate": 4, "modality": "eda"}
        given = {"spectrogram_window": 15, "frequency_range": (0.1, 1.0), "value_range": (1, 9)}
        drawn = settings(walks(), BOTH, **eda, **given)
        assert drawn.modalities[0].spectrogram_window == 15
        assert drawn.modalities[0].frequency_range == (0.1, 1.0)
        assert drawn.panels[0].limits == ((1, 9),)
        eighth = settings(walks(), BOTH, **eda, spectrogram_window=None)
        assert eighth.modalities[0].spectrogram_window is None
        assert eighth.modalities[0].frequency_range == (0.0, 0.5)

    def test_overridden_spectrograms_peak_at_the_signal_frequency(self):
        t = np.arange(2400) / 40
        for frequency in (1.5, 6.0):
            images = BiosignalImageTransformer(
                ["spectrogram_psd"], sampling_rate=40, modality="eda", spectrogram_window=4,
                frequency_range=(1.0, 9.0),
            ).fit_transform(np.sin(2 * np.pi * frequency * t)[None])  # fmt: skip
            row = np.asarray(images)[0, 0].sum(axis=(1, 2)).argmax()
            assert abs(1 + 8 * (1 - (row + 0.5) / SIZE) - frequency) < 0.3

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"frequency_range": (0, 3)}, "up to 3 Hz, above the Nyquist limit of 2 Hz"),
            ({"frequency_range": (1, 1)}, r"frequency_range=\(1, 1\).* low < high"),
            ({"frequency_range": (-1, 1)}, "expected frequencies of 0 Hz or more"),
            ({"frequency_range": [0, 1]}, "expected a tuple"),
            ({"frequency_range": "all"}, "expected a tuple"),
            ({"frequency_range": (0, np.nan)}, "expected a tuple"),
            ({"spectrogram_window": 0}, "spectrogram_window=0; expected a finite number above 0"),
            ({"spectrogram_window": "long"}, "expected a finite number above 0"),
            ({"spectrogram_window": 61}, r"Window 0 .* lasts 60 s, less than .* of 61 s"),
            ({"value_range": (20, 0.05)}, "low < high"),
            ({"value_range": (0, 20, "log")}, "expected a logarithmic range above 0"),
            ({"value_range": (1, 20, "lin")}, "value_range=.* expected a tuple"),
            ({"value_range": "fixed"}, "value_range='fixed'; expected a tuple .* 'window'"),
            ({"value_range": ["window", "window"]}, "for 2 channels, but windows have 1"),
            ({"power_range": (0, -50)}, r"power_range=\(0, -50\).* low < high"),
            ({"power_range": "preset"}, "power_range='preset'; expected"),
            ({"sampling_rate": [4, 64]}, r"sampling_rate=\[4, 64\]; expected a finite number"),
            ({"modality": ["eda", "spo2"]}, "names 2 channels, but windows have 1"),
            ({"colormap": "virdis"}, "Did you mean 'viridis'"),
            ({"tile_step": 3}, "tile_step=3 needs tile_length="),
            ({"tile_length": -3}, "tile_length=-3; expected a finite number above 0"),
            ({"tile_length": 0.1}, "tile_length=0.1 s is less than a sample"),
            ({"tile_length": 70}, "lasts 60 s, less than tile_length=70 s"),
            ({"tile_length": 10}, "A tile lasts 10 s, less than the spectrogram window of 20 s"),
            ({"representations": ["waveform"], "tile_length": 3, "sampling_rate": None}, "needs"),
        ],
    )
    def test_invalid_parameters(self, parameters, message):
        parameters = {"representations": BOTH, "sampling_rate": 4, "modality": "eda"} | parameters
        with pytest.raises(ValueError, match=message):
            BiosignalImageTransformer(**parameters).fit(walks())

    def test_errors_name_the_shortest_window(self):
        to_images = BiosignalImageTransformer(["spectrogram_psd"], sampling_rate=4, modality="eda")
        windows = [*walks(3), walks()[0, :70], walks()[0, :75]]
        with pytest.raises(ValueError, match=r"Window 3 of modality 'eda' lasts 17.5 s, less than"):
            to_images.fit(windows)
        to_images.fit(windows[:3])
        with pytest.raises(ValueError, match="Window 3 of modality 'eda'"):
            to_images.transform(windows)

    def test_other_numbers_of_labels_than_windows(self):
        to_images = BiosignalImageTransformer()
        with pytest.raises(ValueError, match=r"6 windows .* but 4 labels: window 4 has no label"):
            to_images.fit(walks(), [0, 1, 0, 1])
        with pytest.raises(ValueError, match="window 6 does not exist, but has a label"):
            to_images.fit(walks(), np.zeros(7))


class TestValueRanges:
    def test_fixed_range_of_skin_conductance(self):
        levels = np.array([0.05, 0.1, 1.0, 20.0])
        images = BiosignalImageTransformer(modality="eda").fit_transform(
            np.repeat(levels[:, None], 50, axis=1)
        )
        heights = [curve_height(window[0]) for window in images]
        np.testing.assert_allclose(heights, np.log(levels / 0.05) / np.log(400), atol=0.005)

    def test_window_range_does_not_depend_on_the_level(self):
        to_images = BiosignalImageTransformer(modality="eda", value_range="window")
        low, high = walks(1), walks(1) * 3
        np.testing.assert_array_equal(
            to_images.fit_transform(low)[0], to_images.fit_transform(high)[0]
        )

    def test_training_range_is_fitted_to_training_windows(self):
        X = walks(40)
        for modality, scale in (("bvp", ()), ("eda", ("log",))):
            to_images = BiosignalImageTransformer(
                ["waveform"], modality=modality, value_range="training"
            )
            (limits,) = to_images.fit(X).settings_.panels[0].limits
            expected = (*np.percentile(X, [1, 99]), *scale)
            assert limits == pytest.approx(expected) if not scale else limits[2] == "log"
            np.testing.assert_allclose(limits[:2], expected[:2])
            # Later windows change nothing, and cause no warning outside the range.
            to_images.transform(X * 10)
            assert to_images.settings_.panels[0].limits == (limits,)

    def test_logarithmic_training_range_ignores_other_than_positive_samples(self):
        X = walks(4)
        X[0, :100] = 0.0
        to_images = BiosignalImageTransformer(modality="eda", value_range="training").fit(X)
        low, high, _ = to_images.settings_.panels[0].limits[0]
        np.testing.assert_allclose((low, high), np.percentile(X[X > 0], [1, 99]))
        with pytest.raises(ValueError, match="No sample is positive"):
            to_images.fit(np.zeros((2, 50)))

    def test_training_range_of_each_channel(self):
        X = np.stack([walks(9, level=5), walks(9, level=50)], axis=1)
        drawn = settings(X, ["waveform"], modality="ecg", value_range="training")
        for channel, panel in enumerate(drawn.panels):
            np.testing.assert_allclose(panel.limits[0], np.percentile(X[:, channel], [1, 99]))

    def test_one_range_for_each_channel(self):
        X = np.stack([walks(level=5), walks(level=50)], axis=1)
        drawn = settings(X, ["waveform"], modality="ecg", value_range=["window", (0, 100)])
        assert [panel.limits for panel in drawn.panels] == [(None,), ((0, 100),)]

    def test_values_outside_a_fixed_range_warn(self):
        X = walks(6, level=19.9)
        X[2, 5] = 0.01
        X[4, 3] = 25.0
        X = np.minimum(X, 25)
        to_images = BiosignalImageTransformer(modality="eda").fit(X)
        message = "5 of 6 windows of 'eda_waveform' leave value_range=.*check_windows.*µS"
        with pytest.warns(UserWarning, match=message):
            to_images.transform(X)

    def test_training_range_of_powers(self):
        t = np.arange(240) / 4
        amplitudes = np.linspace(1, 4, 100)
        X = amplitudes[:, None] * np.sin(2 * np.pi * 0.2 * t)
        parameters = {"sampling_rate": 4, "modality": "eda", "power_range": "training"}
        drawn = settings(X, ["spectrogram_psd"], **parameters)
        low, high = drawn.panels[0].limits[0]
        power = spectrogram(X, 4, "hann", 80, 70, 128)[2].max(axis=(1, 2))
        np.testing.assert_allclose(high, np.percentile(10 * np.log10(power), 99))
        assert high - low == pytest.approx(50)
        with pytest.raises(ValueError, match="All windows are constant"):
            settings(np.ones((3, 240)), ["scalogram"], **parameters)

    def test_a_fixed_power_range_shows_the_amplitude(self):
        t = np.arange(240) / 4
        X = np.array([[0.1], [1.0]]) * np.sin(2 * np.pi * 0.2 * t)
        parameters = {"sampling_rate": 4, "modality": "eda"}
        fixed = BiosignalImageTransformer(BOTH[1:], power_range=(-50.0, 20.0), **parameters)
        weak, strong = (window[0].sum(dtype=int) for window in fixed.fit_transform(X))
        assert strong > 1.2 * weak
        own = BiosignalImageTransformer(BOTH[1:], **parameters).fit_transform(X)
        assert np.abs(own[0].astype(int) - own[1]).max() <= 3


class TestTiles:
    @pytest.mark.parametrize(
        ("parameters", "starts"),
        [
            ({"tile_length": 10}, [0, 40, 80, 120, 160, 200]),
            ({"tile_length": 20, "tile_step": 10}, [0, 40, 80, 120, 160]),
            ({"tile_length": 25}, [0, 100, 140]),  # the last one ends with the window
            ({"tile_length": 60}, [0]),
        ],
    )
    def test_tiles_equal_images_of_their_parts(self, parameters, starts):
        X = walks(3)
        whole = BiosignalImageTransformer(["waveform", "gasf"])
        to_images = BiosignalImageTransformer(["waveform", "gasf"], sampling_rate=4, **parameters)
        images = to_images.fit_transform(X)
        length = parameters["tile_length"] * 4
        expected = [whole.fit_transform(X[:, start : start + length]) for start in starts]
        expected = np.stack([np.asarray(part) for part in expected], axis=2)
        np.testing.assert_array_equal(images, expected.reshape(images.shape))

    def test_names(self):
        to_images = BiosignalImageTransformer(
            ["waveform", "mtf"], sampling_rate=4, modality="bvp", tile_length=30
        ).fit(walks())
        assert list(to_images.get_feature_names_out()) == [
            "bvp_waveform_tile0",
            "bvp_waveform_tile1",
            "bvp_mtf_tile0",
            "bvp_mtf_tile1",
        ]

    def test_other_numbers_of_tiles_are_an_error(self):
        to_images = BiosignalImageTransformer(sampling_rate=4, tile_length=10)
        with pytest.raises(ValueError, match=r"Window 2 .* lasts 41 s and has 5 tiles; expected 6"):
            to_images.fit([*walks(2), walks()[0, :164]])
        to_images.fit(list(walks()))
        with pytest.raises(ValueError, match=r"Window 0 .* has 5 tiles"):
            to_images.transform([walks()[0, :200]])

    @pytest.mark.usefixtures("small_backbone")
    def test_fused_by_mean(self):
        images = BiosignalImageTransformer(
            ["waveform", "mtf"], sampling_rate=4, modality="bvp", tile_length=20
        ).fit_transform(walks())
        each = TinyBioMoEEmbedder().fit_transform(images).reshape(6, 2, 3, 192)
        embedder = TinyBioMoEEmbedder(fuse="mean_tiles")
        np.testing.assert_allclose(
            embedder.fit_transform(images), each.mean(axis=2).reshape(6, 384), atol=1e-6
        )
        names = embedder.get_feature_names_out()
        assert (names[0], names[192], len(names)) == ("bvp_waveform_000", "bvp_mtf_000", 384)
        everything = TinyBioMoEEmbedder(fuse="mean").fit_transform(images)
        np.testing.assert_allclose(everything, each.mean(axis=(1, 2)), atol=1e-6)

    @pytest.mark.usefixtures("small_backbone")
    def test_mean_of_tiles_without_tiles(self):
        images = BiosignalImageTransformer(BOTH, sampling_rate=4).fit_transform(walks())
        expected = TinyBioMoEEmbedder().fit_transform(images)
        embedder = TinyBioMoEEmbedder(fuse="mean_tiles")
        np.testing.assert_array_equal(embedder.fit_transform(images), expected)


class TestChannels:
    def test_several_modalities_in_one_image(self):
        X = np.stack([walks(level=5), walks(level=-3, seed=1)], axis=1)
        to_images = BiosignalImageTransformer(
            ["waveform", "waveform_stacked", "waveform_overlaid"],
            sampling_rate=4,
            modality=["eda", "bvp"],
        )
        images = to_images.fit_transform(X)
        assert images.image_names == [
            "eda_waveform",
            "bvp_waveform",
            "eda_bvp_waveform_stacked",
            "eda_bvp_waveform_overlaid",
        ]
        assert to_images.settings_.panels[2].limits == ((0.05, 20.0, "log"), None)
        eda, bvp, _, overlaid = np.asarray(images)[0]
        dark = overlaid.min(axis=-1) < 128
        assert dark[(eda < 64).all(axis=-1)].all()
        assert dark[(bvp < 64).all(axis=-1)].all()
        assert not dark[(eda == 255).all(axis=-1) & (bvp == 255).all(axis=-1)].any()

    def test_channels_of_one_modality_are_numbered(self):
        X = np.stack([walks(), walks(seed=1), walks(seed=2)], axis=1)
        drawn = settings(X, ["waveform"], modality=["eeg", "eda", "eeg"])
        assert drawn.image_names == ["eeg_0_waveform", "eda_waveform", "eeg_1_waveform"]

    def test_each_channel_has_its_presets(self):
        X = np.stack([walks(), walks(seed=1)], axis=1)
        drawn = settings(X, sampling_rate=600, modality=["resp", "emg"])
        expected = [
            f"{name}_{representation}"
            for name in ("resp", "emg")
            for representation in MODALITIES[name].representations
        ]
        assert drawn.image_names == expected
