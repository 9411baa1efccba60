"""One measurement of one method: what names it, in the results and in the cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from rim_plugin.benchmark.cache import content_key
from rim_plugin.benchmark.settings import Method, absent_file


@dataclass(frozen=True)
class Measurement:
    """One measurement of one method.

    Attributes:
        method: whose.
        kind: ``speed``, ``sr``, ``pairs`` or ``native``.
        place: the set, for pairs the probes' size, and the kind of the probes where it is another than the set's.
        arguments: of its function in :mod:`rim_plugin.benchmark.measure`, after the pipeline; JSON values.
        gallery: for pairs, the arguments with which the gallery is embedded.
    """

    method: Method
    kind: str
    place: tuple[str, ...] = ()
    arguments: tuple[Any, ...] = ()
    gallery: tuple[Any, ...] = ()

    @property
    def key(self) -> str:
        """In the cache."""
        method = self.method
        networks = (method.networks, method.weights, method.recogniser, method.gallery)
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        machine = {'threads': torch.get_num_threads(), 'gpu': gpu} if self.kind == 'speed' else None
        return content_key(self.kind, self.arguments, *networks, machine)

    @property
    def where(self) -> tuple[str, ...]:
        """The method's name, the kind, and the place."""
        return (self.method.name, self.kind, *self.place)

    @property
    def absent(self) -> str | None:
        """What its set lacks, see :func:`absent_file`."""
        dataset = next(iter(self.arguments), None)
        return absent_file(dataset) if isinstance(dataset, Mapping) else None

    @property
    def gallery_key(self) -> str:
        """Of the gallery's embeddings in the cache, one for all methods with the same recogniser of gallery faces."""
        method = self.method
        embedder = [method.networks, method.weights] if method.gallery == 'hrn' else method.recogniser
        return content_key('gallery', self.gallery, embedder)

    def job(self) -> dict[str, Any]:
        """What :func:`rim_plugin.benchmark.measure.main` is sent."""
        gallery = {'key': self.gallery_key, 'arguments': self.gallery} if self.gallery else None
        return {'key': self.key, 'kind': self.kind, 'arguments': self.arguments, 'gallery': gallery}
