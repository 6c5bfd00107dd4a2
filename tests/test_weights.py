"""Weights files: read as data, checked whole, refused in one sentence."""

import hashlib
import pickle
import sys

import pytest
import torch
from safetensors.torch import save_file

from sklearn_biomoe.weights import load_backbone, random_backbone, weights_sha256


@pytest.fixture(scope="module")
def state():
    return random_backbone(1).state_dict()


def write(path, content):
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def assert_loads(path, state):
    loaded = load_backbone(path, seed=0).state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_state_dict(state, tmp_path, suffix):
    assert_loads(write(tmp_path / f"weights{suffix}", state), state)


def test_authors_checkpoint_form(state, tmp_path):
    content = {"model_state_dict": state, "epoch": 7, "optimizer_state_dict": {"lr": 0.1}}
    assert_loads(write(tmp_path / "Tiny-BioMoE.pth", content), state)


def test_random_weights_follow_their_seed():
    first, again, other = (random_backbone(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["fcn.1.weight"], other["fcn.1.weight"])
    assert weights_sha256("random", 0) == weights_sha256("random", 0) != weights_sha256("random", 1)


def test_loading_leaves_the_global_random_state(state, tmp_path):
    path = write(tmp_path / "weights.safetensors", state)
    before = torch.random.get_rng_state()
    random_backbone(0)
    load_backbone(path, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_hash_of_a_file_is_its_bytes(state, tmp_path):
    path = write(tmp_path / "weights.safetensors", state)
    assert weights_sha256(path, 0) == hashlib.sha256(path.read_bytes()).hexdigest()


class Malicious:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_executed(tmp_path, legacy):
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    content = {"fcn.1.weight": Malicious(trace)}
    if legacy:
        path.write_bytes(pickle.dumps(content, protocol=2))  # what torch once wrote
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"weights\.pth cannot be read as a state dict"):
        load_backbone(path, 0)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_truncated_files(state, tmp_path, suffix, kept):
    path = write(tmp_path / f"weights{suffix}", state)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=f"Weights file .*weights\\{suffix}"):
        load_backbone(path, 0)


def test_a_web_page_instead_of_weights(tmp_path):
    for suffix in (".safetensors", ".pth"):
        path = tmp_path / f"weights{suffix}"
        path.write_text("<!DOCTYPE html><html>Not found</html>")
        with pytest.raises(ValueError, match="Weights file"):
            load_backbone(path, 0)


def altered(state, **changes):
    return {key: value for key, value in {**state, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fcn.1.bias": None}, r"1 keys are missing: fcn\.1\.bias\."),
        ({"head.weight": torch.zeros(2)}, r"1 keys are unknown: head\.weight\."),
        ({"fcn.1.bias": torch.zeros(95)}, r"fcn\.1\.bias has shape \(95,\) instead of \(96,\)"),
        ({"ln_e.bias": torch.full((96,), torch.nan)}, r"hold NaN or infinity: ln_e\.bias"),
        (
            {"enc2.blocks3.3.mixer.m.attn.attention_bias_idxs": torch.zeros(16, 16).long()},
            "1 index tables differ",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit(state, tmp_path, changes, message):
    path = write(tmp_path / "weights.safetensors", altered(state, **changes))
    with pytest.raises(ValueError, match=message):
        load_backbone(path, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "holds a list; expected a state dict"),
        ({"fcn.1.bias": 3.0}, r"entries that are no tensors, \['fcn.1.bias'\] among them"),
        ({"model_state_dict": [1]}, "holds a list; expected a state dict"),
    ],
)
def test_files_that_hold_something_else(tmp_path, content, message):
    path = write(tmp_path / "weights.pth", content)
    with pytest.raises(ValueError, match=message):
        load_backbone(path, 0)


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No weights file at .*nowhere\.pth"):
        load_backbone(tmp_path / "nowhere.pth", 0)
    with pytest.raises(FileNotFoundError, match="the names 'random', 'paper', or the path"):
        load_backbone("rnadom", 0)
    (tmp_path / "weights.ckpt").write_text("")
    with pytest.raises(ValueError, match=r"suffix '\.ckpt'; expected \.safetensors, \.pth or \.pt"):
        load_backbone(tmp_path / "weights.ckpt", 0)


def test_safetensors_missing(state, tmp_path, monkeypatch):
    path = write(tmp_path / "weights.safetensors", state)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[safetensors\]'"):
        load_backbone(path, 0)
