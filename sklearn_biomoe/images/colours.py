"""Colours: levels looked up in a colormap's table."""

from difflib import get_close_matches
from functools import cache

import cmap
import torch
from torch import Tensor

from ..representations.scaling import N_LEVELS

Colours = tuple[tuple[int, ...], ...]  # RGB bytes of each level
GREYS: Colours = tuple((level, level, level) for level in range(N_LEVELS))
FAMILIAR_COLORMAPS = ["cividis", "gray", "inferno", "magma", "plasma", "turbo", "viridis"]


def look_up(levels: Tensor, colours: Colours, out: Tensor) -> Tensor:
    """Write the colours of uint8 levels (n_windows, H, W) to ``out`` (n_windows, H, W, 3)."""
    if levels[0].numel() % 2 == 0:  # two pixels at once take half the time
        pairs = as_words(levels.view(-1, 2))
        table = pair_table(colours).to(levels.device)
        torch.index_select(table, 0, pairs, out=out.view(-1, 6).view(torch.int16))
    else:
        table = torch.tensor(colours, dtype=torch.uint8, device=levels.device)
        torch.index_select(table, 0, levels.flatten().int(), out=out.view(-1, 3))
    return out


@cache
def pair_table(colours: Colours) -> Tensor:
    """Return six bytes, as int16 (65536, 3), for each pair of levels, see `as_words`."""
    levels = torch.arange(N_LEVELS)
    pairs = torch.cartesian_prod(levels, levels)
    table = torch.empty((len(pairs), 6), dtype=torch.uint8)
    six_bytes = torch.tensor(colours, dtype=torch.uint8)[pairs].flatten(1)
    return table.index_copy_(0, as_words(pairs.to(torch.uint8)).long(), six_bytes).view(torch.int16)


def as_words(pairs: Tensor) -> Tensor:
    """Convert pairs of bytes (n, 2) to numbers from 0 to 65535: int32 (n,)."""
    return pairs.view(torch.int16)[:, 0].int().bitwise_and_(0xFFFF)


@cache
def colour_table(name: str) -> Colours:
    """Return 256 RGB colours of a colormap as bytes, rounded down as in matplotlib."""
    colours = (cmap.Colormap(name).lut(N_LEVELS)[:, :3] * 255).astype(int)
    return tuple(map(tuple, colours.tolist()))


def check_colormap(name: str) -> None:
    """Raise ValueError if the package cmap has no continuous colormap of this name.

    Examples
    --------
    >>> check_colormap("virdis")
    Traceback (most recent call last):
    ...
    ValueError: Unknown colormap 'virdis'; expected a colormap of the package cmap, such as
    ['cividis', 'gray', 'inferno', 'magma', 'plasma', 'turbo', 'viridis'] (`cmap.Catalog()` lists
    all). Did you mean 'viridis'?
    """
    try:
        n_colours = len(colour_table(name))
    except (TypeError, ValueError) as error:
        known = list(cmap.Catalog().short_keys())
        nearest = get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"Unknown colormap {name!r}; expected a colormap of the package cmap, such as "
            f"{FAMILIAR_COLORMAPS} (`cmap.Catalog()` lists all).{hint}"
        ) from error
    if n_colours < N_LEVELS:
        raise ValueError(
            f"Colormap {name!r} has only {n_colours} colours; expected a continuous one such as "
            f"{FAMILIAR_COLORMAPS}."
        )
