"""Weights files are read as data only, checked completely, and refused in one sentence."""

import hashlib
import pickle
import re
import zipfile

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
    """An object whose unpickling writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_not_executed(tmp_path, legacy):
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    content = {"fcn.1.weight": Malicious(trace)}
    if legacy:
        path.write_bytes(pickle.dumps(content, protocol=2))  # as by old versions of torch
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "contains a list; expected a state dict"),
        ({"fcn.1.bias": 3.0}, r"1 entries that are not tensors, such as \['fcn.1.bias'\]"),
        ({"model_state_dict": [1]}, "contains a list; expected a state dict"),
    ],
)
def test_files_without_a_state_dict(tmp_path, content, message):
    path = write(tmp_path / "weights.pth", content)
    with pytest.raises(ValueError, match=message):
        load_backbone(path, 0)


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No weights file at .*nowhere\.pth"):
        load_backbone(tmp_path / "nowhere.pth", 0)
    with pytest.raises(FileNotFoundError, match="one of the names 'open', 'random', 'paper'"):
        load_backbone("rnadom", 0)
    (tmp_path / "weights.h5").write_text("")
    with pytest.raises(ValueError, match=r"suffix '\.h5'; expected one of \.safetensors, \.pth"):
        load_backbone(tmp_path / "weights.h5", 0)


# Checkpoints of other programs


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "backbone.", "model.", "network.module."],
)
def test_prefixes(state, tmp_path, prefix):
    content = {"model_state_dict": {prefix + key: value for key, value in state.items()}}
    assert_loads(write(tmp_path / "weights.pth", content), state)


def test_old_names(state, tmp_path):
    renamed = {re.sub("^enc", "module.m", key): value for key, value in state.items()}
    assert_loads(write(tmp_path / "weights.pth", renamed), state)


def lightning(state):
    """Return the content of a checkpoint as Lightning writes it."""
    return {
        "epoch": 3,
        "global_step": 120,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"backbone.{key}": value for key, value in state.items()},
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
        "lr_schedulers": [],
    }


def test_lightning_checkpoint(state, tmp_path):
    assert_loads(write(tmp_path / "epoch=3.ckpt", lightning(state)), state)


def test_lightning_checkpoint_of_another_network(state, tmp_path):
    content = lightning(state)
    content["state_dict"]["head.weight"] = torch.zeros(2, 192)
    del content["state_dict"]["backbone.fcn.1.bias"]
    with pytest.raises(
        ValueError, match=r"missing keys \(1\): fcn.1.bias; unknown .*: head.weight"
    ):
        load_backbone(write(tmp_path / "epoch=3.ckpt", content), 0)


def test_the_same_key_twice(state, tmp_path):
    content = {**state, "module.fcn.1.bias": torch.zeros(96)}
    with pytest.raises(ValueError, match="contains entries whose names are equal without prefixes"):
        load_backbone(write(tmp_path / "weights.pth", content), 0)


def test_a_whole_checkpoint_of_training(state, tmp_path):
    """The authors' 89 MB are three times the weights, probably with an optimiser's moments."""
    parameters = [
        torch.nn.Parameter(value) for value in state.values() if value.is_floating_point()
    ]
    optimizer = torch.optim.Adam(parameters)
    sum((parameter**2).sum() for parameter in parameters).backward()
    optimizer.step()
    content = {
        "model_state_dict": state,
        "optimizer_state_dict": optimizer.state_dict(),
        "epoch": 12,
        "loss": 0.25,
        "args": {"lr": 1e-3, "name": "run"},
    }
    path = write(tmp_path / "Tiny-BioMoE.pth", content)
    assert path.stat().st_size > 85_000_000
    assert_loads(path, state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(state, tmp_path, dtype):
    content = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    expected = {k: v.float() if v.is_floating_point() else v for k, v in content.items()}
    assert_loads(write(tmp_path / "weights.safetensors", content), expected)


# Invalid files


def assert_refused(path, message, **expected):
    with pytest.raises(ValueError, match=message) as caught:
        load_backbone(path, 0, **expected)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_one_flipped_bit_is_found_by_the_hash(state, tmp_path, suffix):
    path = write(tmp_path / f"weights{suffix}", state)
    known = weights_sha256(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert_refused(path, f"but {known} was expected", expected=known)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  <html><body>Sign in</body></html>", "is a web page"),
        (b"<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 89000000\n",
            "is a Git LFS pointer; run 'git lfs pull'",
        ),
        (b"\x00" * 100, "cannot be read|not a readable"),
        (b"PK\x03\x04" + b"\x00" * 100, "damaged archive|not a readable"),
    ],
    ids=["empty", "web page", "error page", "LFS pointer", "zeros", "broken zip"],
)
def test_files_that_are_not_weights(tmp_path, suffix, content, message):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    assert_refused(path, message)


def rezipped(path, change):
    """Write an archive again with ``change`` applied to its entries."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            change(archive, info, content)
    return path


def test_a_zip_bomb(state, tmp_path):
    def deflate(archive, info, content):
        archive.writestr(info.filename, bytes(10**7), compress_type=zipfile.ZIP_DEFLATED)

    few = {"fcn.1.bias": state["fcn.1.bias"]}
    path = rezipped(write(tmp_path / "weights.pth", few), deflate)
    assert path.stat().st_size < 100_000
    assert_refused(path, "contains compressed entries, which torch does not write")


@pytest.mark.parametrize("name", ["../../outside", "/outside", "weights/../../outside"])
def test_entries_with_paths_outside_the_archive(state, tmp_path, name):
    path = write(tmp_path / "weights.pth", {"fcn.1.bias": state["fcn.1.bias"]})
    rezipped(path, lambda archive, info, content: archive.writestr(info, content))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "text")
    assert_refused(path, "a path outside the archive")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_pickled_module(tmp_path, legacy):
    path = tmp_path / "weights.pth"
    torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=not legacy)
    assert_refused(path, "contains objects other than tensors and plain values")


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1, 10**6])
def test_a_safetensors_header_of_absurd_length(tmp_path, length):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    assert_refused(path, "is not a readable safetensors file")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "weights.safetensors"
    with path.open("wb") as file:
        file.truncate(2**31)  # a sparse file, which takes no space
    assert_refused(path, "has 2,147,483,648 bytes; expected about 30,000,000")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fcn.1.bias", None, r"missing keys \(1\): fcn\.1\.bias\."),
        ("head.weight", torch.zeros(2), r"unknown keys \(1\): head\.weight\."),
        ("fcn.1.bias", torch.zeros(95), r"fcn\.1\.bias has \(95,\) instead of \(96,\)"),
        # A view of one number takes four bytes in the file and terabytes in memory.
        ("fcn.1.bias", torch.zeros(1).expand(2**20, 2**20), r"has \(1048576, 1048576\) instead of"),
        ("fcn.1.bias", torch.zeros(96, dtype=torch.complex64), "fcn.1.bias holds complex64"),
        ("fcn.1.bias", torch.zeros(96, dtype=torch.int32), "fcn.1.bias holds integers"),
        ("fcn.1.bias", torch.zeros(96).to_sparse(), "a cpu torch.sparse_coo tensor"),
        ("fcn.1.bias", torch.zeros(96, device="meta"), "a meta torch.strided tensor"),
        ("ln_e.bias", torch.full((96,), torch.nan), r"NaN or infinity \(1\): ln_e\.bias"),
        ("ln_e.bias", torch.full((96,), 1e300, dtype=torch.float64), "NaN or infinity"),
        ("enc2.patch_embed.0.bn.running_var", torch.full((24,), -1.0), "negative variances"),
        (
            "enc2.blocks3.3.mixer.m.attn.attention_bias_idxs",
            torch.zeros(16, 16).long(),
            "wrong index tables",
        ),
    ],
)
def test_entries_that_do_not_fit(state, tmp_path, key, value, message):
    content = state | {key: value}
    if value is None:
        del content[key]
    assert_refused(write(tmp_path / "weights.pth", content), message)


def test_messages_list_three_entries(state, tmp_path):
    half = dict(list(state.items())[::2])
    message = r"missing keys \(255\): enc1\.[^,]*, [^,]*, [^,]*, …\.$"
    assert_refused(write(tmp_path / "weights.safetensors", half), message)
