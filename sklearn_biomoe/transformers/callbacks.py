"""scikit-learn's callbacks, which are told of each batch; scikit-learn before 1.9 has none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


@contextmanager
def fit_task(
    estimator: Any, X: Any, y: Any, n_batches: int = 0
) -> Iterator[Callable[[], None] | None]:
    """Tell an estimator's callbacks when fitting begins and ends.

    Parameters
    ----------
    estimator : estimator
        With `CallbackSupportMixin`, in a method under `with_callbacks`.
    X, y : object
        What it is fitted with.
    n_batches : int, default=0
        How many batches there will be at most.

    Yields
    ------
    on_batch : callable or None
        To be called after each batch; None where nobody listens.
    """
    if not HAS_CALLBACKS:
        yield None
        return
    context = estimator._init_callback_context(max_subtasks=n_batches)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)

    def on_batch() -> None:
        batch = context.subcontext("embed batch")
        batch.call_on_fit_task_begin(estimator=estimator)
        batch.call_on_fit_task_end(estimator=estimator)

    yield on_batch
    context.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})
