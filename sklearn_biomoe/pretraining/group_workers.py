"""Worker processes that make groups of images, which arrive in the order of their numbers."""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count
from multiprocessing import parent_process

import torch
from torch.multiprocessing import get_context

from .image_groups import Group, ImageGroups

AHEAD = 3  # groups per worker, made before they are needed

_of_worker: tuple[ImageGroups, Group]  # what a worker process makes, and where


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
    slots = Group.empty(AHEAD * n_workers * groups.n_images, len(groups.targets))
    for part in slots:
        part.share_memory_()
    executor = ProcessPoolExecutor(
        n_workers, get_context("spawn"), initializer=_start_worker, initargs=(groups, slots)
    )
    try:
        yield _receive(executor, groups.n_images, first, slots)
    finally:
        executor.shutdown(cancel_futures=True)


def _receive(
    executor: ProcessPoolExecutor, n_images: int, first: int, slots: Group
) -> Iterator[Group]:
    places = [slice(at, at + n_images) for at in range(0, len(slots.kinds), n_images)]
    pending = deque(
        executor.submit(_make_in_worker, number, place)
        for number, place in enumerate(places, first)
    )
    for number in count(first):
        try:
            place = pending.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"Group {number} is missing: a process that makes images was killed or could not "
                "start. It may have had too little memory; pass fewer workers."
            ) from error
        yield slots.rows(place)
        pending.append(executor.submit(_make_in_worker, number + len(places), place))


def _start_worker(groups: ImageGroups, slots: Group) -> None:
    global _of_worker
    _of_worker = groups, slots
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    torch.set_num_threads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent was killed, which cannot stop its workers then."""
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)


def _make_in_worker(number: int, place: slice) -> slice:
    groups, slots = _of_worker
    slots.rows(place).fill(groups.make(number))
    return place
