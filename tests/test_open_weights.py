"""The weights that the package brings."""

import re
import socket
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score

from sklearn_biomoe import make_biosignal_embedder
from sklearn_biomoe.pretraining import simulate
from sklearn_biomoe.transformers import TinyBioMoEEmbedder
from sklearn_biomoe.weights import load_backbone, weights_sha256
from sklearn_biomoe.weights.named_weights import NAMED, PACKAGED

FILE = PACKAGED / str(NAMED["open"].file)


def test_the_file_is_small_whole_and_half_precision():
    content = FILE.read_bytes()
    assert len(content) <= 15e6
    assert weights_sha256("open") == NAMED["open"].sha256
    state = safetensors.torch.load(content)
    assert len(state) == 510
    kinds = {value.dtype for value in state.values()}
    assert kinds == {torch.float16, torch.int64}


def test_the_model_card_names_this_file():
    card = (Path(__file__).parents[1] / "docs" / "open_weights.md").read_text(encoding="utf-8")
    assert re.findall("[0-9a-f]{64}", card) == [NAMED["open"].sha256]


def test_no_socket_is_opened(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert load_backbone("open").training is False
    windows = np.random.default_rng(0).uniform(2, 3, size=(1, 240))
    assert make_biosignal_embedder("eda", 4).fit_transform(windows).shape == (1, 192)


def test_a_package_without_its_file(monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn_biomoe.weights.named_weights.PACKAGED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'open' are not in .*Install it again"):
        load_backbone("open")


@pytest.mark.filterwarnings("ignore:.* leave value_range", "ignore:weights='random'")
@pytest.mark.parametrize(
    ("modality", "representation", "parameter"),
    [("eda", "waveform", "log_level"), ("bvp", "spectrogram_psd", "heart_rate")],
)
def test_embeddings_tell_more_than_untrained_ones(modality, representation, parameter):
    rate = {"eda": 4.0, "bvp": 64.0}[modality]
    made = simulate(
        modality, 80, sampling_rate=rate, duration=60.0,
        generator=torch.Generator().manual_seed(99),
    )  # fmt: skip
    told = []
    for weights in ("random", "open"):
        embed = make_biosignal_embedder(
            modality, rate, representations=[representation], embedder=TinyBioMoEEmbedder(weights)
        )
        embeddings = embed.fit_transform(made.signals.numpy())
        model = RidgeCV(np.logspace(-1, 4, 11))
        told.append(cross_val_score(model, embeddings, made.parameters[parameter]).mean())
    untrained, trained = told
    assert trained > max(untrained, 0.5)
