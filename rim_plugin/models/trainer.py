"""A training of RIM: losses, phases, optimizers and averaged weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from rim_plugin.batch import Batch
from rim_plugin.models.captured_steps import CapturedSteps, CUDAGraphs, Graphs
from rim_plugin.models.networks import RIMNets, compilable, load_weights
from rim_plugin.models.optimisation import Optimisation, Part
from rim_plugin.models.phases.base import PARTS, PHASES, Losses, Phase, Setting, loss_terms
from rim_plugin.models.phases.schedule import Schedule
from rim_plugin.options.schema import RIMTrain
from rim_plugin.run_state import check_finite

from basicsr.losses import build_loss
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger

FUSED = ('Adam', 'AdamW', 'SGD')  # optimizers of torch.optim with such a kernel


def recogniser_is_trained(options: Mapping[str, Any]) -> bool:
    """Whether the HRN of a training begins with weights of another one, or of the teacher."""
    return bool(options['train'].get('start_from_teacher') or options['path'].get('pretrain_network_r'))


def can_capture(model: BaseModel) -> bool:
    """Whether steps of a model can be recorded as CUDA graphs; else a warning says why not."""
    if model.device.type == 'cuda' and not model.opt['dist']:
        return True
    get_root_logger().warning('train.captured is off: it needs a GPU, and a training by one process.')
    return False


def fused(kind: str, options: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Options of an optimizer of torch.optim, with one kernel for all parameters on a GPU unless they say otherwise."""
    chosen = kind not in FUSED or device.type != 'cuda' or {'fused', 'foreach', 'differentiable'} & options.keys()
    return dict(options) if chosen else {**options, 'fused': True}


def new_graphs(device: torch.device) -> Graphs:
    """Who records steps on a device."""
    return CUDAGraphs(device)


def copy_together(targets: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    """Copy tensors to others of their types and shapes, those of one type together: one kernel on a GPU."""
    kinds: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}
    for target, value in zip(targets, values, strict=True):
        kinds.setdefault(value.dtype, []).append((target, value))
    for pairs in kinds.values():
        torch._foreach_copy_([target for target, _ in pairs], [value for _, value in pairs])


class Trainer:
    """Trains RIM's networks phase by phase.

    Args:
        model: BasicSR's, which has the options, wraps networks for distributed runs and keeps the optimizers.
        nets: that learn.
        options: ``train:``.
        gallery: of the pipeline, see :class:`~rim_plugin.pipeline.RIMPipeline`.

    Attributes:
        losses: by their terms.
        ema_nets: the averaged networks; without EMA the current ones.
        pipeline: RIM of the averaged networks.
        phases: of the run, by name.

    Raises:
        ValueError: networks, losses and phases do not fit together; the message names the option.
    """

    def __init__(self, model: BaseModel, nets: RIMNets, options: RIMTrain, gallery: str | None) -> None:
        self.nets, self.options, blocks = nets, options, model.opt['train']
        terms = [term for term in loss_terms() if blocks.get(f'{term}_opt')]
        self.losses: dict[str, nn.Module] = {term: build_loss(blocks[f'{term}_opt']).to(model.device) for term in terms}
        self.schedule = Schedule(options)
        sizes = model.opt.get('datasets', {}).get('train', {}).get('query_sizes_per_batch', 1)
        compiled = compilable(model.device, sizes) if options.compile else ()
        wrapped = nets.wrapped(model.model_to_device, compiled)  # from then on every rank has rank 0's weights
        self.ema_nets = nets
        if options.ema_decay > 0:
            self.ema_nets = nets.copy()
            load_weights(model, self.ema_nets, 'params_ema')
        self.pipeline = self.ema_nets.pipeline(gallery)
        is_trained = recogniser_is_trained(model.opt)
        warn = cache(get_root_logger().warning)
        setting = Setting(wrapped, self.losses, self.pipeline, options, is_trained, model.device, warn)
        self.phases = {name: PHASES[name](setting) for name in self.schedule.names}
        self.phase: Phase | None = None
        self._captured: CapturedSteps | None = None
        self._check_phases()
        parts = self._parts(model)
        scaler = torch.amp.GradScaler(model.device.type, enabled=options.amp == 'fp16')
        check = partial(check_finite, model)
        self.optimisation = Optimisation(parts, scaler, options.grad_clip, options.accumulate, check)
        self._device, self._captures = model.device, options.captured and can_capture(model)

    def _check_phases(self) -> None:
        for phase in self.phases.values():
            phase.check()
        active = {term for phase in self.phases.values() for term in phase.active_terms()}
        if idle := [f'train.{term}_opt' for term in self.losses if term not in active]:
            get_root_logger().warning(f'{", ".join(idle)}: off, since no phase of this run has a use for them.')

    def _parts(self, model: BaseModel) -> dict[str, Part]:
        """An optimizer for each part that a phase of the run trains."""
        parts = {}
        for name, module in self.nets.parts(self.losses).items():
            if not self.schedule.trains(name):
                continue
            options = dict(model.opt['train'].get(f'optim_{PARTS[name]}') or {'type': 'RMSprop', 'lr': 1e-3})
            kind = options.pop('type')
            params: Any = module.parameters()
            if name == 'student' and 'identity' in self.losses:
                rate = options['lr'] if self.options.classifier_lr is None else self.options.classifier_lr
                student, weights = module.children()
                params = [{'params': student.parameters()}, {'params': weights.parameters(), 'lr': rate}]
            optimizer = model.get_optimizer(kind, params, **fused(kind, options, model.device))
            parts[name] = Part(module, optimizer)
            model.optimizers.append(parts[name].optimizer)
        return parts

    def step(self, batch: Batch, iteration: int) -> Losses:
        """One step of the phase to which the iteration, from 1, belongs.

        Returns:
            Every term by its name in the log, averaged over its micro-batches and without graph.

        Raises:
            OptionsError: the batch lacks what the phase requires.
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        phase = self.enter_phase(iteration)
        phase.check_data(batch)
        if self._captured is not None:
            losses = self._captured.step(batch, iteration)
        else:
            losses = phase.step(batch.chunks(self.options.accumulate), iteration, self.optimisation)
        if self.options.ema_decay > 0:
            done = self.schedule.since(iteration)
            self.average(min(self.options.ema_decay, (1 + done) / (10 + done)))
        return losses

    def enter_phase(self, iteration: int) -> Phase:
        """The phase of an iteration. Its parts learn; the others are constant, their normalisation layers too."""
        phase = self.phases[self.schedule.at(iteration)]
        if phase is self.phase:
            return phase
        self.phase = phase
        if self.schedule.begins(iteration):
            get_root_logger().info(f'Phase {phase.name} begins.')
            for label, net in self.ema_nets.learning.items():
                self.nets.learning[label].load_state_dict(net.state_dict())
        parts = self.optimisation.parts
        for net in [*self.nets.learning.values(), *(part.module for part in parts.values())]:
            net.eval().requires_grad_(False)
        for name, part in parts.items():
            if name in phase.parts:
                part.module.train().requires_grad_(True)
        if self._captures:  # graphs of the phase before name other parameters
            warn = cache(get_root_logger().warning)
            self._captured = CapturedSteps(phase, self.optimisation, new_graphs(self._device), self._device, warn)
        return phase

    @torch.no_grad()
    def average(self, decay: float) -> None:
        """Move the averaged networks towards the current ones, as far as their phase trains them; buffers are
        copied."""
        for label, ema_net in self.ema_nets.learning.items():
            net = self.nets.learning[label]
            values = zip(ema_net.parameters(), net.parameters(), strict=True)
            pairs = [(average, value) for average, value in values if value.requires_grad]
            if pairs:
                get_ema_multi_avg_fn(decay)(*map(list, zip(*pairs)), None)
                copy_together(ema_net.buffers(), net.buffers())
