"""Inference: images in, embeddings out, batch by batch on one device."""

from .cache import CacheInfo, EmbeddingCache, open_cache
from .devices import choose_batch_size, resolve_device
from .drawn_images import draw_images
from .embedding import embed
from .engines import Engine, free_engines, get_engine, resolve_engine
from .image_arrays import read_images
from .precision import check_precision, use_precision

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
    "use_precision",
]
