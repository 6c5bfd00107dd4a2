"""Groups of images for tests of worker processes, which cannot import a test module."""

import os
import signal
import time

import numpy as np

from sklearn_biomoe.pretraining.image_groups import Group, ImageGroups
from sklearn_biomoe.pretraining.real_recordings import Recordings


class NumberedGroups(ImageGroups):
    """Groups of two images whose pixels are their number; one fails, or kills its process."""

    def __init__(self, failing=None, killing=None):
        super().__init__(0, ("eda",), 1, np.zeros(1), Recordings({}))
        self.failing, self.killing = failing, killing

    def make(self, number):
        if number == self.failing:
            raise RuntimeError(f"Group {number} could not be made: no image")
        if number == self.killing:
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 3 == 0:
            time.sleep(0.1)  # later groups are complete before this one
        group = Group.empty(2, 1)
        for part in group:
            part.fill_(number)
        return group
