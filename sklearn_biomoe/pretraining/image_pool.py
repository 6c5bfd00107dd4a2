"""The pool: the images made last, from which batches are drawn."""

from collections.abc import Iterator

import numpy as np
import torch

from .image_groups import Group


class ImagePool:
    """The images made last, on the device of the training; a new group replaces the oldest one.

    Parameters
    ----------
    groups : iterator of Group
        New images.
    n_images : int
        Size of a full pool, a multiple of the images in a group.
    n_targets : int
    device : str
    n_made : int, default=0
        Number of images that were made before the first of ``groups``.

    Attributes
    ----------
    n_made : int
        Number of images made so far.
    """

    def __init__(
        self, groups: Iterator[Group], n_images: int, n_targets: int, device: str, n_made: int = 0
    ) -> None:
        self.groups, self.n_made = groups, n_made
        self.content = Group.empty(n_images, n_targets, device)
        self.copies = torch.cuda.Stream(device) if device.startswith("cuda") else None

    def take_until(self, n_made: int) -> None:
        """Take new groups until so many images have been made."""
        n_images = len(self.content.kinds)
        while self.n_made < n_made:
            group = self._transfer(next(self.groups))
            start = self.n_made % n_images
            self.content.rows(slice(start, start + len(group.kinds))).fill(group)
            self.n_made += len(group.kinds)

    def draw(self, batch_size: int, random: np.random.Generator) -> Group:
        """Draw a batch, with replacement."""
        n_images = min(self.n_made, len(self.content.kinds))
        rows = torch.from_numpy(random.integers(n_images, size=batch_size))
        return self.content.rows(rows.to(self.content.kinds.device, non_blocking=True))

    def _transfer(self, group: Group) -> Group:
        """Copy a group to a CUDA device in a second stream, while training steps continue."""
        if self.copies is None:
            return group
        with torch.cuda.stream(self.copies):
            moved = Group(*(part.to(self.content.kinds.device) for part in group))
        for part in moved:  # freed memory is not used again before the first stream has read it
            part.record_stream(torch.cuda.current_stream(self.content.kinds.device))
        return moved
