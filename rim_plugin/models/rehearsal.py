"""A training step without numbers: what does not go together shows in shapes, before anything is made on disk."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from torch.utils.data import default_collate

from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.evaluation.metric import FunctionMetric, ImageMetric, build_metric
from rim_plugin.models.fitting import called, check_faces
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.models.phases.base import Phase

import basicsr.losses  # noqa: F401  # which registers them
from basicsr.utils.registry import LOSS_REGISTRY

Loss = Callable[..., Any]
Parts = TypeVar('Parts')


class _Shapes:
    """In the place of an :class:`Optimisation`: nothing learns."""

    def backward(self, losses: Mapping[str, Tensor]) -> None:
        """No gradients."""

    def step(self, names: Iterable[str]) -> None:
        """No steps."""

    def finish(self) -> dict[str, Tensor]:
        return {}


def rehearsed_losses(blocks: Mapping[str, Any], terms: Iterable[str]) -> dict[str, Loss]:
    """The losses ``TERM_opt`` of the block ``train``, whose errors name the option.

    They are computed on the CPU, from zeros where tensors have no numbers. Perceptual losses, whose network has to be
    downloaded, are a mean instead.
    """
    losses: dict[str, Loss] = {}
    for term in terms:
        if _is_perceptual(blocks.get(f'{term}_opt')):
            losses[term] = lambda sr, *_: sr.mean()
        elif blocks.get(f'{term}_opt'):
            losses[term] = _OnZeros(f'train.{term}_opt', blocks[f'{term}_opt'])
    return losses


def _is_perceptual(block: object) -> bool:
    """Whether a loss is, or has within, BasicSR's perceptual one."""
    return isinstance(block, Mapping) and (
        block.get('type') == 'PerceptualLoss' or any(map(_is_perceptual, block.values()))
    )


class _OnZeros:
    """A loss of the options, computed from zeros where tensors have no numbers.

    Raises:
        OptionsError: it cannot be built.
    """

    def __init__(self, place: str, block: Mapping[str, Any]) -> None:
        arguments = dict(block)
        try:  # BasicSR's build_loss would open the log, whose file is not known yet
            self.module = LOSS_REGISTRY.get(arguments.pop('type'))(**arguments)  # by whose name errors call it
        except Exception as error:
            raise OptionsError(f'{place}: {first_words(error)}') from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*tree_map(_with_numbers, args), **kwargs)


def _with_numbers(value: Any) -> Any:
    return torch.zeros(value.shape, dtype=value.dtype) if torch.is_tensor(value) and value.is_meta else value


class _ShapesKept(TorchFunctionMode):
    """On ``meta``, normalisation and PReLU give a tensor of their input's shape, as they do.

    torch works them out there in Python, operation by operation: half of a rehearsal's time.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (F.batch_norm, F.prelu) and _fits(*args[:2]):
            return torch.empty_like(args[0])
        return function(*args, **(kwargs or {}))


def _fits(maps: Tensor, weight: Tensor | None) -> bool:
    """Whether a map of more than one pixel has the channels that ``weight`` is for."""
    of_pixels = maps.is_meta and maps.dim() == 4 and maps[0, 0].numel() > 1
    return of_pixels and weight is not None and weight.numel() in (1, maps.shape[1])


def rehearse(phases: Iterable[Phase], item: Mapping[str, Any], device: str, domain_interval: int) -> None:
    """One step of every phase on two copies of an item of the training data.

    Args:
        phases: over networks on ``device``.
        item: as the dataset gives it.
        device: ``meta`` for shapes alone.
        domain_interval: an iteration in which every term is computed.

    Raises:
        Exception: whatever a network or a loss raises where something does not fit.
    """
    batch = Batch.from_data(default_collate([item, item]), device)
    optimisation = cast(Optimisation, _Shapes())
    with warnings.catch_warnings(), torch.no_grad(), _ShapesKept():
        warnings.simplefilter('ignore')  # they come again with the training
        for phase in phases:
            phase.check_data(batch)
            phase.step([batch], domain_interval, optimisation)


def rehearse_sr(
    nets: Mapping[str, nn.Module], losses: Mapping[str, Loss], item: Mapping[str, Any], device: str
) -> None:
    """A step of an SR network, ``network_g``, and of a discriminator of images, ``network_d``, if there is one.

    Raises:
        Exception: see :func:`rehearse`.
    """
    batch = Batch.from_data(default_collate([item, item]), device)
    with warnings.catch_warnings(), torch.no_grad(), _ShapesKept():
        warnings.simplefilter('ignore')
        sr = torch.cat([called('network_g', nets['network_g'], probes) for probes in batch.probes])
        check_faces('network_g', nets['network_g'], sr, batch.truth)
        for name in {'pixel', 'perceptual'} & losses.keys():
            called(f'train.{name}_opt', losses[name], sr, batch.truth)
        if 'network_d' in nets:
            nets['network_d'](sr)


def check_by_rehearsal(rehearsal: Callable[[Parts, str], None], described: Parts, build: Callable[[], Parts]) -> None:
    """A rehearsal on networks without numbers; where it fails, on real ones, which decide.

    Args:
        rehearsal: of networks, or phases over them, on a device.
        described: these on ``meta``.
        build: makes them on the CPU.

    Raises:
        OptionsError: it fails.
    """
    try:
        rehearsal(described, 'meta')
    except Exception:  # not everything can be told without numbers
        try:
            rehearsal(build(), 'cpu')
        except OptionsError:
            raise
        except Exception as error:
            raise OptionsError(f'the first iteration would fail: {first_words(error)}') from None


def gt_size(options: Mapping[str, Any]) -> int:
    """Side of the faces of validation, pixels, as a whole options file says."""
    sizes = [block.get('gt_size') or 224 for key, block in options.get('datasets', {}).items() if key != 'train']
    return min(sizes, default=224)


def check_metrics(blocks: Mapping[str, Any], side: int) -> None:
    """Build every metric of ``val: metrics``, and measure a grey ramp with ours that compare two images.

    Args:
        blocks: metrics by name.
        side: of the faces that they will measure, pixels.

    Raises:
        OptionsError: an argument cannot be.
    """
    face = torch.linspace(0, 1, side).expand(1, 3, side, side)
    for name, block in blocks.items():
        try:
            metric = build_metric(block)
            if isinstance(metric, ImageMetric) and not isinstance(metric, FunctionMetric) and metric.images_alone:
                metric.update({'sr': face, 'gt': face})
        except Exception as error:
            raise OptionsError(f'val.metrics.{name}: {first_words(error)}') from None
