"""The one loop over faces: BasicSR's validation, packing and the benchmark all go through it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm import tqdm

from rim_plugin.archs.layers import probe_groups

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
        step: makes of a collated batch what the evaluators process, face by face. Default: they see the batch itself.
        evaluators: are reset first.
        batch_size: items at a time.
        num_workers: processes that load items; with 0 a thread does.
        progress: show a bar, which moves as faces are processed.
    """
    for evaluator in evaluators:
        evaluator.reset()
    inner = dataset.dataset if isinstance(dataset, Subset) else dataset
    name = getattr(inner, 'opt', {}).get('name')
    loader = DataLoader(dataset, batch_size, num_workers=num_workers, generator=torch.Generator())
    with tqdm(total=len(dataset), unit='face', desc=name, disable=not progress) as bar:  # type: ignore[arg-type]
        for batch in _loaded_ahead(loader):
            with torch.inference_mode():
                for data in [batch] if step is None else each_face(step(batch)):
                    for evaluator in evaluators:
                        evaluator.process(data)
                    bar.update(len(data['lq']))


def each_face(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The faces of a batch, each as a batch of one.

    Args:
        data: ``lq``, probes (N, 3, q, q) or a list of groups of one size; all else is None or has N rows.
    """
    probes = [probe for group in probe_groups(data['lq']) for probe in group.split(1)]
    others = {key: value for key, value in data.items() if key != 'lq'}
    for face, probe in enumerate(probes):
        rows = {key: None if value is None else value[face : face + 1] for key, value in others.items()}
        yield {'lq': probe, **rows}


def _loaded_ahead(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, each loaded by a thread while the one before is at work."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield batch
