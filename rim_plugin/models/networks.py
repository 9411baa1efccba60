"""The networks of RIMModel: built, loaded, composed for inference, divided into the parts that learn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Literal

import torch
from torch import nn

from rim_plugin.archs.component_discriminator_arch import ComponentDiscriminator
from rim_plugin.archs.fhn_arch import FHN, TriPathGenerator
from rim_plugin.archs.hrn_arch import HRN, template_options
from rim_plugin.archs.layers import assembled
from rim_plugin.archs.mix_discriminator_arch import MixAdversarialDiscriminator, is_mixed, mixed_options
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.building import build_block
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.weights_file import packed_options

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger


@dataclass(frozen=True)
class RIMNets:
    """RIM's networks, as far as they are there.

    Attributes:
        generator: ``network_g``: theta_G, or another SR network.
        discriminator: ``network_d``: theta_i and theta_d; beside another SR network a discriminator of images.
        components: ``network_c``: a discriminator for each component of a face.
        recogniser: ``network_r``: theta_S and theta_A.
        teacher: ``network_t``, frozen.
    """

    generator: nn.Module | None = None
    discriminator: nn.Module | None = None
    components: ComponentDiscriminator | None = None
    recogniser: HRN | None = None
    teacher: Recogniser | None = None

    @property
    def learning(self) -> dict[str, nn.Module]:
        """The networks that learn, by the letter of their options and files."""
        nets = {'g': self.generator, 'd': self.discriminator, 'c': self.components, 'r': self.recogniser}
        return {label: net for label, net in nets.items() if net is not None}

    @property
    def mixed(self) -> MixAdversarialDiscriminator | None:
        """RIM's own discriminator, with the integrator, where the generator is tri-path."""
        return self.discriminator if isinstance(self.discriminator, MixAdversarialDiscriminator) else None

    @property
    def image_discriminator(self) -> nn.Module | None:
        """What tells SR images from HR ones, for ``gan_opt``."""
        return self.discriminator if self.mixed is None else self.mixed.image

    @property
    def fhn(self) -> nn.Module | None:
        """Probe to SR image: the FHN of generator and integrator, another SR network itself, or None."""
        if self.mixed is None:
            return self.generator
        return assembled(FHN, generator=self.generator, integrator=self.mixed.integrator)

    def pipeline(self, gallery: str | None = None, sides: tuple[int, int] | None = None) -> RIMPipeline:
        """RIM over these networks, which share their parameters with it."""
        return RIMPipeline(self.fhn, self.recogniser, self.teacher, gallery, sides)

    def start_from_teacher(self) -> None:
        """Give student and assistant the teacher's weights, see :meth:`HRN.start_from`; without one of them nothing."""
        if self.recogniser is not None and self.teacher is not None:
            self.recogniser.start_from(self.teacher)

    def parts(self, losses: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """What learns by an optimizer of its own, by the name of the part, see :data:`~.phases.base.PARTS`."""
        parts: dict[str, nn.Module | None] = {'generator': self.generator}
        if (both := self.mixed) is not None:
            parts.update(integrator=both.integrator, discriminator=both.discriminator if 'domain' in losses else None)
        parts.update(image_discriminator=self.image_discriminator if 'gan' in losses else None)
        parts.update(component_discriminator=self.components if 'gan_component' in losses else None)
        if self.recogniser is not None:
            # the weights of the loss on identities, one vector a person, learn with the student
            classifier = [losses['identity']] if 'identity' in losses else []
            student = nn.ModuleList([self.recogniser.student, *classifier])
            parts.update(student=student, assistant=self.recogniser.assistant)
        return {name: part for name, part in parts.items() if part is not None}

    def copy(self) -> RIMNets:
        """Constant copies of the networks that learn, with the same teacher."""
        nets = deepcopy((self.generator, self.discriminator, self.components, self.recogniser))
        for net in nets:
            if net is not None:
                net.eval().requires_grad_(False)
        return RIMNets(*nets, self.teacher)

    def wrapped(self, wrap: Callable[[nn.Module], Any], compiled: Collection[str] = ()) -> RIMNets:
        """The networks as phases call them.

        Args:
            wrap: for distributed training; of integrator and discriminator, each by itself.
            compiled: names of the networks to compile.
        """

        def ready(name: str, net: Any) -> Any:
            if net is not None and name in compiled:
                net.compile()
            return None if net is None else wrap(net)

        teacher: Any = torch.compile(self.teacher) if compiled and self.teacher is not None else self.teacher
        generator, components = ready('generator', self.generator), ready('components', self.components)
        if (both := self.mixed) is None:
            discriminator = ready('image', self.discriminator)
        else:
            parts = {name: ready(name, part) for name, part in both.named_children()}
            discriminator = assembled(MixAdversarialDiscriminator, **{'image': None, **parts})
        return RIMNets(generator, discriminator, components, ready('recogniser', self.recogniser), teacher)


def build_teacher(opt: Mapping[str, Any], with_weights: bool = True) -> Recogniser | None:
    """The teacher, ``network_t``, with its weights unless told otherwise, frozen; None without it.

    Raises:
        ValueError: it has no weights.
    """
    if 'network_t' not in opt:
        return None
    net = build_block('network_t', opt['network_t'])
    if not isinstance(net, Recogniser):
        raise ValueError(f'network_t: {type(net).__name__} is no recogniser; take e.g. MobileFaceNet')
    path = opt['path'].get('pretrain_network_t')
    if path is None and list(net.parameters()):  # an OnnxRecogniser brings its own
        raise ValueError('path.pretrain_network_t is missing: name the weights of the teacher, network_t')
    if path is not None and with_weights:
        load_recogniser_weights(net, path)
    return net.eval().requires_grad_(False)


def build_nets(blocks: Mapping[str, Any], teacher: Recogniser | None = None) -> RIMNets:
    """The networks that learn, ``network_g``, ``_d``, ``_c`` and ``_r``, as far as they are there; and a teacher.

    Args:
        blocks: options by the names of their blocks; others are passed over.
        teacher: from which student and assistant learn.

    Raises:
        ValueError: a network is missing that another needs, or cannot be built with its options.
    """
    nets = RIMNets(teacher=teacher)
    if 'network_g' in blocks:
        nets = replace(nets, generator=build_block('network_g', blocks['network_g']))
    if nets.generator is not None:
        nets = replace(nets, discriminator=build_discriminator(blocks.get('network_d'), nets.generator))
    if 'network_c' in blocks:
        nets = replace(nets, components=build_components(blocks['network_c']))
    if 'network_r' in blocks:
        if (like := template_options(blocks['network_r'], blocks.get('network_t'))) is None:
            raise ValueError(
                'network_t is missing: student and assistant, network_r, learn from a teacher; to learn from '
                'train.identity_opt alone, give network_r head: own and a student with a type'
            )
        nets = replace(nets, recogniser=build_block('network_r', {**blocks['network_r'], 'teacher': like}))
    return nets


def build_discriminator(options: Mapping[str, Any] | None, generator: nn.Module) -> nn.Module | None:
    """``network_d``, as its generator needs it: RIM's, of features, for a tri-path one; else of images, or None.

    Raises:
        ValueError: see :func:`build_nets`.
    """
    name = type(generator).__name__
    if isinstance(generator, TriPathGenerator):
        if options is None:
            raise ValueError(f'network_d is missing: {name} needs a MixAdversarialDiscriminator')
        sizes = {'in_channels': generator.fused_channels, 'image_size': generator.image_size}
        return build_block('network_d', {**mixed_options(options, generator.integrator_type), **sizes})
    if options is not None and is_mixed(options):
        raise ValueError(
            f'network_d is {options["type"]}: it takes the features of a TriPathGenerator, and network_g is {name}; '
            'leave network_d out, or name a discriminator of images for gan_opt'
        )
    return None if options is None else build_block('network_d', options)


def build_components(options: Mapping[str, Any]) -> ComponentDiscriminator:
    """``network_c``; raises ValueError, see :func:`build_nets`."""
    net = build_block('network_c', options)
    if not isinstance(net, ComponentDiscriminator):
        raise ValueError(
            f'network_c is {options["type"]}: give it as net of a ComponentDiscriminator, one for each component'
        )
    return net


def in_layout(net: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The network with its 2-d convolutions in a memory format; torch's own ``to`` fails on weights of five axes."""
    for value in (*net.parameters(), *net.buffers()):
        if value.ndim == 4:
            value.data = value.data.contiguous(memory_format=layout)
    return net


def load_weights(model: BaseModel, nets: RIMNets, param_key: str | None = None) -> None:
    """Load the weights that ``path`` of a model's options names.

    Args:
        model: BasicSR's.
        nets: those that learn take the weights.
        param_key: which ones of a file. None: as the options say.
    """
    path = model.opt['path']
    for label, net in nets.learning.items():
        if path.get(f'pretrain_network_{label}') is not None:
            key = param_key or path.get(f'param_key_{label}', 'params')
            model.load_network(net, path[f'pretrain_network_{label}'], path.get(f'strict_load_{label}', True), key)


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


def compilable(device: torch.device, sizes_per_batch: int | Literal['all']) -> tuple[str, ...]:
    """Names of the networks that ``train.compile`` compiles: those whose input keeps its shape.

    Args:
        device: on a CPU a C++ compiler is needed.
        sizes_per_batch: how many sizes of probes a batch has, see ``query_sizes_per_batch``.
    """
    if device.type == 'cpu' and not any(map(shutil.which, (os.environ.get('CXX', 'g++'), 'clang++'))):
        get_root_logger().warning(
            'train.compile is off: it needs a C++ compiler, and there is neither g++ nor clang++.'
        )
        return ()
    fixed = ('integrator', 'recogniser', 'teacher')
    return ('generator', *fixed) if sizes_per_batch == 1 else fixed
