"""Named weights: where they are found, downloads that fail, and trust at first use."""

import dataclasses
import hashlib
import http.server
import io
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from sklearn_biomoe import TinyBioMoEEmbedder
from sklearn_biomoe.cli.program import run
from sklearn_biomoe.weights import (
    convert,
    downloads,
    load_backbone,
    named_weights,
    random_backbone,
    weights_sha256,
)

FILE = "Tiny-BioMoE.pth"
pytestmark = [
    pytest.mark.usefixtures("small_backbone"),  # files of a few hundred kB
    pytest.mark.filterwarnings("ignore:.* is used for the first time"),
]


def checkpoint(seed):
    """Return a file as the authors describe theirs, with an optimiser's state."""
    state = random_backbone(seed).state_dict()
    moments = {key: torch.zeros_like(value) for key, value in state.items()}
    content = io.BytesIO()
    torch.save({"model_state_dict": state, "epoch": 7, "exp_avg": moments}, content)
    return content.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return empty folders: the one that users set, and the cache. Downloads are disabled."""
    named, cache = tmp_path / "named", tmp_path / "cache"
    named.mkdir()
    monkeypatch.setenv("SKLEARN_BIOMOE_WEIGHTS", str(named))
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(cache))
    monkeypatch.setenv("SKLEARN_BIOMOE_OFFLINE", "1")
    return {"named": named, "cache": cache / "weights"}


def cached(folders):
    """Return the names of files in the cache, except for the lock."""
    return sorted(path.name for path in folders["cache"].iterdir() if path.suffix != ".lock")


@pytest.fixture
def remote(folders, monkeypatch):
    """Serve the file: a request gets the next of ``answers``, of which the last is repeated."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.n_requests += 1
            answers = server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            answer(self)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.n_requests, server.answers = 0, []
    # Which polls for its shutdown, by default every 0.5 s.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{FILE}"
    entry = dataclasses.replace(named_weights.NAMED["paper"], url=url)
    monkeypatch.setitem(named_weights.NAMED, "paper", entry)
    monkeypatch.delenv("SKLEARN_BIOMOE_OFFLINE")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    yield server
    server.shutdown()
    server.server_close()


def send(content, length=None):
    """Send some content, of which ``length`` bytes are announced."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(length or len(content)))
        handler.end_headers()
        handler.wfile.write(content)
        handler.wfile.flush()

    return answer


def fail(status):
    return lambda handler: handler.send_error(status)


def send_half(content):
    return send(content[: len(content) // 2], len(content))


def stall(handler):
    send(b"PK", 1000)(handler)
    time.sleep(3)


# Where files are found


def test_order_of_folders(folders):
    for number, folder in enumerate([folders["cache"], folders["named"]]):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(checkpoint(number))
        assert weights_sha256("paper") == sha256(checkpoint(number))
    own = folders["named"].parent / "own.pth"
    own.write_bytes(checkpoint(5))
    assert weights_sha256(own) == sha256(checkpoint(5))


@pytest.mark.usefixtures("folders")
def test_offline_error_names_folders_and_url():
    images = np.zeros((1, 224, 224, 3), np.uint8)
    with pytest.raises(FileNotFoundError, match="OFFLINE disables downloads") as caught:
        TinyBioMoEEmbedder("paper").fit(images)
    for part in (f"named/{FILE}", f"cache/weights/{FILE}", "yourself, save https://github.com"):
        assert part in str(caught.value)


def test_cached_files_need_no_socket(folders, monkeypatch):
    def refuse(*args, **named):
        raise AssertionError("a socket was opened")

    folders["cache"].mkdir(parents=True)
    (folders["cache"] / FILE).write_bytes(checkpoint(0))
    monkeypatch.delenv("SKLEARN_BIOMOE_OFFLINE")
    monkeypatch.setattr(socket, "socket", refuse)
    assert load_backbone("paper")


# Downloads


def test_download(folders, remote):
    content = checkpoint(1)
    remote.answers = [send(content)]
    with pytest.warns(UserWarning, match=f"Its sha256 is {sha256(content)}") as caught:
        found = weights_sha256("paper")
    assert len(caught) == 1
    assert found == sha256(content)
    assert (folders["cache"] / FILE).read_bytes() == content
    assert cached(folders) == [FILE, f"{FILE}.sha256"]
    subprocess.run(["sha256sum", "--check", f"{FILE}.sha256"], cwd=folders["cache"], check=True)
    loaded, expected = load_backbone("paper"), random_backbone(1)
    for key, value in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert remote.n_requests == 1


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # of pooch
@pytest.mark.parametrize(
    ("answer", "message", "n_requests"),
    [
        (send(b"<!DOCTYPE html><html>Sign in</html>"), "is a web page", 1),
        (send(b""), "is empty", 1),
        (send(b"something else"), "cannot be read as a state dict", 1),
        (fail(404), "404", 3),
        (fail(503), "503", 3),
        (send_half(b"0" * 10_000), "IncompleteRead|broken", 3),
        (stall, "timed out", 3),
    ],
    ids=["web page", "nothing", "other bytes", "404", "503", "half", "stalled"],
)
def test_failed_downloads_leave_nothing(folders, remote, monkeypatch, answer, message, n_requests):
    monkeypatch.setattr(downloads, "TIMEOUT", (1, 0.3))
    remote.answers = [answer]
    with pytest.raises(OSError, match=message) as caught:
        weights_sha256("paper")
    assert remote.n_requests == n_requests
    assert cached(folders) == []
    for part in ("Weights 'paper' are not in", "To download them yourself", "BIOMOE_WEIGHTS"):
        assert part in str(caught.value)
    remote.answers = [send(checkpoint(0))]
    assert weights_sha256("paper") == sha256(checkpoint(0))


def test_failed_downloads_are_retried(remote):
    remote.answers = [fail(503), send_half(checkpoint(0)), send(checkpoint(0))]
    assert weights_sha256("paper") == sha256(checkpoint(0))
    assert remote.n_requests == 3


def test_pinned_hash(folders, remote):
    remote.answers = [send(checkpoint(2))]
    images = np.zeros((1, 224, 224, 3), np.uint8)
    with pytest.raises(OSError, match="does not match the known hash"):
        TinyBioMoEEmbedder("paper", weights_sha256=sha256(checkpoint(1))).fit(images)
    assert cached(folders) == []
    TinyBioMoEEmbedder("paper", weights_sha256=sha256(checkpoint(2))).fit(images)
    with pytest.raises(ValueError, match="and were not loaded"):
        TinyBioMoEEmbedder("paper", weights_sha256=sha256(checkpoint(1))).fit(images)
    with pytest.raises(ValueError, match="expected the 64 lower-case hexadecimal digits"):
        TinyBioMoEEmbedder(weights_sha256="1234").fit(images)


def test_download_to_a_full_disk(folders, remote, monkeypatch):
    remote.answers = [send(checkpoint(0))]

    def refuse(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match=r"No space left on device.* To download them yourself"):
        weights_sha256("paper")
    assert cached(folders) == []


def test_cache_folder_that_cannot_be_created(folders, remote):
    folders["cache"].parent.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"the download failed: .*To download them yourself"):
        weights_sha256("paper")
    assert remote.n_requests == 0


def test_without_pooch(folders, remote, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[data\]'"):
        weights_sha256("paper")


def download(connection):
    connection.send(weights_sha256("paper"))


def start_processes(n):
    """Start processes that download the file at the same time, and send its hash."""
    context = multiprocessing.get_context("fork")
    started = []
    for _ in range(n):
        found, sent = context.Pipe(duplex=False)
        process = context.Process(target=download, args=(sent,))
        process.start()
        started.append((process, found))
    return started


NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
IGNORE_FORK = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@NEEDS_FORK
@IGNORE_FORK
def test_two_processes_at_once(folders, remote):
    content = checkpoint(3)

    def slowly(handler):
        time.sleep(0.5)
        send(content)(handler)

    remote.answers = [slowly]
    for process, found in start_processes(2):
        process.join(60)
        assert process.exitcode == 0
        assert found.recv() == sha256(content)
    assert remote.n_requests == 1
    assert cached(folders) == [FILE, f"{FILE}.sha256"]


@NEEDS_FORK
@IGNORE_FORK
def test_a_kill_in_the_middle(folders, remote):
    half_sent = threading.Event()

    def send_slowly(handler):
        send_half(checkpoint(4))(handler)
        half_sent.set()
        time.sleep(5)

    remote.answers = [send_slowly]
    ((process, _),) = start_processes(1)
    assert half_sent.wait(30)
    time.sleep(0.2)
    process.kill()
    process.join(30)
    assert not (folders["cache"] / FILE).exists()
    assert cached(folders) != []  # the incomplete file
    remote.answers = [send(checkpoint(4))]
    assert weights_sha256("paper") == sha256(checkpoint(4))
    assert cached(folders) == [FILE, f"{FILE}.sha256"]


def test_downloads_work_without_locks(folders, remote, monkeypatch):
    def refuse(*args, **named):
        raise OSError("no locks available")

    monkeypatch.setattr(downloads.FileLock, "acquire", refuse)
    folders["cache"].mkdir(parents=True)
    others = folders["cache"] / f".{FILE}.part-of-another"
    others.mkdir()
    remote.answers = [send(checkpoint(0))]
    assert weights_sha256("paper") == sha256(checkpoint(0))
    assert others.is_dir()  # perhaps another process uses it


# Trust at first use


def test_a_later_change_is_an_error(folders):
    path = folders["named"] / FILE
    path.write_bytes(checkpoint(0))
    with pytest.warns(UserWarning, match="any other content will be an error"):
        load_backbone("paper")
    load_backbone("paper")
    path.write_bytes(checkpoint(1))
    with pytest.raises(ValueError, match="If the change is intended, delete that record") as caught:
        load_backbone("paper")
    assert sha256(checkpoint(0)) in str(caught.value)
    path.with_name(f"{FILE}.sha256").unlink()
    with pytest.warns(UserWarning, match=sha256(checkpoint(1))):
        load_backbone("paper")


def test_a_published_hash_needs_no_trust(folders, monkeypatch):
    entry = dataclasses.replace(named_weights.NAMED["paper"], sha256=sha256(checkpoint(0)))
    monkeypatch.setitem(named_weights.NAMED, "paper", entry)
    path = folders["named"] / FILE
    path.write_bytes(checkpoint(0))
    load_backbone("paper")
    assert list(folders["named"].iterdir()) == [path]
    path.write_bytes(checkpoint(1))
    with pytest.raises(ValueError, match=f"but {sha256(checkpoint(0))} was expected"):
        load_backbone("paper")


def test_first_use_in_a_read_only_folder(folders, monkeypatch):
    (folders["named"] / FILE).write_bytes(checkpoint(0))

    def refuse(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(named_weights, "replace_file", refuse)
    with pytest.warns(UserWarning, match="later changes will not be detected"):
        assert load_backbone("paper")


# The command line


def test_list(capsys):
    assert run(["weights", "list"]) == 0
    printed = capsys.readouterr().out
    for part in ("random: untrained", "paper: the authors'", "licence: MIT", "size: 89 MB"):
        assert part in printed
    assert "not published; trusted at first use" in printed


def test_pull(folders, remote, capsys):
    remote.answers = [send(checkpoint(0))]
    assert run(["weights", "pull", "paper"]) == 0
    printed = capsys.readouterr()
    path, digest = folders["cache"] / FILE, sha256(checkpoint(0))
    assert printed.out.splitlines() == [str(path), f"sha256 {digest}"]
    assert f"note: {path} is used for the first time" in printed.err
    remote.answers = [fail(404)]
    assert run(["weights", "pull", "paper"]) == 0


@pytest.mark.usefixtures("folders")
def test_pull_fails_in_one_sentence(capsys):
    assert run(["weights", "pull", "paper"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: Weights 'paper' are not in ")
    assert run(["weights", "pull", "open"]) == 2
    assert "'open' cannot be downloaded; expected paper" in capsys.readouterr().err


def test_verify(tmp_path, capsys):
    path, digest = tmp_path / "own.pth", sha256(checkpoint(0))
    path.write_bytes(checkpoint(0))
    assert run(["weights", "verify", str(path)]) == 0
    n_parameters = sum(each.numel() for each in random_backbone(0).parameters())
    printed = capsys.readouterr().out
    assert printed == f"{path}: {n_parameters:,} finite parameters\nsha256 {digest}\n"
    assert run(["weights", "verify", str(path), "--sha256", digest]) == 0
    assert run(["weights", "verify", str(path), "--sha256", sha256(b"")]) == 1
    path.write_bytes(checkpoint(0)[:-100])
    assert run(["weights", "verify", str(path)]) == 1
    assert capsys.readouterr().err.count("error: ") == 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_convert(tmp_path, capsys, dtype):
    source, target = tmp_path / "own.pth", tmp_path / "small.safetensors"
    source.write_bytes(checkpoint(0))
    assert run(["weights", "convert", str(source), str(target), "--dtype", dtype]) == 0
    assert sha256(target.read_bytes()) in capsys.readouterr().out
    share = target.stat().st_size / source.stat().st_size
    assert share < (0.52 if dtype == "float32" else 0.27)
    loaded = load_backbone(target).state_dict()
    for key, value in random_backbone(0).state_dict().items():
        rounded = dtype == "float16" and value.ndim > 1  # biases and variances are not
        assert torch.equal(loaded[key], value.half().float() if rounded else value)


def test_convert_refuses(tmp_path, capsys):
    source, target = tmp_path / "own.safetensors", tmp_path / "small.safetensors"
    state = random_backbone(0).state_dict()
    state["linear.weight"][3] = 1e5  # above the maximum of float16
    source.write_bytes(save(state))
    assert run(["weights", "convert", str(source), str(target), "--dtype", "float16"]) == 1
    assert "NaN or infinity (1): linear.weight" in capsys.readouterr().err
    assert run(["weights", "convert", str(source), str(tmp_path / "small.pth")]) == 1
    assert run(["weights", "convert", str(tmp_path / "none.pth"), str(target)]) == 1
    with pytest.raises(ValueError, match="Unknown dtype 'int8'"):
        convert(source, target, "int8")
    assert list(tmp_path.iterdir()) == [source]
