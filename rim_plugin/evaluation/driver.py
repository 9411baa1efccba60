"""The one loop over faces: BasicSR's validation, packing and the benchmark all go through it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, Subset, default_collate

from rim_plugin.evaluation.progress import FaceBar

Step = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Evaluator(Protocol):
    """What :func:`evaluate` drives."""

    def reset(self) -> None:
        """Forget what was processed."""

    def process(self, data: Mapping[str, Any]) -> None:
        """Take in a batch."""


def evaluate(
    dataset: Dataset,
    step: Step | None,
    evaluators: Sequence[Evaluator],
    batch_size: int = 16,
    num_workers: int = 0,
    progress: bool = False,
) -> None:
    """Show all items of a dataset, in order and in inference mode, to every evaluator.

    The random state of a training stays as it is.

    Args:
        dataset: of faces, with ``opt['name']`` for the progress bar.
        step: makes of a collated batch what the evaluators process. Default: they see the batch itself.
        batch_size: items at a time.
        num_workers: processes that load items; with 0 a thread does.
        progress: show a bar of faces, see :class:`FaceBar`.
    """
    for evaluator in evaluators:
        evaluator.reset()
    inner = dataset.dataset if isinstance(dataset, Subset) else dataset
    name = getattr(inner, 'opt', {}).get('name')
    loader = DataLoader(dataset, batch_size, num_workers=num_workers, collate_fn=_counted, generator=torch.Generator())
    with FaceBar(len(dataset), name, progress) as bar:  # type: ignore[arg-type]
        for count, batch in _loaded_ahead(loader):
            with torch.inference_mode(), bar.at_work(count):
                data = batch if step is None else step(batch)
                for evaluator in evaluators:
                    evaluator.process(data)


def _counted(items: list[Any]) -> tuple[int, Any]:
    """How many items a batch has, and the batch."""
    return len(items), default_collate(items)


def _loaded_ahead(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, each loaded by a thread while the one before is at work."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield batch
