"""Inference: images in, embeddings out, batch by batch on one device."""

from .cache import CacheInfo, EmbeddingCache, open_cache
from .embedding import draw_images, embed
from .engines import (
    Engine,
    check_precision,
    choose_batch_size,
    free_engines,
    get_engine,
    resolve_device,
    resolve_engine,
)
from .image_arrays import read_images

__all__ = [
    "CacheInfo",
    "EmbeddingCache",
    "Engine",
    "check_precision",
    "choose_batch_size",
    "draw_images",
    "embed",
    "free_engines",
    "get_engine",
    "open_cache",
    "read_images",
    "resolve_device",
    "resolve_engine",
]
