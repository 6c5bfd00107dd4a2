"""Images for the backbone: arrays, PIL images and lazy stacks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backbone.network import IMAGE_SIZE
from ..images.stack import BiosignalImages


def read_images(X: Any) -> BiosignalImages | NDArray[Any]:
    """Read images for the backbone in any supported form.

    Parameters
    ----------
    X : BiosignalImages, array-like or sequence of PIL images
        Shape (n, 224, 224, 3) or (n, k, 224, 224, 3), uint8 or float in [0, 1].

    Returns
    -------
    images : BiosignalImages or ndarray of shape (n, k, 224, 224, 3)
        uint8, or float in [0, 1].

    Raises
    ------
    ValueError
        If shape, dtype or range differ.

    Examples
    --------
    >>> import numpy as np
    >>> read_images(np.zeros((2, 224, 224, 3), dtype=np.uint8)).shape
    (2, 1, 224, 224, 3)
    """
    images = X if isinstance(X, BiosignalImages) else _image_array(X)
    if images.shape[2:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise ValueError(
            f"Images have shape {images.shape[2:]}; the backbone needs "
            f"({IMAGE_SIZE}, {IMAGE_SIZE}, 3). Draw them with image_size={IMAGE_SIZE}."
        )
    return images


def _image_array(X: Any) -> NDArray[Any]:
    try:
        images = np.asarray(X)
    except ValueError:  # images of different shapes
        images = np.empty(0, dtype=object)
    if images.ndim not in (4, 5) or images.dtype.kind not in "uif" or images.size == 0:
        raise ValueError(
            "TinyBioMoEEmbedder expects images: the output of BiosignalImageTransformer, or an "
            f"array of shape (n, {IMAGE_SIZE}, {IMAGE_SIZE}, 3) or (n, k, {IMAGE_SIZE}, "
            f"{IMAGE_SIZE}, 3), uint8 or float in [0, 1]; got {type(X).__name__} of shape "
            f"{getattr(X, 'shape', (len(X),) if hasattr(X, '__len__') else ())}. To embed signals, "
            "put an image transformer before it: "
            "make_pipeline(BiosignalImageTransformer(...), TinyBioMoEEmbedder(...))."
        )
    images = images[:, None] if images.ndim == 4 else images
    if images.dtype.kind == "f":
        _check_range(images)
        return images.astype(np.float32, copy=False)
    if images.dtype != np.uint8:
        raise ValueError(f"Images have dtype {images.dtype}; expected uint8, or float in [0, 1].")
    return images


def _check_range(images: NDArray[Any]) -> None:
    for row, window in enumerate(images):
        if not (window.min() >= 0 and window.max() <= 1):  # NaN fails both
            raise ValueError(
                f"Float images must be in [0, 1], but those of window {row} are in "
                f"[{window.min():g}, {window.max():g}]; divide them by 255, or pass uint8."
            )
