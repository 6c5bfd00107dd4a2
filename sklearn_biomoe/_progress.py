"""A progress bar, where one is asked for."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def progress_bar(
    total: int, description: str, unit: str, progress: bool
) -> AbstractContextManager[Any]:
    """Return tqdm's bar, which tells rate and remaining time; or one that is None.

    Parameters
    ----------
    total : int
    description, unit : str
    progress : bool
        Whether to show one.

    Returns
    -------
    bar : context manager

    Raises
    ------
    ImportError
        Where tqdm is missing.
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
