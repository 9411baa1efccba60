"""The networks of RIMModel: built from options, composed for inference, divided into the parts that learn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import nn

from rim_plugin.archs.fhn_arch import FHN, TriPathGenerator
from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.layers import build_network
from rim_plugin.archs.mix_discriminator_arch import MixAdversarialDiscriminator
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.weights_file import packed_options

from basicsr.utils import get_root_logger

Nets = dict[str, nn.Module]  # by the letter of their options: g, d, r
Built = TypeVar('Built')


def describe(build: Callable[..., Built], *args: Any) -> Built:
    """What ``build(*args)`` gives, networks to look at and not to run, which take no memory and no random numbers."""
    with torch.random.fork_rng([]):
        try:
            with torch.device('meta'):
                return build(*args)
        except (RuntimeError, NotImplementedError):  # a network that computes with its weights while it is built
            return build(*args)


def build_teacher(opt: Mapping[str, Any], with_weights: bool = True) -> Recogniser | None:
    """The teacher, ``network_t``, with its weights unless told otherwise, frozen; None without it.

    Raises:
        ValueError: it has no weights.
    """
    if 'network_t' not in opt:
        return None
    net = build_network(opt['network_t'])
    path = opt['path'].get('pretrain_network_t')
    if path is None and list(net.parameters()):  # an OnnxRecogniser brings its own
        raise ValueError('path.pretrain_network_t is missing: name the weights of the teacher, network_t')
    if path is not None and with_weights:
        load_recogniser_weights(net, path)
    return net.eval().requires_grad_(False)


def build_nets(blocks: Mapping[str, Any], teacher: Mapping[str, Any] | None) -> Nets:
    """The networks that learn: ``network_g``, ``network_d`` and ``network_r``, as far as they are there.

    Args:
        blocks: options by the names of their blocks; others are passed over.
        teacher: options of the recogniser from which student and assistant learn.

    Raises:
        ValueError: a network is missing that another needs.
    """
    nets: Nets = {}
    if 'network_g' in blocks:
        nets['g'] = build_network(blocks['network_g'])
    generator = nets.get('g')
    if isinstance(generator, TriPathGenerator):
        if 'network_d' not in blocks:
            raise ValueError('network_d is missing: TriPathGenerator needs a MixAdversarialDiscriminator')
        sizes = {'in_channels': generator.fused_channels, 'image_size': generator.image_size}
        nets['d'] = build_network({**blocks['network_d'], **sizes})
    if 'network_r' in blocks:
        if teacher is None:
            raise ValueError('network_t is missing: student and assistant, network_r, learn from a teacher')
        nets['r'] = build_network({**blocks['network_r'], 'teacher': teacher})
    return nets


def warn_of_other_options(path: str, options: Mapping[str, Any]) -> None:
    """Two options of HRN change what it computes, but neither names nor shapes of the weights in ``path``."""
    trained = packed_options(path, 'hrn')
    for key in ('assistant_view', 'fusion') if trained else ():
        default = signature(HRN).parameters[key].default
        there, here = trained.get(key, default), options.get(key, default)
        if there != here:
            get_root_logger().warning(
                f'{path} was trained with network_r.{key}: {there}; here it is {here}, with which these weights do '
                'worse.'
            )


def compose_fhn(nets: Nets) -> nn.Module | None:
    """Probe to SR image: the FHN of generator and integrator, another SR network itself, or None."""
    generator, net_d = nets.get('g'), nets.get('d')
    if isinstance(generator, TriPathGenerator) and isinstance(net_d, MixAdversarialDiscriminator):
        return FHN.from_parts(generator, net_d.integrator)
    return generator


def compose_pipeline(nets: Nets, teacher: Recogniser | None, gallery: str | None = None) -> RIMPipeline:
    """RIM over existing networks, which share their parameters with it."""
    hrn = nets.get('r')
    assert hrn is None or isinstance(hrn, HRN)
    return RIMPipeline(compose_fhn(nets), hrn, teacher, gallery)


def learning_parts(nets: Nets, losses: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """What learns by an optimizer of its own, by the name of the part, see :data:`~.phases.base.PARTS`."""
    net_d, net_r, classifier = nets.get('d'), nets.get('r'), losses.get('identity')
    parts: dict[str, nn.Module | None] = {'generator': nets.get('g')}
    if isinstance(net_d, MixAdversarialDiscriminator):
        parts.update(integrator=net_d.integrator, discriminator=net_d.discriminator if 'domain' in losses else None)
    if isinstance(net_r, HRN):
        # the weights of the loss on identities, one vector a person, learn with the student
        student = [net_r.student, *([classifier] if classifier is not None else [])]
        parts.update(student=nn.ModuleList(student), assistant=net_r.assistant)
    return {name: part for name, part in parts.items() if part is not None}


def compilable(device: torch.device, sizes_per_batch: int) -> tuple[str, ...]:
    """Names of the networks that ``train.compile`` compiles: those whose input keeps its shape.

    Args:
        device: on a CPU a C++ compiler is needed.
        sizes_per_batch: how many sizes of probes a batch has.
    """
    if device.type == 'cpu' and not any(map(shutil.which, (os.environ.get('CXX', 'g++'), 'clang++'))):
        get_root_logger().warning(
            'train.compile is off: it needs a C++ compiler, and there is neither g++ nor clang++.'
        )
        return ()
    fixed = ('integrator', 'recogniser', 'teacher')
    return fixed if sizes_per_batch > 1 else ('generator', *fixed)
