"""Embed Parquet files of windows on a Dask cluster; needs ``sklearn-biomoe[dask]``."""

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
