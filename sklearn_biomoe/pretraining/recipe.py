"""The recipe: everything that determines the weights, and the schedule of a run."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from .._validation.parameters import check_integer, check_number
from ..inference import check_precision, resolve_device
from .image_groups import N_VIEWS, SHARES
from .objectives import OBJECTIVES

CONSTANT = 0.45  # share of a run, the first, with the highest learning rate
FROZEN = 0.1  # share of a run, the last, with fixed averages in batch normalisations
FILLED = 0.25  # share of the pool that is filled before the first batch


@dataclass(frozen=True)
class Recipe:
    """How to train weights.

    Parameters
    ----------
    n_images : int or None
        Length of the run in images; None if it is given in minutes. A run can be resumed with
        another length.
    minutes : float or None
        Length of the run in minutes of training steps. How many images it sees depends on the
        machine, so only runs of ``n_images`` can be repeated.
    batch_size : int
    peak_rate : float
        Highest learning rate. It rises over the first ``warm_up`` images, and falls to 0 as a
        cosine over the last 55 % of the run.
    warm_up : int
    pool_size : int
        The images made last, from which each batch is drawn: a multiple of the images in a group.
        An image takes 150 kB on the device.
    group_size : int
        Windows simulated at once, of one modality and duration, each drawn in two representations.
    n_workers : int
        Processes that make images; 0 makes them in the training process. On a GPU, one per
        remaining core. It does not change the images.
    seed : int
    objectives : tuple of str
        Of `OBJECTIVES`.
    modalities : tuple of str
        Fewer than all give weights for some sensors, with fewer images.
    start : str
        Initial weights, as in `sklearn_biomoe.weights.load_backbone`.
    device : str
        As in `sklearn_biomoe.inference.resolve_device`.
    precision : {"float32", "tf32", "bfloat16"}
        Of the backbone. "bfloat16" is automatic mixed precision: weights stay in float32.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the device or its precision is not available.

    Examples
    --------
    >>> recipe = Recipe(n_images=100_000, peak_rate=1e-3)
    >>> [round(recipe.rate_at(n_seen, 0), 6) for n_seen in (0, 30_000, 72_500, 100_000)]
    [1.2e-05, 0.001, 0.0005, 0.0]
    """

    n_images: int | None = None
    minutes: float | None = None
    batch_size: int = 24
    peak_rate: float = 1.5e-3
    warm_up: int = 2000
    pool_size: int = 4096
    group_size: int = 64
    n_workers: int = 1
    seed: int = 0
    objectives: tuple[str, ...] = OBJECTIVES
    modalities: tuple[str, ...] = tuple(SHARES)
    start: str = "random"
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        if (self.n_images is None) == (self.minutes is None):
            raise ValueError(
                f"n_images={self.n_images} and minutes={self.minutes}; give one of them, the "
                "length of the run."
            )
        if self.n_images is not None:
            check_integer("n_images", self.n_images)
        if self.minutes is not None:
            check_number("minutes", self.minutes, above=0)
        for name in ("batch_size", "warm_up", "group_size"):
            check_integer(name, getattr(self, name))
        for name in ("n_workers", "seed"):
            check_integer(name, getattr(self, name), minimum=0)
        check_number("peak_rate", self.peak_rate, above=0)
        check_precision(self.precision, resolve_device(self.device))
        self._check_names("objectives", self.objectives, OBJECTIVES)
        self._check_names("modalities", self.modalities, tuple(SHARES))
        check_integer("pool_size", self.pool_size)
        if self.pool_size % (N_VIEWS * self.group_size):
            raise ValueError(
                f"pool_size={self.pool_size}; expected a multiple of {N_VIEWS * self.group_size}: "
                f"groups of {self.group_size} windows have {N_VIEWS} images of each."
            )

    def _check_names(self, what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
        names = set(given)
        if not names or len(names) < len(given) or not names <= set(known):
            raise ValueError(
                f"{what}={given}; expected some of {', '.join(known)}, each at most once."
            )

    def fixed(self) -> dict[str, Any]:
        """Return the parameters that cannot change when a run is resumed."""
        free = {"n_images", "minutes", "n_workers", "device", "precision"}
        fixed = {name: value for name, value in asdict(self).items() if name not in free}
        lists = {"objectives": list(self.objectives), "modalities": list(self.modalities)}
        return fixed | lists

    def progress(self, n_seen: int, seconds: float) -> float:
        """Return the share of the run that is done, from 0 to 1."""
        if self.n_images is not None:
            return min(1.0, n_seen / self.n_images)
        assert self.minutes is not None
        return min(1.0, seconds / (60 * self.minutes))

    def rate_at(self, n_seen: int, seconds: float) -> float:
        """Return the learning rate after so many images and seconds of training steps."""
        rise = min(1.0, (n_seen + self.batch_size) / self.warm_up)
        falling = max(0.0, (self.progress(n_seen, seconds) - CONSTANT) / (1 - CONSTANT))
        return self.peak_rate * rise * 0.5 * (1 + math.cos(math.pi * falling))

    def is_frozen(self, n_seen: int, seconds: float) -> bool:
        """Return whether the averages of batch normalisations are fixed."""
        return self.progress(n_seen, seconds) >= 1 - FROZEN

    def n_made(self, n_seen: int) -> int:
        """Return how many images have to be made before the next batch: those seen, and a start."""
        n_group = N_VIEWS * self.group_size
        n_groups = math.ceil(FILLED * self.pool_size / n_group) + math.ceil(n_seen / n_group)
        return n_groups * n_group
