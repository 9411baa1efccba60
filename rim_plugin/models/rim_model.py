"""RIM inside BasicSR's loop: hallucination (Eqs. 1 to 10) and recognition (Eqs. 11, 12), phase by phase."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from rim_plugin.batch import Batch
from rim_plugin.building import describe
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.evaluation.image_evaluator import IdentityEmbedder, face_data
from rim_plugin.evaluation.metric import METRICS
from rim_plugin.models.networks import (
    RIMNets,
    build_nets,
    build_teacher,
    in_layout,
    load_weights,
    warn_of_other_options,
)
from rim_plugin.models.phases.base import PARTS, PHASES, Phase, Setting, loss_terms
from rim_plugin.models.phases.schedule import Schedule
from rim_plugin.models.rehearsal import check_by_rehearsal, check_metrics, gt_size, rehearse, rehearsed_losses
from rim_plugin.models.trainer import Trainer, recogniser_is_trained
from rim_plugin.models.validation import Validation
from rim_plugin.network_key import network_key
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import RIMTrain, ValOptions
from rim_plugin.pipeline import inference_mode
from rim_plugin.weights_file import packed_sides

from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY


@MODEL_REGISTRY.register()
class RIMModel(SRModel):
    """Resolution Invariant Model.

    Networks: ``network_g`` (TriPathGenerator, theta_G; or another SR network), ``network_d``
    (MixAdversarialDiscriminator: theta_i and theta_d; or a discriminator of images), ``network_c``
    (ComponentDiscriminator: of face components), ``network_t`` (the teacher, frozen) and ``network_r`` (HRN: theta_S
    and theta_A).

    The phases of a run, see :mod:`rim_plugin.models.phases`, follow each other, each beginning with the averaged
    weights of the one before. :meth:`feed_data` makes a :class:`Batch`, :meth:`Trainer.step` takes it to the losses.

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
    remedies = {  # where a file of ``path`` is absent
        'pretrain_network_t': "; name the teacher's weights, or take another teacher, e.g. --force_yml "
        "'network_t={type: MobileFaceNet}' path:pretrain_network_t=weights/rim.safetensors"
    }

    @classmethod
    def loss_terms(cls) -> list[str]:
        """Every TERM of ``train: TERM_opt``."""
        return loss_terms()

    @classmethod
    def optimizer_letters(cls) -> list[str]:
        """Every LETTER of ``train: optim_LETTER``."""
        return list(dict.fromkeys(PARTS[part] for phase in PHASES.values() for part in phase.parts))

    @classmethod
    def check_options(
        cls, options: Mapping[str, Any], is_train: bool = True, item: Mapping[str, Any] | None = None
    ) -> None:
        """Check what the parts of the options need of each other.

        Args:
            options: a whole file.
            is_train: training, or test.
            item: of the training data, where these are at hand; every phase then rehearses a step on it.

        Raises:
            ValueError: phases that do not add up, one without its network or loss, a batch that cannot be divided,
                networks that cannot be built or do not match, losses that do not take what they get.
        """
        train = cls._check_training(options) if is_train else None
        teacher = describe(build_teacher, options, False)
        nets = describe(build_nets, options, teacher)
        nets.pipeline((options.get('val') or {}).get('gallery'))
        cls._check_validation(options)
        if train is None:
            return
        phases = cls._described_phases(options, train, nets)
        for phase in phases:
            phase.check()
        if item is not None:
            check_by_rehearsal(
                lambda phases, device: rehearse(phases, item, device, train.domain_interval),
                phases,
                lambda: cls._described_phases(options, train, build_nets(options, build_teacher(options, False))),
            )

    @classmethod
    def _described_phases(cls, options: Mapping[str, Any], train: RIMTrain, nets: RIMNets) -> list[Phase]:
        """The phases of a training without warnings: these come with the training, whose log has no file yet."""
        if train.start_from_teacher:
            nets.start_from_teacher()
        losses = rehearsed_losses(options['train'], cls.loss_terms())
        is_trained = recogniser_is_trained(options)
        pipeline = nets.pipeline((options.get('val') or {}).get('gallery'))
        setting = Setting(nets, losses, pipeline, train, is_trained, torch.device('cpu'), lambda message: None)
        return [PHASES[name](setting) for name in Schedule(train).names]

    @staticmethod
    def _check_validation(options: Mapping[str, Any]) -> None:
        val, datasets = options.get('val') or {}, options.get('datasets', {})
        check_metrics(val.get('metrics') or {}, gt_size(options))
        for key, block in datasets.items():
            if key == 'train' or {'network_t', 'network_r'} & options.keys():
                continue
            if issubclass(DATASET_REGISTRY.get(block['type']), FacePairs):
                raise ValueError(f'network_t is missing: datasets.{key}, {block["type"]}, is for recognition')

    @staticmethod
    def _check_training(options: Mapping[str, Any]) -> RIMTrain:
        train = convert(options['train'], RIMTrain, path='train')
        Schedule(train).check_requirements(options, train)
        if train.classifier_lr is not None and not options['train'].get('identity_opt'):
            raise ValueError('train.identity_opt is missing: train.classifier_lr is the learning rate of its weights')
        batch = options.get('datasets', {}).get('train', {}).get('batch_size_per_gpu', train.accumulate)
        if batch % train.accumulate:
            raise ValueError(f'train.accumulate is {train.accumulate!r}; it has to divide the batch of {batch}')
        if train.captured and train.amp == 'fp16':
            raise ValueError(
                'train.captured records steps as they are, and with amp: fp16 the loss scale decides in each whether '
                'weights change; set amp: bf16 or none, or captured: false'
            )
        return train

    def __init__(self, opt: dict[str, Any]) -> None:
        opt.setdefault('find_unused_parameters', True)  # under DDP: a phase, or a loss that is off, leaves parts out
        BaseModel.__init__(self, opt)
        train = self._check_training(opt) if self.is_train else None
        channels_last = train is None or train.channels_last
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        val = convert({'save_img': False, **(opt.get('val') or {})}, ValOptions, path='val')
        self.validator = Validation(self, val)
        nets = self.nets = build_nets(opt, build_teacher(opt))
        if train is not None and train.start_from_teacher:
            nets.start_from_teacher()
        for net in (*nets.learning.values(), nets.teacher):
            if net is not None:
                in_layout(net.to(self.device), self.layout)
        load_weights(self, nets)
        for net in nets.learning.values():
            self.print_network(net)
        if nets.recogniser is not None and opt['path'].get('pretrain_network_r'):
            warn_of_other_options(opt['path']['pretrain_network_r'], opt['network_r'])
        self.pipeline = nets.pipeline(val.gallery, packed_sides(opt['path'].get('pretrain_network_g') or ''))
        if train is not None:
            self.trainer = Trainer(self, nets, train, val.gallery)
            self.pipeline = self.trainer.pipeline
            self.setup_schedulers()

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch of a data loader to the device, in the memory format of the networks."""
        self.batch = Batch.from_data(data, self.device, self.layout)

    def optimize_parameters(self, current_iter: int) -> None:
        """One step, see :meth:`Trainer.step`."""
        self.log_dict = self.reduce_loss_dict(OrderedDict(self.trainer.step(self.batch, current_iter)))

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """The schedule's learning rates; in the first ``warmup_iter`` iterations of each phase a linear rise to them.

        Optimizers begin with a phase: RMSprop's mean of squared gradients is at zero then, and its steps too large.
        """
        super().update_learning_rate(current_iter)
        done = self.trainer.schedule.since(current_iter)
        if done < warmup_iter:
            for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
                group['lr'] *= done / warmup_iter

    @property
    def optimizer_names(self) -> list[str]:
        """Which part each optimizer trains, by which a resumed training finds its own again."""
        return list(self.trainer.optimisation.parts)

    @property
    def amp_state(self) -> dict[str, Any]:
        """The loss scale of fp16 training, which the training state carries; empty otherwise."""
        return self.trainer.optimisation.scaler.state_dict()

    @amp_state.setter
    def amp_state(self, state: dict[str, Any]) -> None:
        if state:  # else that of a training in another precision
            self.trainer.optimisation.scaler.load_state_dict(state)

    @property
    def loss_state(self) -> dict[str, dict[str, Tensor]]:
        """What losses keep from one iteration to the next, which the training state carries."""
        return {name: dict(loss.state_dict()) for name, loss in self.trainer.losses.items() if loss.state_dict()}

    @loss_state.setter
    def loss_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        there = {name: values for name, values in state.items() if name in self.trainer.losses}
        for name, values in there.items():
            for key, value in values.items():
                loss = self.trainer.losses[name]
                if not isinstance(kept := getattr(loss, key, None), nn.Parameter):  # a queue may have another length
                    setattr(loss, key, value.to(self.device))
                elif kept.shape == value.shape:
                    kept.data.copy_(value)

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
            with inference_mode(self.pipeline):
                network = network_key(self.pipeline.fhn) if self.is_train and self.pipeline.fhn is not None else b''
            self.validator.faces(dataset, self.validation_step, current_iter, tb_logger, save_img, network)
            return
        if self.nets.teacher is None and self.nets.recogniser is None:
            raise ValueError(f'network_t is missing: dataset {dataset.opt["name"]} is for recognition')
        with inference_mode(self.pipeline):
            self.validator.pairs(dataset, self.pipeline, current_iter, tb_logger)

    def validation_step(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Hallucinate a batch of a data loader; what evaluators of faces process."""
        self.feed_data(data)
        self.test()
        return face_data(self.batch, self.restored, self._identity)

    @cached_property
    def _identity(self) -> IdentityEmbedder | None:
        if self.nets.teacher is None or not self.validator.needs('sr_embedding'):
            return None
        return IdentityEmbedder(self.nets.teacher, self.validator.known)

    def save(self, epoch: int, current_iter: int) -> None:
        """Write each network, and the FHN composed of generator and integrator; then the training state."""
        nets, ema_nets = self.nets, self.trainer.ema_nets
        pairs: dict[str, Any] = {label: (net, ema_nets.learning[label]) for label, net in nets.learning.items()}
        if nets.mixed is not None:
            pairs['fhn'] = (nets.fhn, ema_nets.fhn)
        for label, pair in pairs.items():
            if ema_nets is nets:
                self.save_network(pair[0], f'net_{label}', current_iter)
            else:
                self.save_network([*pair], f'net_{label}', current_iter, param_key=['params', 'params_ema'])
        self.save_training_state(epoch, current_iter)
