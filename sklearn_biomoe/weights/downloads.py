"""Downloads of weights: a complete, verified file or none."""

from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from filelock import FileLock  # a dependency of torch

from .._files import replace_file
from .random_weights import random_backbone
from .state_dict import fit_to_backbone, parse_state_dict, read_content

N_RETRIES = 2
TIMEOUT = (10, 30)  # seconds to connect, and between two packets
LOCK_TIMEOUT = 600  # seconds to wait for another process that downloads the same file


def download(url: str, path: Path, sha256: str | None) -> None:
    """Download weights, check them completely, and write them to ``path``.

    One process at a time downloads a file, if the file system supports locks, and removes
    incomplete files of processes that were killed.

    Raises
    ------
    OSError
        If the download fails, the file has another hash or is not a weights file, or cannot be
        written.
    ImportError
        If pooch is missing.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"Downloading {url} needs pooch: pip install 'sklearn-biomoe[data]'."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = f".{path.name}.part-"
    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError):  # no locks, or a timeout
            lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT)
            stack.enter_context(lock)
            for leftover in path.parent.glob(f"{partial}*"):
                rmtree(leftover, ignore_errors=True)
        if path.is_file():  # downloaded by another process
            return
        folder = TemporaryDirectory(prefix=partial, dir=path.parent, ignore_cleanup_errors=True)
        fetcher = pooch.create(
            stack.enter_context(folder),
            base_url="",
            urls={path.name: url},
            registry={path.name: sha256 and f"sha256:{sha256}"},
            retry_if_failed=N_RETRIES,
        )
        try:
            fetched = fetcher.fetch(path.name, downloader=pooch.HTTPDownloader(timeout=TIMEOUT))
            content = read_content(Path(fetched))
            state = parse_state_dict(content, path)
            fit_to_backbone(state, random_backbone(0).state_dict(), path)
        except ValueError as error:
            raise OSError(f"The file at {url} is not valid: {error}") from error
        replace_file(path, content)
