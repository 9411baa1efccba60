"""Bulk work in tasks of a Ray cluster: parts of a list go to workers, what they make of them comes back in order."""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from rim_plugin.errors import MissingPackage, OptionsError, first_words

Item = TypeVar('Item')
Result = TypeVar('Result')
_RETRIES = 3  # of a part whose worker was lost: a picture that ends every worker must not go round for ever
_PATIENCE = 10  # seconds until a cluster's address has to answer
_PARTS_A_WORKER = 2  # at work or waiting


class Cluster:
    """A Ray cluster, which this process joins; as a context manager it leaves in the end.

    Args:
        address: ``local`` (one for this process, of all its processors), ``auto`` (the one that runs on this machine),
            HOST:PORT or ray://HOST:PORT.

    Raises:
        MissingPackage: Ray is not installed.
        OptionsError: no cluster answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise MissingPackage("--ray needs the package ray: pip install 'rim-plugin[ray]'") from None
        self._ray: Any = ray
        try:
            _require_listener(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise OptionsError(f'--ray {address}: no cluster answers there ({first_words(error)})') from None
        self._resources = ray.cluster_resources()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def map(
        self, function: Callable[[Sequence[Item]], Result], items: Sequence[Item], size: int, gpu: bool = False
    ) -> Iterator[Result]:
        """``function`` of every ``size`` items, in order.

        A part whose worker is lost is done again by another one, so ``function`` has to bear that.

        Args:
            function: to be pickled; its errors are raised here.
            items: to be pickled, paths absolute: workers have other current folders.
            size: of a part.
            gpu: a task has a GPU for itself, where the cluster has any.

        Raises:
            RuntimeError: a part has lost its worker four times; names its first item.
        """
        gpus = int(gpu and self._resources.get('GPU', 0) > 0)
        work = self._ray.remote(max_retries=0, num_gpus=gpus)(lambda part: function(part)).remote
        waiting: deque[tuple[Sequence[Item], Any]] = deque()
        for start in range(0, len(items), size):
            part = items[start : start + size]
            waiting.append((part, work(part)))
            if len(waiting) >= _PARTS_A_WORKER * self._resources.get('CPU', 1):
                yield self._result(work, *waiting.popleft())
        while waiting:
            yield self._result(work, *waiting.popleft())

    def _result(self, work: Callable[[Any], Any], part: Sequence[Any], task: Any) -> Any:
        """What the task, which ``work`` began, makes of the part; begun anew here and not by Ray, which does so where a
        worker is lost, but not where its result is."""
        errors = self._ray.exceptions
        for tries in range(_RETRIES + 1):
            try:
                return self._ray.get(task if tries == 0 else work(part))
            except errors.RayTaskError as error:
                raise error.cause from None
            except errors.RayError as error:
                lost = type(error).__name__
        raise RuntimeError(
            f'workers were lost {_RETRIES + 1} times ({lost}) at the {len(part)} inputs from {part[0]} on'
        )


def _require_listener(address: str) -> None:
    """OSError where nobody listens at HOST:PORT: Ray would try for two minutes."""
    host, colon, port = address.removeprefix('ray://').rpartition(':')
    if colon:
        socket.create_connection((host, int(port)), _PATIENCE).close()
