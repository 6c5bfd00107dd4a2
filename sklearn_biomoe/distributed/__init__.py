"""Parquet files of windows to Parquet files of embeddings, on as many machines as there are.

Dask shares the work out; this package only says what one task is, and what is done already. Needs
``pip install 'sklearn-biomoe[dask]'``.
"""

try:
    import pyarrow as pa  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sklearn_biomoe.distributed needs pyarrow: pip install 'sklearn-biomoe[dask]'."
    ) from error

from .parquet import embed_parquet
from .scheduler import EmbeddingRun
from .tasks import PartError

__all__ = ["EmbeddingRun", "PartError", "embed_parquet"]
