"""Downloads that leave a whole, verified file or none."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from .._files import replace_file
from .random_weights import random_backbone
from .state_dict import fit_to_backbone, parse_state_dict, read_content

N_RETRIES = 2
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces
LONGEST_WAIT = 600  # seconds for another process that downloads the same file


def download(url: str, path: Path, sha256: str | None) -> Path:
    """Download weights, read them whole, and move them to their place.

    Another process that downloads the same file is waited for. What a killed one has left is
    removed by the next.

    Parameters
    ----------
    url : str
    path : Path
        Where the file will be; its folder is made.
    sha256 : str or None
        Of its content, where it is known.

    Returns
    -------
    path : Path

    Raises
    ------
    OSError
        Where the file cannot be had, is not the one that was expected or no weights of the
        backbone, or cannot be written. ``path`` is left as it was.
    ImportError
        Where pooch is missing.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"Downloading {url} needs pooch: pip install 'sklearn-biomoe[data]'."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path) as is_ours:
        if path.is_file():  # another process was faster
            return path
        if is_ours:
            _remove_leftovers(path)
        with tempfile.TemporaryDirectory(
            prefix=_prefix(path), dir=path.parent, ignore_cleanup_errors=True
        ) as folder:
            fetcher = pooch.create(
                folder,
                base_url="",
                urls={path.name: url},
                registry={path.name: sha256 and f"sha256:{sha256}"},
                retry_if_failed=N_RETRIES,
            )
            try:
                fetched = Path(
                    fetcher.fetch(path.name, downloader=pooch.HTTPDownloader(timeout=TIMEOUT))
                )
                content = _read_weights(fetched)
            except ValueError as error:
                raise OSError(f"What {url} sends is not what it should be: {error}") from error
        replace_file(path, content)
    return path


def _read_weights(path: Path) -> bytes:
    content = read_content(path)
    expected = random_backbone(0).state_dict()
    fit_to_backbone(parse_state_dict(content, path), expected, path)
    return content


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Keep other processes from the same download, where the file system lets one."""
    from filelock import FileLock, Timeout  # which torch brings

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LONGEST_WAIT)
    try:
        lock.acquire()
    except (OSError, NotImplementedError, Timeout):
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # on Windows, where no one deletes what is open
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _prefix(path: Path) -> str:
    return f".{path.name}.part-"


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f"{_prefix(path)}*"):
        rmtree(leftover, ignore_errors=True)
