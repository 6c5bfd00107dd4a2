"""The weights "open", which are part of the package."""

import re
import socket
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score

from sklearn_biomoe import TinyBioMoEEmbedder, make_biosignal_embedder
from sklearn_biomoe.pretraining import simulate
from sklearn_biomoe.weights import load_backbone, weights_sha256
from sklearn_biomoe.weights.named_weights import NAMED, PACKAGED


def test_file_is_small_and_complete_and_matrices_are_in_half_precision():
    content = (PACKAGED / str(NAMED["open"].file)).read_bytes()
    assert len(content) <= 15e6
    assert weights_sha256("open") == NAMED["open"].sha256
    state = safetensors.torch.load(content)
    assert len(state) == 510
    numbers = [value for value in state.values() if value.is_floating_point()]
    for value in numbers:
        assert value.dtype == (torch.float32 if value.ndim == 1 else torch.float16)


def test_model_card_has_the_hash():
    card = (Path(__file__).parents[1] / "docs" / "open_weights.md").read_text(encoding="utf-8")
    assert re.findall("[0-9a-f]{64}", card) == [NAMED["open"].sha256]


def test_no_socket_is_opened(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    windows = np.random.default_rng(0).uniform(2, 3, size=(1, 240))
    assert make_biosignal_embedder("eda", 4).fit_transform(windows).shape == (1, 192)


def test_incomplete_installation(monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn_biomoe.weights.named_weights.PACKAGED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'open' are not in .*; reinstall it"):
        load_backbone("open")


@pytest.mark.filterwarnings("ignore:.* leave value_range", "ignore:weights='random'")
@pytest.mark.parametrize(
    ("modality", "sampling_rate", "representation", "parameter"),
    [("eda", 4.0, "waveform", "log_level"), ("bvp", 64.0, "scalogram", "heart_rate")],
)
def test_embeddings_predict_parameters_of_signals(
    modality, sampling_rate, representation, parameter
):
    generator = torch.Generator().manual_seed(99)
    simulated = simulate(
        modality, 32, sampling_rate=sampling_rate, duration=60.0, generator=generator
    )
    scores = {}
    for weights in ("random", "open"):
        embedder = make_biosignal_embedder(
            modality,
            sampling_rate,
            representations=[representation],
            embedder=TinyBioMoEEmbedder(weights),
        )
        embeddings = embedder.fit_transform(simulated.signals.numpy())
        model, target = RidgeCV(np.logspace(-1, 4, 11)), simulated.parameters[parameter]
        scores[weights] = cross_val_score(model, embeddings, target).mean()
    assert scores["open"] > 0.8
    assert scores["random"] < 0.5
