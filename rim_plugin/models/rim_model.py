"""RIM inside BasicSR's loop: hallucination (Eqs. 1 to 10) and recognition (Eqs. 11, 12), phase by phase."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from rim_plugin.batch import Batch
from rim_plugin.evaluation.image_evaluator import face_data
from rim_plugin.evaluation.metric import METRICS
from rim_plugin.models.networks import (
    build_nets,
    build_teacher,
    compilable,
    compose_fhn,
    compose_pipeline,
    describe,
    learning_parts,
    warn_of_other_options,
)
from rim_plugin.models.optimisation import Optimisation, Part
from rim_plugin.models.phases.base import PARTS, PHASES, Networks, Phase, Setting
from rim_plugin.models.phases.schedule import Schedule
from rim_plugin.models.validation import Validation
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import RIMTrain, ValOptions
from rim_plugin.pipeline import inference_mode
from rim_plugin.run_state import check_finite

from basicsr.losses import build_loss
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@MODEL_REGISTRY.register()
class RIMModel(SRModel):
    """Resolution Invariant Model.

    Networks: ``network_g`` (TriPathGenerator, theta_G; or another SR network), ``network_d``
    (MixAdversarialDiscriminator: theta_i and theta_d), ``network_t`` (the teacher, frozen) and ``network_r`` (HRN:
    theta_S and theta_A).

    The phases of a run, see :mod:`rim_plugin.models.phases`, follow each other, each beginning with the averaged
    weights of the one before. :meth:`feed_data` makes a :class:`Batch`, :meth:`Phase.step` takes it to the losses.

    Every save also writes ``net_fhn_*.pth``: the FHN for inference, which BasicSR's own SRModel and test.py load.

    Options: :class:`~rim_plugin.options.schema.RIMTrain` and :class:`~rim_plugin.options.schema.ValOptions`; under
    ``train:`` also a block ``TERM_opt`` for each term of the phases' losses, and ``optim_LETTER`` for each of their
    parts (RMSprop at 1e-3 by default).

    Raises:
        ValueError: networks, losses and phases do not fit together; the message names the option.
    """

    train_options = RIMTrain
    val_options = ValOptions
    metric_types = METRICS
    network_arguments = {'network_d': ('in_channels', 'image_size'), 'network_r': ('teacher',)}  # which it gives itself

    options: RIMTrain
    phase: Phase | None

    @classmethod
    def loss_terms(cls) -> list[str]:
        """Every TERM of ``train: TERM_opt``."""
        return list(dict.fromkeys(term for phase in PHASES.values() for term in phase.terms))

    @classmethod
    def optimizer_letters(cls) -> list[str]:
        """Every LETTER of ``train: optim_LETTER``."""
        return list(dict.fromkeys(PARTS[part] for phase in PHASES.values() for part in phase.parts))

    @classmethod
    def check_options(cls, options: Mapping[str, Any], is_train: bool = True) -> None:
        """Check what the parts of the options need of each other.

        Raises:
            ValueError: phases that do not add up, one without its network or loss, a batch that cannot be divided,
                networks that cannot be built or do not match.
        """
        if is_train:
            cls._check_training(options)
        nets = describe(build_nets, options, options.get('network_t'))
        teacher = describe(build_teacher, options, False)
        pipeline = compose_pipeline(nets, teacher, (options.get('val') or {}).get('gallery'))
        if is_train:
            train = convert(options['train'], RIMTrain, path='train')
            if train.start_from_teacher and 'r' in nets:
                nets['r'].start_from(teacher)  # type: ignore[operator]  # an HRN
            losses = {term: nn.Identity() for term in cls.loss_terms() if options['train'].get(f'{term}_opt')}
            is_trained = _recogniser_is_trained(options)
            setting = Setting(Networks(), losses, pipeline, train, is_trained, nullcontext, _warns_once())
            for name in Schedule(train).names:
                PHASES[name](setting).check()

    @staticmethod
    def _check_training(options: Mapping[str, Any]) -> None:
        train = convert(options['train'], RIMTrain, path='train')
        Schedule(train).check_requirements(options, train)
        if train.classifier_lr is not None and not options['train'].get('identity_opt'):
            raise ValueError('train.identity_opt is missing: train.classifier_lr is the learning rate of its weights')
        batch = options.get('datasets', {}).get('train', {}).get('batch_size_per_gpu', train.accumulate)
        if batch % train.accumulate:
            raise ValueError(f'train.accumulate is {train.accumulate!r}; it has to divide the batch of {batch}')

    def __init__(self, opt: dict[str, Any]) -> None:
        opt.setdefault('find_unused_parameters', True)  # under DDP: a phase, or a loss that is off, leaves parts out
        BaseModel.__init__(self, opt)
        if self.is_train:
            self.options = convert(opt['train'], RIMTrain, path='train')
        channels_last = not self.is_train or self.options.channels_last
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        val = convert({'save_img': False, **(opt.get('val') or {})}, ValOptions, path='val')
        self.validator = Validation(self, val)
        self.teacher = build_teacher(opt)
        if self.teacher is not None:
            self.teacher.to(self.device).to(memory_format=self.layout)
        self.nets = self.ema_nets = build_nets(opt, opt.get('network_t'))
        if self.is_train and self.options.start_from_teacher and 'r' in self.nets:
            self.nets['r'].start_from(self.teacher)  # type: ignore[operator]  # an HRN
        for label, net in self.nets.items():
            net.to(self.device).to(memory_format=self.layout)
            self._load(net, label, opt['path'].get(f'param_key_{label}', 'params'))
            self.print_network(net)
        if 'r' in self.nets and opt['path'].get('pretrain_network_r'):
            warn_of_other_options(opt['path']['pretrain_network_r'], opt['network_r'])
        self.fhn = compose_fhn(self.nets)
        self.pipeline = compose_pipeline(self.nets, self.teacher, val.gallery)
        if self.is_train:
            self.init_training_settings()

    def _load(self, net: nn.Module, label: str, param_key: str) -> None:
        path = self.opt['path'].get(f'pretrain_network_{label}')
        if path is not None:
            self.load_network(net, path, self.opt['path'].get(f'strict_load_{label}', True), param_key)

    def init_training_settings(self) -> None:
        """Losses, phases, wrappers for distributed training, EMA and optimizers, from ``train:``."""
        self._check_training(self.opt)
        blocks = self.opt['train']
        self.losses = {
            term: build_loss(blocks[f'{term}_opt']).to(self.device)
            for term in self.loss_terms()
            if blocks.get(f'{term}_opt')
        }
        self.schedule = Schedule(self.options)
        networks = self._wrapped_networks()
        self._init_ema()  # from then on every rank has rank 0's weights
        self.phases = self._build_phases(networks)
        self.phase = None
        self.setup_optimizers()
        self.setup_schedulers()

    def _build_phases(self, networks: Networks) -> dict[str, Phase]:
        """The phases of the run by name, checked."""
        is_trained = _recogniser_is_trained(self.opt)
        setting = Setting(networks, self.losses, self.pipeline, self.options, is_trained, self.autocast, _warns_once())
        phases = {name: PHASES[name](setting) for name in self.schedule.names}
        for phase in phases.values():
            phase.check()
        active = {term for phase in phases.values() for term in phase.active_terms()}
        if idle := [f'train.{term}_opt' for term in self.losses if term not in active]:
            get_root_logger().warning(f'{", ".join(idle)}: off, since no phase of this run has a use for them.')
        return phases

    def _init_ema(self) -> None:
        self.ema_decay = self.options.ema_decay
        if self.ema_decay <= 0:
            return
        self.ema_nets = {label: deepcopy(net) for label, net in self.nets.items()}
        for label, net in self.ema_nets.items():
            self._load(net, label, 'params_ema')
            net.eval().requires_grad_(False)
        self.pipeline = compose_pipeline(self.ema_nets, self.teacher, self.pipeline.gallery)

    def _wrapped_networks(self) -> Networks:
        """The networks as phases call them: compiled and distributed, where that is wanted."""
        parts = {**learning_parts(self.nets, self.losses), 'recogniser': self.nets.get('r')}
        names = ('generator', 'integrator', 'discriminator', 'recogniser')
        sizes = self.opt.get('datasets', {}).get('train', {}).get('query_sizes_per_batch', 1)
        compiled = compilable(self.device, sizes) if self.options.compile else ()
        wrapped: dict[str, nn.Module] = {}
        for name, net in ((name, parts.get(name)) for name in names):
            if net is not None:
                if name in compiled:
                    net.compile()
                wrapped[name] = self.model_to_device(net)
        teacher: Any = torch.compile(self.teacher) if compiled and self.teacher is not None else self.teacher
        if 'd' not in self.nets:
            wrapped = {'hallucinator' if name == 'generator' else name: net for name, net in wrapped.items()}
        return Networks(**wrapped, constant_discriminator=parts.get('discriminator'), teacher=teacher)

    def setup_optimizers(self) -> None:
        """An optimizer for each part that a phase of the run trains."""
        train, classifier = self.options, self.losses.get('identity')
        parts = {}
        for name, module in learning_parts(self.nets, self.losses).items():
            if not self.schedule.trains(name):
                continue
            options = dict(self.opt['train'].get(f'optim_{PARTS[name]}') or {'type': 'RMSprop', 'lr': 1e-3})
            params: Any = module.parameters()
            if name == 'student' and classifier is not None:
                rate = options['lr'] if train.classifier_lr is None else train.classifier_lr
                student, weights = module.children()
                params = [{'params': student.parameters()}, {'params': weights.parameters(), 'lr': rate}]
            parts[name] = Part(module, self.get_optimizer(options.pop('type'), params, **options))
            self.optimizers.append(parts[name].optimizer)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.options.amp == 'fp16')
        self.optimisation = Optimisation(parts, scaler, train.grad_clip, train.accumulate, self._require_finite)

    def _require_finite(self, terms: Mapping[str, Tensor]) -> None:
        check_finite(self, dict(terms))

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch of a data loader to the device, in the memory format of the networks."""
        self.batch = Batch.from_data(data, self.device, self.layout)

    def optimize_parameters(self, current_iter: int) -> None:
        """One step of the phase to which the iteration, from 1, belongs.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        phase = self.enter_phase(current_iter)
        phase.check_data(self.batch)
        result = phase.step(self.batch.chunks(self.optimisation.chunks), current_iter, self.optimisation)
        self.log_dict = self.reduce_loss_dict(OrderedDict(result.losses))
        if self.ema_decay > 0:
            done = self.schedule.since(current_iter)
            self.model_ema(min(self.ema_decay, (1 + done) / (10 + done)))

    def enter_phase(self, iteration: int) -> Phase:
        """The phase of an iteration. Its parts learn; the others are constant, their normalisation layers too."""
        phase = self.phases[self.schedule.at(iteration)]
        if phase is self.phase:
            return phase
        self.phase = phase
        if self.schedule.begins(iteration):
            get_root_logger().info(f'Phase {phase.name} begins.')
            for label, net in self.ema_nets.items():
                self.nets[label].load_state_dict(net.state_dict())
        parts = self.optimisation.parts
        for net in [*self.nets.values(), *(part.module for part in parts.values())]:
            net.eval().requires_grad_(False)
        for name, part in parts.items():
            if name in phase.parts:
                part.module.train().requires_grad_(True)
        return phase

    def autocast(self) -> AbstractContextManager:
        """Mixed precision as ``train.amp`` has it, as a context."""
        dtype = AMP[self.options.amp]
        return torch.autocast(self.device.type, dtype) if dtype else nullcontext()

    @torch.no_grad()
    def model_ema(self, decay: float = 0.999) -> None:
        """Move the averaged networks towards the current ones, as far as their phase trains them; buffers are
        copied."""
        for label, ema_net in self.ema_nets.items():
            net = self.nets[label]
            values = zip(ema_net.parameters(), net.parameters(), strict=True)
            pairs = [(average, value) for average, value in values if value.requires_grad]
            if pairs:
                get_ema_multi_avg_fn(decay)(*map(list, zip(*pairs)), None)
                for value, average in zip(net.buffers(), ema_net.buffers(), strict=True):
                    average.copy_(value)

    @property
    def amp_state(self) -> dict[str, Any]:
        """The loss scale of fp16 training, which the training state carries; empty otherwise."""
        return self.optimisation.scaler.state_dict()

    @amp_state.setter
    def amp_state(self, state: dict[str, Any]) -> None:
        self.optimisation.scaler.load_state_dict(state)

    @property
    def loss_state(self) -> dict[str, dict[str, Tensor]]:
        """What losses keep from one iteration to the next, which the training state carries."""
        return {name: dict(loss.state_dict()) for name, loss in self.losses.items() if loss.state_dict()}

    @loss_state.setter
    def loss_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, values in state.items():
            for key, value in values.items():
                kept = getattr(self.losses[name], key)
                if isinstance(kept, nn.Parameter):
                    kept.data.copy_(value)
                else:  # a queue may have another length
                    setattr(self.losses[name], key, value.to(self.device))

    def test(self) -> None:
        """Hallucinate the batch with the averaged networks, or the current ones without EMA.

        Raises:
            ValueError: there is no ``network_g``.
        """
        with inference_mode(self.pipeline), torch.no_grad():
            self.restored = self.pipeline.restore(self.batch.probes)
        self.output = self.restored.sr

    def nondist_validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        """Validate on faces (image quality, priors, pictures) or on pairs of faces (recognition)."""
        dataset: Any = dataloader.dataset
        if not hasattr(dataset, 'pairs'):
            self.validator.faces(dataset, self.validation_step, current_iter, tb_logger, save_img)
            return
        if self.teacher is None:
            raise ValueError(f'network_t is missing: dataset {dataset.opt["name"]} is for recognition')
        with inference_mode(self.pipeline):
            self.validator.pairs(dataset, self.pipeline, current_iter, tb_logger)

    def validation_step(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Hallucinate a batch of a data loader; what evaluators of faces process."""
        self.feed_data(data)
        self.test()
        return face_data(self.batch, self.restored, self.teacher if self.validator.needs('sr_embedding') else None)

    def get_current_visuals(self) -> dict[str, Tensor]:
        """BasicSR's view of the batch: ``lq``, ``result`` and ``gt``, on the CPU."""
        visuals = OrderedDict(lq=self.batch.probes[0].cpu(), result=self.output.cpu())
        if self.batch.gt is not None:
            visuals['gt'] = self.batch.gt.cpu()
        return visuals

    def save(self, epoch: int, current_iter: int) -> None:
        """Write each network, and the FHN composed of generator and integrator; then the training state."""
        nets: dict[str, Any] = {f'net_{label}': (net, self.ema_nets[label]) for label, net in self.nets.items()}
        if 'd' in self.nets:
            nets['net_fhn'] = (self.fhn, self.pipeline.fhn)
        for label, (net, ema_net) in nets.items():
            if self.ema_decay > 0:
                self.save_network([net, ema_net], label, current_iter, param_key=['params', 'params_ema'])
            else:
                self.save_network(net, label, current_iter)
        self.save_training_state(epoch, current_iter)


def _recogniser_is_trained(options: Mapping[str, Any]) -> bool:
    return bool(options['train'].get('start_from_teacher') or options['path'].get('pretrain_network_r'))


def _warns_once() -> Callable[[str], None]:
    """A function that logs each warning once."""
    given = set()

    def warn(message: str) -> None:
        if message not in given:
            given.add(message)
            get_root_logger().warning(message)

    return warn
