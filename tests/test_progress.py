"""Progress bars: shown in terminals and notebooks, without tqdm an error only if requested."""

import multiprocessing
import sys
from io import StringIO

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.dummy import DummyClassifier

from sklearn_biomoe import _progress, run_study
from sklearn_biomoe._progress import progress_bar, shows_progress


class Terminal(StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch):
    """Return a terminal that is the standard error stream from now on."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_auto_is_on_in_terminals_and_notebooks(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel.zmqshell", raising=False)
    for stream, is_shown in [(StringIO(), False), (None, False), (Terminal(), True)]:
        monkeypatch.setattr(sys, "stderr", stream)
        assert shows_progress("auto") is is_shown
        assert shows_progress(True) is True
        assert shows_progress(False) is False
    monkeypatch.setattr(sys, "stderr", StringIO())
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)
    assert shows_progress("auto")


def test_without_tqdm(monkeypatch):
    open_terminal(monkeypatch)
    monkeypatch.setattr(_progress, "_has_tqdm", lambda: False)
    with progress_bar(3, "study", "fold", "auto") as bar:
        assert bar is None
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[progress\]'; or pass"):
        progress_bar(3, "study", "fold", True)


@pytest.mark.parametrize("wrong", ["yes", 1, None, np.bool_(True)])
def test_wrong_values(wrong):
    with pytest.raises(ValueError, match="expected 'auto', True or False"):
        shows_progress(wrong)


def test_workers_have_no_bars(monkeypatch):
    monkeypatch.setattr(_progress.multiprocessing, "parent_process", lambda: "parent")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not shows_progress("auto")


def test_workers_of_joblib_have_a_parent():
    question = "__import__('multiprocessing').parent_process() is None"
    assert Parallel(n_jobs=2)(delayed(eval)(question) for _ in range(2)) == [False, False]
    assert multiprocessing.parent_process() is None


def test_bars_of_short_tasks_are_not_shown(monkeypatch):
    terminal = open_terminal(monkeypatch)
    for n_images, short in [(0, False), (3, True)]:
        with progress_bar(n_images, "embedding", "image", "auto", short=short) as bar:
            if bar is not None:
                bar.update(n_images)
    assert terminal.getvalue() == ""
    with progress_bar(3, "embedding", "image", True, short=True) as bar:
        bar.update(3)
    assert "embedding: 100%" in terminal.getvalue()


def test_inner_bars_disappear(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with progress_bar(2, "study", "fold", "auto") as outer:
        with progress_bar(3, "embedding", "image", True) as inner:
            inner.update(3)
            assert inner.pos != 0
        outer.update(2)
    lines = terminal.getvalue().replace("\x1b[A", "").replace("\n", "").split("\r")
    assert "embedding: 100%" not in lines[-1]
    assert "study: 100%" in terminal.getvalue()


def test_studies_show_progress(monkeypatch):
    terminal = open_terminal(monkeypatch)
    y, groups = np.tile([0, 1], 6), np.repeat([1, 2, 3], 4)
    arguments = {"dummy": DummyClassifier()}, np.arange(12.0)[:, None], y, groups
    run_study(*arguments, check=False)
    assert "study: 100%" in terminal.getvalue()
    terminal.truncate(0)
    run_study(*arguments, check=False, progress=False)
    assert "study" not in terminal.getvalue()
    with pytest.raises(ValueError, match="progress='on'"):
        run_study(*arguments, check=False, progress="on")
