"""Folders for kept files, and files that are there whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from sklearn_biomoe._files import cache_folder, is_offline, replace_file


def test_cache_folder(monkeypatch):
    monkeypatch.delenv("SKLEARN_BIOMOE_CACHE", raising=False)
    variables = {"XDG_CACHE_HOME": "xdg", "LOCALAPPDATA": "local", "HOME": "home"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for platform, folder in [
        ("linux", "xdg"),
        ("darwin", "home/Library/Caches"),
        ("win32", "local"),
    ]:
        monkeypatch.setattr("sys.platform", platform)
        assert cache_folder("onnx") == Path(folder, "sklearn_biomoe", "onnx")
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", "chosen")
    assert cache_folder("onnx") == Path("chosen", "onnx")


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_offline(monkeypatch, value, expected):
    monkeypatch.setenv("SKLEARN_BIOMOE_OFFLINE", value)
    assert is_offline() is expected


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"before")
    replace_file(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask  # others of a group may read it


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    replace_file(path, b"before")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
