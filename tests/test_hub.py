"""Weights of the Hugging Face Hub, served by a local server."""

import hashlib
import http.server
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants, errors
from safetensors.torch import save

from sklearn_biomoe import TinyBioMoEEmbedder
from sklearn_biomoe.cli.program import run
from sklearn_biomoe.inference import free_engines
from sklearn_biomoe.weights import export, hub, load_backbone, random_backbone, weights_sha256

ADDRESS = "hf://lab/tiny"
COMMITS = ["a" * 40, "b" * 40]
IMAGES = np.zeros((1, 224, 224, 3), np.uint8)
pytestmark = pytest.mark.usefixtures("small_backbone")  # files of a few hundred kB
first_use = pytest.mark.filterwarnings("ignore:.* is used for the first time")


def weights(seed):
    return save(random_backbone(seed).state_dict())


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers /owner/name/resolve/revision/file as the hub does."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        content = self.answer()
        if content:
            self.wfile.write(content)

    def answer(self):
        server = self.server
        server.n_requests += 1
        repository, _, rest = self.path[1:].partition("/resolve/")
        revision, _, name = rest.partition("/")
        commit = server.revisions.get(revision, revision)
        code = None
        if server.failure:
            code = server.failure
        elif repository != "lab/tiny":
            code = "RepoNotFound"
        elif commit not in server.files:
            code = "RevisionNotFound"
        elif name not in server.files[commit]:
            code = "EntryNotFound"
        if code:
            self.send_response({"GatedRepo": 403, "RepoNotFound": 401}.get(code, 404))
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return b""
        content = server.files[commit][name]
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{sha256(content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, *args):
        pass


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """Serve the repository lab/tiny, whose branch main is its first commit."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.n_requests, server.failure = 0, None
    server.revisions = {"main": COMMITS[0], "v1": COMMITS[0]}
    server.files = {
        commit: {"model.safetensors": weights(seed)} for seed, commit in enumerate(COMMITS)
    }
    # Which polls for its shutdown, by default every 0.5 s.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SKLEARN_BIOMOE_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def record(revision="main"):
    return hub.parse_address(f"{ADDRESS}@{revision}").record


def test_first_use_names_and_records_commit_and_hash(remote, tmp_path):
    expected = sha256(weights(0))
    with pytest.warns(UserWarning, match="is used for the first time") as caught:
        embedder = TinyBioMoEEmbedder(ADDRESS).fit(IMAGES)
    assert len(caught) == 1
    pinned = f"weights='{ADDRESS}@{COMMITS[0]}' and weights_sha256='{expected}'"
    assert pinned in str(caught[0].message)
    assert embedder.weights_sha256_ == expected
    assert record() == tmp_path / "cache" / "weights" / "hub" / "lab%2Ftiny@main.json"
    assert json.loads(record().read_text()) == {"commit": COMMITS[0], "sha256": expected}
    loaded = load_backbone(ADDRESS).state_dict()
    for key, value in random_backbone(0).state_dict().items():
        assert torch.equal(loaded[key], value)


@first_use
def test_a_branch_that_moves_is_not_followed(remote):
    assert weights_sha256(ADDRESS) == sha256(weights(0))
    remote.revisions["main"] = COMMITS[1]
    assert weights_sha256(ADDRESS) == sha256(weights(0))
    assert weights_sha256(f"{ADDRESS}@{COMMITS[1]}") == sha256(weights(1))
    record().unlink()
    assert weights_sha256(ADDRESS) == sha256(weights(1))


@pytest.fixture(params=["SKLEARN_BIOMOE_OFFLINE", "HF_HUB_OFFLINE"])
def go_offline(request, monkeypatch):
    """Return a function that sets one of the variables that disable downloads."""

    def disable():
        monkeypatch.setenv(request.param, "1")
        # huggingface_hub reads its variable when it is imported.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", request.param == "HF_HUB_OFFLINE")
        return request.param

    return disable


def test_offline_error_names_the_variable_and_the_cache(remote, go_offline):
    variable = go_offline()
    with pytest.raises(FileNotFoundError, match=f"{variable} disables downloads") as caught:
        weights_sha256(ADDRESS)
    assert str(caught.value).startswith(f"{ADDRESS}@main: revision main of model.safetensors is")
    assert constants.HF_HUB_CACHE in str(caught.value)
    assert remote.n_requests == 0


@first_use
def test_cached_weights_need_no_network(remote, go_offline):
    found = weights_sha256(ADDRESS)
    n_requests = remote.n_requests
    assert weights_sha256(ADDRESS) == found
    go_offline()
    assert weights_sha256(ADDRESS) == found
    record().unlink()  # as if another program had downloaded the file
    assert weights_sha256(ADDRESS) == found
    assert remote.n_requests == n_requests


@pytest.mark.parametrize(
    ("address", "failure", "message"),
    [
        ("hf://lab/other", None, "has no such repository, or it is private: check the name"),
        (f"{ADDRESS}@v2", None, "has no revision 'v2'; expected a branch, a tag or a commit"),
        (f"{ADDRESS}@v1", "GatedRepo", "only users whose request was accepted"),
        (f"{ADDRESS}@v1", "EntryNotFound", "has no file model.safetensors in revision 'v1'"),
    ],
)
def test_missing_files(remote, address, failure, message):
    remote.failure = failure
    with pytest.raises(FileNotFoundError, match=message) as caught:
        weights_sha256(address)
    assert str(caught.value).startswith(address)


def test_no_connection(remote, monkeypatch):
    def refuse(*args, **named):
        raise errors.LocalEntryNotFoundError("no file") from ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(
        OSError, match=r"tiny@main could not be downloaded: no route to host\. .*copy the folder"
    ):
        weights_sha256(ADDRESS)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"something else", "is not a readable safetensors file")],
)
def test_files_that_are_not_weights_are_not_recorded(remote, content, message):
    remote.files[COMMITS[0]]["model.safetensors"] = content
    with pytest.raises(ValueError, match=message):
        weights_sha256(ADDRESS)
    assert not record().exists()


def test_weights_of_another_network_are_not_recorded(remote):
    remote.files[COMMITS[0]]["model.safetensors"] = save({"weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="does not fit the Tiny-BioMoE backbone"):
        weights_sha256(ADDRESS)
    assert not record().exists()


def test_pinned_hash(remote):
    with pytest.raises(ValueError, match=f"have sha256 {sha256(weights(0))}, but"):
        TinyBioMoEEmbedder(ADDRESS, weights_sha256=sha256(weights(1))).fit(IMAGES)
    assert not record().exists()
    TinyBioMoEEmbedder(ADDRESS, weights_sha256=sha256(weights(0))).fit(IMAGES)  # without a warning


@first_use
def test_changes_after_the_first_use_are_errors(remote):
    weights_sha256(ADDRESS)
    path = hub.find_in_hub(ADDRESS, None)
    path.write_bytes(weights(1))
    with pytest.raises(ValueError, match=f"{sha256(weights(1))}, but had {sha256(weights(0))}"):
        load_backbone(ADDRESS)
    path.unlink()
    (path.parents[2] / "blobs" / sha256(weights(0))).unlink()
    assert weights_sha256(ADDRESS) == sha256(weights(0))


@first_use
def test_fitted_embedders_refuse_a_newer_revision(remote):
    embedder = pickle.loads(pickle.dumps(TinyBioMoEEmbedder(ADDRESS).fit(IMAGES)))
    record().unlink()  # as on another machine
    free_engines()
    remote.revisions["main"] = COMMITS[1]
    with pytest.raises(ValueError, match=f"but {sha256(weights(0))} was expected"):
        embedder.transform(IMAGES)


@first_use
def test_damaged_records(remote):
    weights_sha256(ADDRESS)
    for content in ("", "[]", "{}", '{"commit": "a"}'):
        record().write_text(content)
        with pytest.raises(ValueError, match="is not a record of a commit and a sha256"):
            weights_sha256(ADDRESS)


def test_first_use_in_a_read_only_cache(remote, monkeypatch):
    def refuse(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hub, "replace_file", refuse)
    with pytest.warns(UserWarning, match="later changes will not be detected"):
        assert load_backbone(ADDRESS)


@pytest.mark.parametrize(
    "weights", ["hf://", "hf://tiny", "hf://a/b/c", "hf://a/b@", "hf://../b", "hf://a/b@../c"]
)
def test_addresses_that_are_not_valid(weights):
    with pytest.raises(ValueError, match="expected hf://owner/name, or hf://owner/name@revision"):
        TinyBioMoEEmbedder(weights).fit(IMAGES)


def test_without_huggingface_hub(remote, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[hub\]'"):
        weights_sha256(ADDRESS)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[hub\]'"):
        export("open", tmp_path / "folder", "lab/tiny")


@first_use
def test_pull(remote, capsys):
    assert run(["weights", "pull", f"{ADDRESS}@v1"]) == 0
    printed = capsys.readouterr()
    assert printed.out.endswith(f"model.safetensors\nsha256 {sha256(weights(0))}\n")
    assert f"note: {ADDRESS}@v1 is used for the first time" in printed.err
    assert run(["weights", "pull", "hf://lab/other"]) == 1
    assert capsys.readouterr().err.startswith("error: hf://lab/other@main: ")


USE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
from small_backbone import SmallBackbone
from sklearn_biomoe.weights import random_weights, weights_sha256
random_weights.TinyBioMoE = SmallBackbone
warnings.simplefilter("ignore")
for address in sys.argv[2:]:
    try:
        print(weights_sha256(address))
    except OSError as error:
        print(error)
"""


@pytest.mark.slow
def test_environment_variables(remote, tmp_path):
    """A process of its own: huggingface_hub reads its variables when it is imported."""
    environment = os.environ | {"HF_ENDPOINT": remote.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", USE, str(Path(__file__).parent)]

    def use(*addresses, **variables):
        done = subprocess.run(
            [*command, *addresses],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    assert use(ADDRESS) == [sha256(weights(0))]
    assert (tmp_path / "home" / "hub" / "models--lab--tiny" / "snapshots").is_dir()
    n_requests = remote.n_requests
    cached, missing = use(ADDRESS, f"{ADDRESS}@v1", HF_HUB_OFFLINE="1")
    assert cached == sha256(weights(0))
    assert "HF_HUB_OFFLINE disables downloads" in missing
    assert remote.n_requests == n_requests


# Export


def test_exported_folders_are_read_from_the_hub(remote, tmp_path, capsys):
    source, folder = tmp_path / "own.pth", tmp_path / "folder"
    torch.save(random_backbone(7).state_dict(), source)
    options = ["--licence", "mit", "--description", "trained on respiration of 40 subjects."]
    assert run(["weights", "export", str(source), str(folder), "lab/tiny", *options]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        f"{folder}: README.md, model.safetensors",
        f"To upload it: hf upload lab/tiny {folder}",
    ]
    remote.files["c" * 40] = {path.name: path.read_bytes() for path in folder.iterdir()}
    digest = sha256((folder / "model.safetensors").read_bytes())
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert card.data.library_name == "sklearn_biomoe"
    assert (
        "Weights of the Tiny-BioMoE backbone: trained on respiration of 40 subjects.\n" in card.text
    )
    assert f"has the SHA-256 `{digest}`" in card.text
    (code,) = re.findall("```python\n(.*?)```", card.text, flags=re.DOTALL)
    remote.revisions["main"] = "c" * 40
    variables = {"windows": np.random.default_rng(0).uniform(2, 3, (3, 240))}
    exec(code, variables)  # without a warning: the hash is pinned
    assert variables["embeddings"].shape == (3, 192)
    assert variables["embedder"].weights == "hf://lab/tiny"


def test_named_weights_are_exported_with_their_hash(tmp_path):
    folder = export("open", tmp_path / "folder", "lab/tiny")
    assert weights_sha256(folder / "model.safetensors") == weights_sha256("open")
    card = (folder / "README.md").read_text()
    assert "license: bsd-3-clause" in card
    assert "simulated signals" in card
    assert "MIT-BIH Arrhythmia Database (ODC-BY 1.0)" in card
    assert "open_weights.html" in card
    export(folder / "model.safetensors", folder, "lab/tiny", licence="mit", description="the same")
    assert weights_sha256(folder / "model.safetensors") == weights_sha256("open")


def test_export_refuses(tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes(weights(0))
    folder = tmp_path / "folder"
    with pytest.raises(ValueError, match="have no known licence; pass licence="):
        export(own, folder, "lab/tiny")
    with pytest.raises(ValueError, match="have no known description; pass description="):
        export(own, folder, "lab/tiny", licence="mit")
    with pytest.raises(ValueError, match="repository='tiny'; expected owner/name"):
        export("open", folder, "tiny")
    with pytest.raises(ValueError, match="are untrained"):
        export("random", folder, "lab/tiny")
    own.write_bytes(b"0")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        export(own, folder, "lab/tiny", licence="mit", description="damaged")
    assert not folder.exists()
