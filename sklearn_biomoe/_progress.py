"""Progress bars."""

import multiprocessing
import sys
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

DELAY = 1.0  # seconds before an automatic bar of a short task appears


def progress_bar(
    total: int, description: str, unit: str, progress: bool | str, *, short: bool = False
) -> AbstractContextManager[Any]:
    """Return a progress bar of tqdm as a context manager; it is None if none is shown.

    Parameters
    ----------
    total : int
    description : str
    unit : str
        What is counted.
    progress : "auto" or bool
        See `shows_progress`.
    short : bool, default=False
        Whether the task often ends at once: with "auto", its bar appears after a second.
    """
    if total == 0 or not shows_progress(progress):
        return nullcontext()
    from tqdm.auto import tqdm

    delay = DELAY if short and progress == "auto" else 0.0
    # leave=None: a bar within that of a longer task disappears at its end.
    return tqdm(total=total, desc=description, unit=unit, delay=delay, leave=None)


def shows_progress(progress: bool | str) -> bool:
    """Return whether progress bars are shown.

    "auto" shows them if tqdm is installed and the standard error stream is a terminal, or in a
    notebook; not in worker processes, whose bars would overwrite each other.

    Raises
    ------
    ValueError
        If ``progress`` is neither "auto" nor a bool.
    ImportError
        If ``progress`` is True and tqdm is missing.

    Examples
    --------
    >>> shows_progress(False)
    False
    """
    if progress == "auto":
        return _is_watched() and _has_tqdm()
    if not isinstance(progress, bool):
        raise ValueError(f"progress={progress!r}; expected 'auto', True or False.")
    if progress and not _has_tqdm():
        raise ImportError(
            "progress=True needs tqdm: pip install 'sklearn-biomoe[progress]'; or pass "
            "progress='auto'."
        )
    return progress


def _is_watched() -> bool:
    if multiprocessing.parent_process() is not None:
        return False
    # tqdm recognises notebooks by the same module.
    is_notebook = "ipykernel.zmqshell" in sys.modules
    return is_notebook or (sys.stderr is not None and sys.stderr.isatty())


def _has_tqdm() -> bool:
    return "tqdm" in sys.modules or find_spec("tqdm") is not None
