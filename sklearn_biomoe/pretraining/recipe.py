"""The recipe: images made on the fly, a seed, checkpoints that survive a kill, a log."""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..signals import MODALITIES
from ..transformers import BiosignalImageTransformer
from ..weights import load_backbone
from .loss_plot import draw_curves
from .objectives import (
    DEFAULT_OBJECTIVES,
    N_SIZES,
    OBJECTIVES,
    Heads,
    agreement_loss,
    describe,
    regression_loss,
    shape_of,
)
from .real_recordings import Recordings
from .simulators import KINDS, SIZES, Draw, Simulated, simulate, usual_window

# How often each modality is drawn, and by which representations. What they show is the preset's.
SHARES = {"eda": 8, "bvp": 8, "resp": 2, "spo2": 1, "ecg": 2, "emg": 1, "eeg": 2}
REPRESENTATIONS = {
    "eda": {"composite": 3, "waveform": 4, "scalogram": 4, "spectrogram_psd": 1, "gadf": 1},
    "bvp": {"composite": 3, "spectrogram_psd": 4, "scalogram": 4, "waveform": 1, "gadf": 1},
    "resp": {"composite": 3, "waveform": 3, "scalogram": 2},
    "spo2": {"composite": 1, "waveform": 3},
    "ecg": {"composite": 3, "scalogram": 3, "spectrogram_psd": 1, "waveform": 1},
    "emg": {"composite": 2, "spectrogram_psd": 3},
    "eeg": {"composite": 3, "spectrogram_psd": 3, "scalogram": 1},
}
IMAGES = [f"{modality} {name}" for modality in SHARES for name in REPRESENTATIONS[modality]]
GROUPS = 3  # modalities in a batch, at most
N_TO_STANDARDISE = 512  # windows of each modality, whose targets give centres and widths
FALLING = 0.5  # share of the images while the rate falls
FROZEN = 0.25  # share of them, the last, while normalisations use what they have learnt by then
MOMENTUM = 0.02  # of batch normalisations' averages, over batches of few modalities each
RECORDED = 0.25  # share of windows that are cut from recordings, where there are any
OVERLAPPING = 0.25  # share of windows whose two images show them shifted
SHIFT = 0.25  # by which share of their length
LOGGED = ["images", "seconds", "rate", *OBJECTIVES]
REGRESSIONS = ("parameters", "descriptors", "clean")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out.

    Parameters
    ----------
    n_images : int
        To train on. A run may be continued with more of them, as long as its rate has not fallen.
    batch_size : int
        A multiple of 6: two images each of windows of three modalities. Of 4 where there are but
        two modalities, of 2 where there is one.
    peak_rate : float
        Of learning; it rises over 2,000 images, stays, and falls over the last part.
    seed : int
    objectives : tuple of str
        Of `OBJECTIVES`; agreement is left out, because weights were better without it.
    modalities : tuple of str
        Whose windows to draw: fewer than all make weights for some sensors, with fewer images.
    start : str
        Weights to begin with, as `sklearn_biomoe.weights.load_backbone` takes them.
    device : str
    precision : {"float32", "bfloat16"}
        bfloat16 is faster where the device has instructions for it, and far slower elsewhere.
    """

    n_images: int
    batch_size: int = 24
    peak_rate: float = 1.5e-3
    seed: int = 0
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    modalities: tuple[str, ...] = tuple(SHARES)
    start: str = "random"
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for what, given, known in [
            ("objectives", self.objectives, OBJECTIVES),
            ("modalities", self.modalities, tuple(SHARES)),
        ]:
            names = set(given)
            if not names or len(names) < len(given) or not names <= set(known):
                raise ValueError(f"{what}={given}; expected some of {', '.join(known)}, each once.")
        if self.batch_size < 1 or self.batch_size % (2 * self.n_groups):
            raise ValueError(
                f"batch_size={self.batch_size}; expected a multiple of {2 * self.n_groups}: two "
                f"images each of windows of {self.n_groups} modalities."
            )

    @property
    def n_groups(self) -> int:
        """Modalities in a batch."""
        return min(GROUPS, len(self.modalities))

    def decides(self) -> dict[str, Any]:
        """Return what may not change while a run goes on."""
        free = {"n_images", "device", "precision"}
        decided = {name: value for name, value in asdict(self).items() if name not in free}
        return decided | {
            "objectives": list(self.objectives),
            "modalities": list(self.modalities),
        }

    def is_frozen(self, n_seen: int) -> bool:
        """Tell whether normalisations use what they have learnt by then."""
        return n_seen >= (1 - FROZEN) * self.n_images

    def rate_at(self, n_seen: int) -> float:
        """Return the learning rate after so many images."""
        rise = min(1.0, (n_seen + self.batch_size) / 2000)
        fall = min(1.0, (self.n_images - n_seen) / (FALLING * self.n_images))
        return self.peak_rate * rise * max(0.0, fall)


@dataclass(frozen=True)
class View:
    """Images of windows of one modality by one representation, and what is known of them.

    Parameters
    ----------
    modality : str
    representation : str
    images : Tensor of shape (n_windows, 3, 224, 224), float32
    targets : dict of str to Tensor of shape (n_windows, n_targets)
        By regressing objective, as they come from the factory; NaN where unknown. Nobody knows the
        parameters of recordings, so that they have none.
    """

    modality: str
    representation: str
    images: Tensor
    targets: dict[str, Tensor]


class Training:
    """A run of the recipe in a folder, which goes on where it was left.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Gets ``checkpoint.pth``, ``log.csv`` and ``curves.png``.
    recordings : Recordings
        To mix among the simulated windows.
    """

    def __init__(self, recipe: Recipe, folder: Path, recordings: Recordings) -> None:
        self.recipe, self.folder, self.recordings = recipe, folder, recordings
        self.n_seen, self.seconds = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
        self.backbone = load_backbone(recipe.start, recipe.seed).to(recipe.device)
        lay_out_channels_last(self.backbone)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = MOMENTUM
        self.scales = {name: find_scales(name, recipe.seed) for name in recipe.modalities}
        counts = {
            modality: {objective: len(centres) for objective, (centres, _) in scales.items()}
            for modality, scales in self.scales.items()
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.heads = Heads(len(IMAGES), counts).to(recipe.device)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": self.backbone.parameters(), "weight_decay": 0.05},
                {"params": self.heads.parameters(), "weight_decay": 0.0},
            ],
            lr=recipe.peak_rate,
            fused=True,
        )
        if self.checkpoint.is_file():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        """The file that a run goes on from."""
        return self.folder / "checkpoint.pth"

    @property
    def log(self) -> Path:
        """A line of losses for each step."""
        return self.folder / "log.csv"

    def run(self, until: float = math.inf, keep_every: float = 120.0) -> bool:
        """Train until all images were seen, or for so many seconds; tells whether it is done."""
        started = kept = time.monotonic()
        while self.n_seen < self.recipe.n_images and time.monotonic() - started < until:
            before = time.monotonic()
            losses = self._step()
            self.seconds += time.monotonic() - before
            self._log(losses)
            if time.monotonic() - kept > keep_every:
                self.keep()
                kept = time.monotonic()
        self.keep()
        draw_curves(pd.read_csv(self.log), self.folder / "curves.png")
        return self.n_seen >= self.recipe.n_images

    def keep(self) -> None:
        """Write everything that going on needs, whole or not at all."""
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "model_state_dict": self.backbone.state_dict(),
                "heads": self.heads.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "n_seen": self.n_seen,
                "seconds": self.seconds,
                "recipe": self.recipe.decides(),
            },
            unfinished,
        )
        unfinished.replace(self.checkpoint)

    def _resume(self) -> None:
        kept = torch.load(self.checkpoint, map_location=self.recipe.device, weights_only=True)
        recipe, now = kept["recipe"], self.recipe.decides()
        others = [name for name in now if recipe.get(name) != now[name]]
        if others:
            raise ValueError(
                f"{self.checkpoint} was trained with other {', '.join(others)}; give them as they "
                f"were, {recipe}, or name another folder."
            )
        self.backbone.load_state_dict(kept["model_state_dict"])
        self.heads.load_state_dict(kept["heads"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.generator.set_state(kept["generator"].cpu())
        self.n_seen, self.seconds = kept["n_seen"], kept["seconds"]
        if self.log.is_file():  # what was logged after the checkpoint is done again
            logged = pd.read_csv(self.log)
            logged[logged["images"] <= self.n_seen].to_csv(self.log, index=False)

    def _step(self) -> dict[str, float]:
        recipe = self.recipe
        with torch.device(recipe.device):  # windows are made where they are drawn
            views = make_views(recipe, self.generator, self.recordings)
        images = torch.cat([view.images for view in views])  # (batch, 3, 224, 224)
        self.backbone.train()
        if recipe.is_frozen(self.n_seen):
            freeze_normalisations(self.backbone)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.n_seen)
        kind = recipe.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            embeddings = self.backbone(images.contiguous(memory_format=torch.channels_last))
        losses = self._losses(embeddings.float(), views)
        self.optimizer.zero_grad()
        self.heads.weigh(losses).backward()
        torch.nn.utils.clip_grad_norm_(self.backbone.parameters(), 1.0)
        self.optimizer.step()
        self.n_seen += len(images)
        return {name: loss.item() for name, loss in losses.items()}

    def _losses(self, embeddings: Tensor, views: list[View]) -> dict[str, Tensor]:
        heads, wanted, device = self.heads, self.recipe.objectives, self.recipe.device
        of_views = embeddings.chunk(len(views))
        losses = {}
        if "kind" in wanted:
            kinds = [IMAGES.index(f"{view.modality} {view.representation}") for view in views]
            n_windows = len(views[0].images)
            answers = torch.tensor(kinds, device=device).repeat_interleave(n_windows)
            losses["kind"] = functional.cross_entropy(heads.kind(embeddings), answers)
        for objective in REGRESSIONS:
            if objective not in wanted:
                continue
            found, known = [], []
            for own, view in zip(of_views, views, strict=True):
                if objective not in view.targets:
                    continue
                centres, widths = (
                    part.to(device) for part in self.scales[view.modality][objective]
                )
                target = ((view.targets[objective] - centres) / widths).clamp(-4, 4)
                found.append(heads.regress(own, view.modality, objective).flatten())
                known.append(target.flatten().to(device))
            if found:
                losses[objective] = regression_loss(torch.cat(found), torch.cat(known))
        if "agreement" in wanted:
            n_windows = len(views[0].images)
            # Views come in pairs that show the same windows.
            windows = torch.arange(len(embeddings), device=device) % n_windows
            pair = torch.arange(len(embeddings), device=device) // (2 * n_windows)
            same = pair * n_windows + windows
            losses["agreement"] = agreement_loss(heads.projection(embeddings), same)
        return losses

    def _log(self, losses: dict[str, float]) -> None:
        is_new = not self.log.is_file()
        row: dict[str, Any] = {
            "images": self.n_seen,
            "seconds": round(self.seconds, 1),
            "rate": self.recipe.rate_at(self.n_seen),
        }
        row |= {name: round(loss, 5) for name, loss in losses.items()}
        with self.log.open("a", newline="") as file:
            writer = csv.DictWriter(file, LOGGED)
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def freeze_normalisations(backbone: nn.Module) -> None:
    """Let batch normalisations use their running averages, as they will in inference.

    A batch holds few modalities, and its own averages are far from those of all.
    """
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def lay_out_channels_last(backbone: nn.Module) -> None:
    """Lay weights of convolutions out for grids whose channels come last, which are faster."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@cache
def find_scales(modality: str, seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return medians and widths of the targets of simulated windows, by objective.

    Widths are distances of quartiles, as in normal distributions of deviation 1; deviations where
    half of the values are alike.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    parts = []
    for _ in range(N_TO_STANDARDISE // 32):
        rate, duration = usual_window(modality, generator)
        made = simulate(modality, 32, sampling_rate=rate, duration=duration, generator=generator)
        parts.append(targets_of(made))
    scales = {}
    for objective in REGRESSIONS:
        values = torch.cat([part[objective] for part in parts])
        centres = values.nanquantile(0.5, dim=0)
        widths = (values.nanquantile(0.75, dim=0) - values.nanquantile(0.25, dim=0)) / 1.349
        squares = ((values - values.nanmean(dim=0)) ** 2).nanmean(dim=0)
        widths = torch.where(widths > 1e-6, widths, squares.sqrt().clamp_min(1e-6))
        scales[objective] = (centres, widths)
    return scales


def targets_of(made: Simulated, sizes_shown: bool = True) -> dict[str, Tensor]:
    """Return what the regressing objectives ask for, each (n_windows, n_targets).

    What an image cannot tell is NaN.
    """
    parameters = [
        values if sizes_shown or name not in SIZES else torch.full_like(values, math.nan)
        for name, values in made.parameters.items()
    ]
    descriptors = describe(made.signals)
    if not sizes_shown:
        descriptors[:, -N_SIZES:] = math.nan
    targets = {"descriptors": descriptors, "clean": shape_of(made.clean)}
    if parameters:
        targets["parameters"] = torch.stack(parameters, dim=1)
    return targets


def shows_sizes(modality: str, representation: str) -> bool:
    """Tell whether an image has an axis of values that is the same for all windows."""
    fixed = MODALITIES[modality].value_range is not None
    return fixed and representation in ("waveform", "composite")


def make_views(recipe: Recipe, generator: torch.Generator, recordings: Recordings) -> list[View]:
    """Simulate or cut windows, and draw each twice, by two representations."""
    n_windows = recipe.batch_size // (2 * recipe.n_groups)
    shares = {modality: SHARES[modality] for modality in recipe.modalities}
    views: list[View] = []
    for modality in _pick(shares, recipe.n_groups, generator):
        rate, duration = usual_window(modality, generator)
        recorded, shifted = torch.rand(2, generator=generator).tolist()
        shift = SHIFT * duration if shifted < OVERLAPPING else 0.0
        windows = Draw(n_windows, rate, duration + shift, generator)
        if recorded < RECORDED and recordings.long_enough(modality, rate, windows.duration):
            made = recordings.cut(modality, windows)
        else:
            made = KINDS[modality].simulate(windows)
        n_times, n_shifted = round(duration * rate), round(shift * rate)
        starts = [0, n_shifted]
        for name, start in zip(_pick(REPRESENTATIONS[modality], 2, generator), starts, strict=True):
            shown = slice(start, start + n_times)
            part = replace(made, signals=made.signals[:, shown], clean=made.clean[:, shown])
            targets = targets_of(part, shows_sizes(modality, name))
            if shift:
                targets.pop("parameters", None)  # which are those of the whole windows
            images = draw(part.signals, modality, name, rate, recipe.device)
            views.append(View(modality, name, images, targets))
    return views


def draw(signals: Tensor, modality: str, name: str, rate: float, device: str) -> Tensor:
    """Draw windows as users' are, (n_windows, 3, 224, 224), float32 in [0, 1]."""
    drawer = BiosignalImageTransformer([name], sampling_rate=rate, modality=modality)
    images = drawer.fit_transform(np.ascontiguousarray(signals[:, None].double().cpu().numpy()))
    pixels = images.draw(device)[:, 0].float() / 255  # (n_windows, H, W, 3)
    return pixels.permute(0, 3, 1, 2)


def _pick(weights: dict[str, int], n: int, generator: torch.Generator) -> Iterator[str]:
    """Pick names without repetition, by their weights."""
    chosen = torch.multinomial(torch.tensor(list(weights.values())).float(), n, generator=generator)
    names = list(weights)
    return (names[at] for at in chosen.tolist())
