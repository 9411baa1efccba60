"""What a metric is, the registry of metrics, and how one is made from its options.

A metric is a class in a file of ``rim_plugin/evaluation/metrics``. Once it is registered, ``val: metrics`` can name it,
and its ``standard`` columns are in every weights card and every benchmark.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
import torchmetrics
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from basicsr.utils import tensor2img
from basicsr.utils.registry import METRIC_REGISTRY


class Metric(torchmetrics.Metric):
    """A metric of torchmetrics whose ``update`` takes a dict: what an evaluator knows of a batch of faces or of pairs.

    BasicSR validates on rank 0 alone, so ``compute`` does not wait for other ranks; :meth:`sync` gathers from all.

    Attributes:
        higher_is_better: which of two values is the better.
        title: head of its column in tables.
        digits: behind the point in tables.
        needs: keys of the data that it reads; where one is absent, an evaluator leaves the metric out.
        standard: its columns in weights cards and benchmarks: name to the constructor's arguments.
        order: place among the columns, low ones first.
        axis: label of an axis of figures; a benchmark draws the cumulative distribution of metrics that have one.
        rule: how it is computed, for result files.
        replaces: a per-image function of BasicSR with the same result, whose name in YAML it takes over.
        files: arguments that name a file, to what that file is.
    """

    higher_is_better: bool = True
    title: str = ''
    digits: ClassVar[int] = 4
    needs: tuple[str, ...] = ()
    standard: ClassVar[dict[str, dict[str, Any]]] = {}
    order: ClassVar[int] = 100
    axis: str = ''
    rule: str = ''
    replaces: ClassVar[str | None] = None
    files: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)

    @property
    def heading(self) -> str:
        """The title, with a remark where less is better."""
        return self.title if self.higher_is_better else f'{self.title} (less is better)'

    def applies_to(self, data: Mapping[str, Any]) -> bool:
        """Whether all that it needs is there."""
        return all(data.get(key) is not None for key in self.needs)

    def update(self, data: Mapping[str, Any]) -> None:
        """Take in a batch."""
        raise NotImplementedError

    def compute(self) -> float:
        """The value over all batches since ``reset``."""
        raise NotImplementedError


class ImageMetric(Metric):
    """A metric of faces, the mean over them. Subclasses implement :meth:`measure`.

    Attributes:
        per_face: whether a face by itself has a value.
    """

    per_face: ClassVar[bool] = True
    measured: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state('measured', default=[], dist_reduce_fx='cat')

    @property
    def images_alone(self) -> bool:
        """Whether it compares SR and HR images and nothing else, so that bicubic can be measured with it."""
        return self.needs == ('sr', 'gt')

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """What is kept of each face of a batch, (n, ...)."""
        raise NotImplementedError

    def update(self, data: Mapping[str, Any]) -> None:
        """Measure a batch of faces."""
        self.measured.append(self.measure(data).detach().to(self.device))

    @property
    def values(self) -> Tensor:
        """The value of each face so far, float64 (N,)."""
        return dim_zero_cat(self.measured).double()

    def compute(self) -> float:
        """Mean over the faces."""
        return float(self.values.mean())


class SetMetric(ImageMetric):
    """A metric of a set of faces that is no mean over them. Subclasses implement :meth:`measure` and :meth:`over`."""

    def over(self, faces: Tensor) -> float:
        """The value over some of the faces so far: their numbers (n,) int64, with repetitions."""
        raise NotImplementedError

    def compute(self) -> float:
        """Over all faces."""
        return self.over(torch.arange(len(dim_zero_cat(self.measured))))

    def resampled(self, resamples: int, seed: int = 0) -> np.ndarray:
        """Values over bootstrap samples of the faces, (resamples,) float64; the same faces for every metric and method
        with one seed and number of faces, so that differences are paired."""
        count = len(dim_zero_cat(self.measured))
        draws = np.random.default_rng(seed).integers(count, size=(resamples, count))
        return np.array([self.over(torch.from_numpy(draw)) for draw in draws])


class PairMetric(Metric):
    """A metric of all pairs of a list, or of all probes against a gallery.

    The data have ``scores`` (P,) similarities, ``issame`` (P,) bool and ``folds`` (P,) int; with identification also
    ``similarity`` (probes, gallery images), ``probe_identities`` and ``gallery_identities``.
    """

    def gathered(self, state: str) -> np.ndarray:
        """A state that is a list of tensors, of all updates."""
        return dim_zero_cat(getattr(self, state)).cpu().numpy()

    def figures(self, column: str) -> dict[str, Any]:
        """JSON values for a result file: the value under the name of its column, and details of a subclass."""
        return {column: self.compute()}

    def roc_mark(self, value: float) -> tuple[float, float] | None:
        """FAR and TAR of a point that curves mark for a value of this metric."""
        return None


class ScoreMetric(PairMetric):
    """A metric of the scores of pairs: what it needs is kept as it is."""

    needs: tuple[str, ...] = ('scores', 'issame')

    def __init__(self) -> None:
        super().__init__()
        for key in self.needs:
            self.add_state(key, default=[], dist_reduce_fx='cat')

    def update(self, data: Mapping[str, Any]) -> None:
        """Take in pairs."""
        for key in self.needs:
            getattr(self, key).append(torch.as_tensor(np.asarray(data[key]), device=self.device))


class FunctionMetric(ImageMetric):
    """A function of BasicSR's registry, ``f(img, img2, ...)`` or ``f(img, ...)`` on BGR uint8 images, face by face.

    Args:
        function: returns one number.
        **arguments: for the function.
    """

    def __init__(self, function: Callable[..., float], **arguments: Any) -> None:
        super().__init__()
        self.function, self.arguments = function, arguments
        self.needs = ('sr', 'gt') if 'img2' in signature(function).parameters else ('sr',)

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64."""
        names = dict(zip(('img', 'img2'), self.needs))
        # clones: tensor2img clamps its argument in place
        faces = [
            {name: tensor2img(data[key][i].clone()) for name, key in names.items()} for i in range(len(data['sr']))
        ]
        return torch.tensor([float(self.function(**face, **self.arguments)) for face in faces], dtype=torch.float64)


METRICS: dict[str, type[Metric]] = {}
_LOWER_IS_BETTER = frozenset({'calculate_niqe'})  # of BasicSR's own functions, which cannot tell
_M = TypeVar('_M', bound=Metric)


def register_metric(name: str) -> Callable[[type[_M]], type[_M]]:
    """Class decorator: the metric is ``name`` under ``val: metrics``, and in BasicSR's registry.

    Raises:
        ValueError: the name is taken.
    """

    def register(metric: type[_M]) -> type[_M]:
        if name in METRICS:
            raise ValueError(f'{name} is registered already, for {METRICS[name].__name__}')
        METRIC_REGISTRY._do_register(name, metric)  # register() would take the name of the class
        METRICS[name] = metric
        if metric.replaces is not None:
            METRICS[metric.replaces] = metric
        return metric

    return register


def build_metric(options: Mapping[str, Any]) -> Metric:
    """The metric of a block under ``val: metrics``: ``type``, arguments, and ``better``, see :func:`best_direction`."""
    arguments = {key: value for key, value in options.items() if key not in ('type', 'better')}
    name = options['type']
    return METRICS[name](**arguments) if name in METRICS else FunctionMetric(METRIC_REGISTRY.get(name), **arguments)


def best_direction(options: Mapping[str, Any]) -> str:
    """``higher`` or ``lower``: what ``better`` says in a metric's options, else the metric itself."""
    name = options['type']
    higher = METRICS[name].higher_is_better if name in METRICS else name not in _LOWER_IS_BETTER
    return str(options.get('better') or ('higher' if higher else 'lower'))


def standard_metrics(kind: type[_M]) -> dict[str, _M]:
    """The ``standard`` columns of every registered metric of a kind, in their order: column to metric.

    Args:
        kind: :class:`ImageMetric` or :class:`PairMetric`.
    """
    classes = [each for each in set(METRICS.values()) if issubclass(each, kind)]
    ordered = sorted(classes, key=lambda metric: (metric.order, metric.__name__))
    return {column: each(**arguments) for each in ordered for column, arguments in each.standard.items()}
