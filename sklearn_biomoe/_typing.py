"""Names for array types that several modules annotate with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
Rows = NDArray[np.int64]  # positions of rows
Mask = NDArray[np.bool_]
