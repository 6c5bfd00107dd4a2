"""Cache folders, and files that are written completely or not at all."""

import os
import stat
from pathlib import Path

import pytest

from sklearn_biomoe._files import cache_folder, is_offline, replace_file


@pytest.mark.parametrize(
    ("platform", "folder"),
    [("linux", "xdg"), ("darwin", "home/Library/Caches"), ("win32", "local")],
)
def test_cache_folder(monkeypatch, platform, folder):
    monkeypatch.delenv("SKLEARN_BIOMOE_CACHE", raising=False)
    for name, value in {"XDG_CACHE_HOME": "xdg", "LOCALAPPDATA": "local", "HOME": "home"}.items():
        monkeypatch.setenv(name, value)
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


def test_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"before")
    replace_file(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask  # a group may read it


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
