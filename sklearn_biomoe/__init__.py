"""sklearn_biomoe: biosignals to pictures to embeddings, as scikit-learn transformers."""

from ._version import __version__

__all__ = ["__version__"]
