"""A setting of the process that can be put back."""

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Setting(Generic[T]):
    """What `set_workers` and `set_cache_limit` return: as a context manager, it puts the former value back."""

    def __init__(self, put: Callable[[T], object], former: T) -> None:
        self._put = put
        self._former = former

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._put(self._former)
