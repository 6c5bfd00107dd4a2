"""Progress bars."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def progress_bar(
    total: int, description: str, unit: str, progress: bool
) -> AbstractContextManager[Any]:
    """Return a progress bar of tqdm as a context manager; it is None unless ``progress``.

    Raises
    ------
    ImportError
        If tqdm is missing.
    """
    if not progress:
        return nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm: pip install 'sklearn-biomoe[progress]'."
        ) from error
    return tqdm(total=total, desc=description, unit=unit)
