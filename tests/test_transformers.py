"""Parameters, warnings and errors of the two transformers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder, UntrainedBackboneWarning
from sklearn_biomoe.inference import free_engines
from sklearn_biomoe.pipelines import identify_estimator
from sklearn_biomoe.representations import REPRESENTATIONS
from sklearn_biomoe.weights import random_backbone

WINDOWS = 5 + 0.01 * np.cumsum(np.random.default_rng(0).normal(size=(3, 240)), axis=1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"representations": ["wavefrom"]}, r"Unknown representation 'wavefrom'.*'waveform'\?"),
        ({"representations": []}, r"expected 'preset', a name, or a list of one or more"),
        ({"representations": None}, r"expected 'preset', a name, or a list of one or more"),
        ({"sampling_rate": True}, "expected a finite number above 0"),
        ({"representations": ["spectrogram_psd"]}, "pass sampling_rate= in Hz"),
        ({"modality": "pain"}, r"Unknown modality 'pain'; expected one of \['bvp'"),
        ({"sampling_rate": 0}, "sampling_rate=0; expected a finite number above 0"),
        ({"sampling_rate": -4.0}, "expected a finite number above 0"),
        ({"sampling_rate": np.nan}, "expected a finite number above 0"),
        ({"sampling_rate": "4 Hz"}, "expected a finite number above 0"),
        ({"image_size": 0}, "image_size=0; expected an integer of 8 or more"),
        ({"image_size": 224.0}, "expected an integer"),
        (
            {"representations": ["spectrogram_psd"], "sampling_rate": 4, "modality": "bvp"},
            "above the Nyquist limit of 2 Hz",
        ),
    ],
)
def test_invalid_image_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        BiosignalImageTransformer(**parameters).fit(WINDOWS)


def test_other_numbers_of_columns_than_in_fit():
    to_images = BiosignalImageTransformer().fit(WINDOWS)
    with pytest.raises(ValueError, match=r"X has 200 features, but .* is expecting 240 features"):
        to_images.transform(WINDOWS[:, :200])
    with pytest.raises(ValueError, match="X has 239 features"):
        to_images.transform(pd.DataFrame(WINDOWS).iloc[:, :239])


def test_other_column_names_than_in_fit():
    wide = pd.DataFrame(WINDOWS).add_prefix("eda_")
    to_images = BiosignalImageTransformer().fit(wide)
    assert to_images.n_features_in_ == 240
    assert to_images.feature_names_in_[0] == "eda_0"
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        to_images.transform(wide.rename(columns=lambda name: name.replace("eda", "bvp")))
    cells = pd.DataFrame({"eda": list(WINDOWS)})
    to_images = BiosignalImageTransformer().fit(cells)
    assert to_images.n_features_in_ == 1
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        to_images.transform(cells.rename(columns={"eda": "bvp"}))


def test_other_numbers_of_channels_than_in_fit():
    to_images = BiosignalImageTransformer(["waveform"], modality="ecg").fit(list(WINDOWS))
    with pytest.raises(ValueError, match=r"'ecg' have 2 channels, but .* was fitted with 1"):
        to_images.transform([np.zeros((2, 50)), np.zeros((2, 60))])


def test_cells_may_have_other_lengths_than_in_fit():
    to_images = BiosignalImageTransformer().fit(list(WINDOWS))
    assert to_images.transform([np.zeros(7), np.zeros(9)]).shape == (2, 1, 224, 224, 3)


def test_errors_name_the_modality_and_the_row():
    bad = WINDOWS.copy()
    bad[1, :3] = np.nan
    to_images = BiosignalImageTransformer(["waveform"], modality="resp").fit(WINDOWS)
    with pytest.raises(ValueError, match="Window 1 of modality 'resp' holds 3 NaN of 240 samples"):
        to_images.transform(bad)


def test_a_representation_that_this_process_does_not_know(monkeypatch):
    monkeypatch.setitem(REPRESENTATIONS, "mine", REPRESENTATIONS["waveform"])
    to_images = BiosignalImageTransformer(["mine"]).fit(WINDOWS)
    monkeypatch.delitem(REPRESENTATIONS, "mine")
    with pytest.raises(ValueError, match="'mine' is not known in this process; import the module"):
        to_images.transform(WINDOWS)


def test_a_representation_with_another_function_is_embedded_again(small_backbone, monkeypatch):
    """The name stays, the function is edited, as in a notebook."""
    windows = pd.Series(list(WINDOWS))
    pipeline = make_pipeline(BiosignalImageTransformer(["mine"]), TinyBioMoEEmbedder())
    found, identities = [], []
    for factor in (0.0, 0.5):

        def draw(signals, sampling_rate, modality, factor=factor):
            return torch.full((len(signals), 4, 4), factor, dtype=torch.float64)

        entry = replace(
            REPRESENTATIONS["recurrence"],
            to_map=draw,
            scale=lambda maps, size, limits: maps.mean() + torch.zeros(len(maps), size, size),
            levels=None,
        )
        monkeypatch.setitem(REPRESENTATIONS, "mine", entry)
        identities.append(identify_estimator(pipeline))
        found.append(pipeline.fit_transform(windows))
    assert identities[0] != identities[1]
    assert not np.array_equal(*found)
    before = pipeline[-1].cache_info()
    np.testing.assert_array_equal(pipeline.transform(windows), found[1])
    assert pipeline[-1].cache_info().misses == before.misses


def test_a_window_that_is_too_short_to_learn_powers_from():
    to_images = BiosignalImageTransformer(
        ["spectrogram_psd"], sampling_rate=4, modality="eda", power_range="training"
    )
    with pytest.raises(ValueError, match="Window 1 of modality 'eda' lasts 5 s, less than the"):
        to_images.fit([WINDOWS[0], WINDOWS[1, :20]])


def test_untrained_backbone_warns():
    with pytest.warns(UntrainedBackboneWarning, match="untrained.*weights='open'"):
        make_pipeline(BiosignalImageTransformer(), TinyBioMoEEmbedder("random")).fit(WINDOWS)


@pytest.mark.usefixtures("small_backbone")
class TestEmbedder:
    @pytest.fixture
    def images(self):
        to_images = BiosignalImageTransformer(
            ["waveform", "spectrogram_psd"], sampling_rate=4, modality="eda"
        )
        return to_images.fit_transform(WINDOWS)

    def test_fusion(self, images):
        side_by_side = TinyBioMoEEmbedder().fit_transform(images)
        mean = TinyBioMoEEmbedder(fuse="mean").fit_transform(images)
        assert side_by_side.shape == (3, 384)
        assert mean.dtype == side_by_side.dtype == np.float32
        np.testing.assert_allclose(
            mean, (side_by_side[:, :192] + side_by_side[:, 192:]) / 2, atol=1e-6
        )

    def test_names_of_plain_images(self, images):
        embedder = TinyBioMoEEmbedder().fit(np.asarray(images))
        names = embedder.get_feature_names_out()
        assert (names[0], names[-1]) == ("image0_000", "image1_191")

    def test_seeds(self, images):
        def embedded(random_state):
            return TinyBioMoEEmbedder("random", random_state=random_state).fit_transform(images)

        for seed in (lambda: 0, lambda: np.random.RandomState(3)):
            np.testing.assert_array_equal(embedded(seed()), embedded(seed()))
        assert not np.allclose(embedded(0), embedded(1))

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            (
                {"fuse": "sum"},
                r"Unknown fuse 'sum'; expected one of \['concatenate', 'mean', 'mean_tiles'\]",
            ),
            ({"batch_size": 0}, "batch_size=0; expected an integer of 1 or more, or 'auto'"),
            ({"batch_size": 2.5}, "expected an integer"),
            ({"batch_size": "large"}, "batch_size='large'; expected an integer"),
            ({"device": "gpu"}, "Unknown device 'gpu'"),
        ],
    )
    def test_invalid_parameters(self, images, parameters, message):
        with pytest.raises(ValueError, match=message):
            TinyBioMoEEmbedder(**parameters).fit(images)

    def test_other_numbers_of_images_than_in_fit(self, images):
        embedder = TinyBioMoEEmbedder().fit(images)
        with pytest.raises(ValueError, match=r"have 1 images, but .* with 2: \['eda_waveform'"):
            embedder.transform(np.asarray(images)[:, :1])

    def test_signals_are_an_error(self):
        with pytest.raises(ValueError, match=r"make_pipeline\(BiosignalImageTransformer\("):
            TinyBioMoEEmbedder().fit(WINDOWS)
        with pytest.raises(ValueError, match="got DataFrame of shape"):
            TinyBioMoEEmbedder().fit(pd.DataFrame(WINDOWS))


def test_weights_from_a_file(tmp_path, small_backbone):
    images = BiosignalImageTransformer().fit_transform(WINDOWS)
    path = tmp_path / "weights.safetensors"
    save_file(random_backbone(3).state_dict(), path)
    embedder = TinyBioMoEEmbedder(path)
    drawn = torch.from_numpy(np.asarray(images)).flatten(0, 1).permute(0, 3, 1, 2) / 255
    expected = random_backbone(3)(drawn).detach()
    np.testing.assert_allclose(embedder.fit_transform(images), expected, atol=1e-5)
    assert len(embedder.weights_sha256_) == 64
    save_file(random_backbone(4).state_dict(), path)
    free_engines()  # as in another process
    with pytest.raises(ValueError, match="fit again"):
        embedder.transform(images)
