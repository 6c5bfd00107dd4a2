"""Worker processes that make groups of images, which arrive in the order of their numbers."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

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
        The memory of a group is used again once the next one is requested. It raises RuntimeError
        if a group cannot be made, or a worker was killed.
    """
    if n_workers == 0:
        yield map(groups.make, count(first))
        return
    shared = _SharedGroups(groups, AHEAD * n_workers + 1)  # and the one that is in use
    numbers: Any = iter(
        DataLoader(
            shared,
            batch_size=None,
            sampler=count(first),
            num_workers=n_workers,
            prefetch_factor=AHEAD,
            multiprocessing_context="spawn",
            worker_init_fn=_ignore_interrupts,
            generator=torch.Generator(),  # torch's own random state is not changed
        )
    )
    try:
        yield map(shared.read, numbers)
    except RuntimeError as error:
        if str(error).startswith("DataLoader worker (pid"):
            raise RuntimeError(
                "A process that makes images was killed or could not start. It may have had too "
                "little memory; pass fewer workers."
            ) from error
        raise
    finally:
        # Without this, workers live as long as a traceback refers to the iterator.
        numbers._shutdown_workers()


class _SharedGroups(Dataset[int]):
    """Groups in memory that the processes share, so that only their numbers are sent."""

    def __init__(self, groups: ImageGroups, n_places: int) -> None:
        self.groups, self.n_places = groups, n_places
        self.memory = Group.empty(n_places * groups.n_images, len(groups.targets))
        for part in self.memory:
            part.share_memory_()

    def __getitem__(self, number: int) -> int:
        """Make a group."""
        self.read(number).fill(self.groups.make(number))
        return number

    def read(self, number: int) -> Group:
        """Return a view of a group's place."""
        start = number % self.n_places * self.groups.n_images
        return self.memory.rows(slice(start, start + self.groups.n_images))


def _ignore_interrupts(_: int) -> None:
    """Leave Ctrl-C, which all processes receive, to the parent, which stops its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
