"""Worker processes that make groups of images, which arrive in the order of their numbers."""

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch.utils.data import DataLoader

from .image_groups import Group, ImageGroups

AHEAD = 3  # groups per worker, made before they are needed


@contextmanager
def open_groups(groups: ImageGroups, first: int, n_workers: int) -> Iterator[Iterator[Group]]:
    """Iterate over all groups from one number on; at the end of the context, stop the workers.

    Workers are new processes, not forked ones: a script needs ``if __name__ == "__main__":``.

    Parameters
    ----------
    groups : ImageGroups
    first : int
        Number of the first group.
    n_workers : int
        Processes; 0 makes each group in this process when it is requested.

    Yields
    ------
    made : iterator of Group
        It raises RuntimeError if a group cannot be made, or a worker was killed.
    """
    workers: dict[str, Any] = {
        "multiprocessing_context": "spawn",
        "prefetch_factor": AHEAD,
        "worker_init_fn": _start_worker,
    }
    made: Any = iter(
        DataLoader(
            groups,
            batch_size=None,
            sampler=count(first),
            num_workers=n_workers,
            generator=torch.Generator(),  # torch's own random state is not changed
            **(workers if n_workers else {}),
        )
    )
    try:
        yield made
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker (pid"):
            raise RuntimeError(
                "A process that makes images was killed or could not start. It may have had too "
                "little memory; pass fewer workers."
            ) from error
        raise
    finally:
        if n_workers:
            # Without this, they live as long as a traceback refers to the iterator.
            made._shutdown_workers()


def _start_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    # Exit without ending threads: one of torch that is still sending a group aborts the process.
    atexit.register(os._exit, 0)
