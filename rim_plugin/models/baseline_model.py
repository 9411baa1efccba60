"""Training of the baselines: BasicSR's SRModel and ESRGANModel, with what original recipes and our data need."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property, reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from rim_plugin.archs.layers import resize, resize_groups
from rim_plugin.building import build_block, describe
from rim_plugin.data.face_item import split_probes
from rim_plugin.evaluation.metric import METRICS
from rim_plugin.models.networks import in_layout
from rim_plugin.models.rehearsal import check_by_rehearsal, check_metrics, gt_size, rehearse_sr, rehearsed_losses
from rim_plugin.models.validation import Board, Validation
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import BaselineGANTrain, BaselineTrain, BaselineVal

from basicsr.models.esrgan_model import ESRGANModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY


class FaceSRModel(SRModel):
    """BasicSR's SRModel on faces: evaluators' validation, probes of several sizes in a batch, memory format."""

    train_options: type[BaselineTrain] | type[BaselineGANTrain]
    needed: Mapping[str, str]  # blocks, and the beginning of one
    val_options = BaselineVal
    metric_types = METRICS
    lq: Tensor
    gt: Tensor
    output: Tensor

    @classmethod
    def check_options(
        cls, options: Mapping[str, Any], is_train: bool = True, item: Mapping[str, Any] | None = None
    ) -> None:
        """Check that networks can be built, and in a training that they have what its options ask for.

        Args:
            options: a whole file.
            is_train: training, or test.
            item: of the training data, where these are at hand; the losses are then rehearsed on it.

        Raises:
            ValueError: a block is missing or does not fit; the message names the option.
        """
        for place, example in cls.needed.items():
            wanted = is_train or place == 'network_g'
            if wanted and not reduce(lambda block, key: block.get(key) or {}, place.split('.'), options):
                raise ValueError(f'{place} is missing; add e.g. {{type: {example}}}')
        nets = {key: describe(build_block, key, options[key]) for key in options if key.startswith('network_')}
        check_metrics((options.get('val') or {}).get('metrics') or {}, gt_size(options))
        if is_train:
            cls.check_network(nets['network_g'], convert(options['train'], cls.train_options, path='train'))
        if item is not None and 'lq' in item:
            losses = rehearsed_losses(options['train'], cls.loss_terms())

            def rehearsal(nets: Mapping[str, nn.Module], device: str) -> None:
                rehearse_sr(nets, losses, item, device)

            check_by_rehearsal(rehearsal, nets, lambda: {key: build_block(key, options[key]) for key in nets})

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses: keys ``NAME_opt``."""
        raise NotImplementedError

    @classmethod
    def check_network(cls, net: Any, train: Any) -> None:
        """Check the SR network against the block ``train``; raises ValueError."""
        if not any(True for _ in net.parameters()):
            raise ValueError(
                f'network_g: {type(net).__name__} has no parameters to train; name it in options for basicsr/test.py'
            )

    @cached_property
    def layout(self) -> torch.memory_format:
        """Memory format of networks and images."""
        channels_last = not self.is_train or self.options.channels_last
        return torch.channels_last if channels_last else torch.contiguous_format

    @cached_property
    def options(self) -> BaselineTrain | BaselineGANTrain:
        """The block ``train``."""
        return convert(self.opt['train'], self.train_options, path='train')

    @cached_property
    def validator(self) -> Validation:
        """Validates this model."""
        block = self.opt.get('val') or {}
        return Validation(self, convert({'save_img': False, **block}, BaselineVal, path='val'))

    @property
    def net(self) -> Any:
        """The SR network, whichever it is, without wrappers of distributed training."""
        return self.get_bare_model(self.net_g)

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """As BasicSR's, in the memory format."""
        return super().model_to_device(in_layout(net, self.layout))

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch: ``lq``, and ``gt`` where it has one. Padded probes (``lq_size``) come to the network's input
        size.

        Raises:
            ValueError: padded probes for a network without ``input_size``; faces that were enlarged.
        """
        if 'is_full' in data:
            raise ValueError('datasets.train.more: BaselineModel learns from HR images alone; leave that option out')
        if 'lq_size' in data:
            data = {**data, 'lq': self._one_size(split_probes(data['lq'], data['lq_size']))}
        if hasattr(self, 'gt'):
            del self.gt  # the last batch's
        super().feed_data(data)
        self.lq = self.lq.contiguous(memory_format=self.layout)

    def _one_size(self, probes: list[Tensor]) -> Tensor:
        if not hasattr(self.net, 'input_size'):
            raise ValueError(
                f'query_sizes_per_batch: {type(self.net).__name__} takes probes of one size in a batch; leave '
                'that option out, or wrap the network in FixedInput'
            )
        return resize_groups(probes, self.net.input_size)

    def nondist_validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Board | None, save_img: bool
    ) -> None:
        """Validate on faces, in batches."""
        self.validator.faces(dataloader.dataset, self.validation_step, current_iter, tb_logger, save_img)

    def validation_step(self, data: Mapping[str, Any]) -> dict[str, Tensor]:
        """Hallucinate a batch of a data loader; what evaluators of faces process."""
        self.feed_data(data)
        self.test()
        faces = {'lq': self.lq, 'sr': self.output}
        return {**faces, 'gt': self.gt} if hasattr(self, 'gt') else faces


@MODEL_REGISTRY.register()
class BaselineModel(FaceSRModel):
    """An SR network trained with a pixel loss.

    Options: :class:`~rim_plugin.options.schema.BaselineTrain` and :class:`~rim_plugin.options.schema.BaselineVal`;
    under ``train:`` also ``optim_g`` and ``pixel_opt``.

    Raises:
        ValueError: an option does not fit the network; the message names it.
    """

    train_options = BaselineTrain
    needed = {'network_g': 'SRCNN', 'train.pixel_opt': 'L1Loss', 'train.optim_g': 'Adam, lr: 1e-4'}
    options: BaselineTrain

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses: keys ``NAME_opt``."""
        return frozenset(['pixel'])

    @classmethod
    def optimizer_letters(cls) -> frozenset[str]:
        """Names of the optimizers: keys ``optim_NAME``."""
        return frozenset('g')

    @classmethod
    def check_network(cls, net: Any, train: BaselineTrain) -> None:
        """Check the SR network against the block ``train``; raises ValueError."""
        super().check_network(net, train)
        name, sizes = type(net).__name__, getattr(net, 'level_sizes', [])
        if train.last_layer_lr is not None and not hasattr(net, 'last_layer'):
            raise ValueError(f'train.last_layer_lr: {name} names no last_layer; leave the option out')
        if train.level_weights is not None and len(train.level_weights) != len(sizes):
            raise ValueError(
                f'train.level_weights: {len(train.level_weights)} weights, but {name} has {len(sizes)} pyramid levels; '
                'give one weight for each, or leave the option out'
            )
        if train.clip_over_lr and not train.grad_clip:
            raise ValueError('train.clip_over_lr divides grad_clip by the learning rate: add grad_clip')

    def setup_optimizers(self) -> None:
        """One optimizer; ``last_layer`` is a group of its own where ``last_layer_lr`` is given."""
        block = dict(self.opt['train']['optim_g'])
        groups: list[dict[str, Any]] = [{'params': list(self.net.parameters())}]
        if self.options.last_layer_lr is not None:
            last = {name for name, _ in self.net.named_parameters() if name.startswith('last_layer.')}
            groups = [
                {'params': [value for name, value in self.net.named_parameters() if name not in last]},
                {'params': list(self.net.last_layer.parameters()), 'lr': block['lr'] * self.options.last_layer_lr},
            ]
        self.optimizer_g = self.get_optimizer(block.pop('type'), groups, **block)
        self.optimizers.append(self.optimizer_g)

    def optimize_parameters(self, current_iter: int) -> None:
        """One step.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        self.optimizer_g.zero_grad()
        terms = self.step_losses()
        self.log_dict = self.reduce_loss_dict(terms)
        reduce(add, terms.values()).backward()
        self.clip_gradients()
        self.optimizer_g.step()
        if self.ema_decay > 0:  # as RIMModel: an average that does not remember the first, arbitrary weights
            self.model_ema(min(self.ema_decay, (1 + current_iter) / (10 + current_iter)))

    def step_losses(self) -> dict[str, Tensor]:
        """Losses of the batch by name: ``l_pix``, or ``l_pix_56`` and so on for the levels of a pyramid.

        The image of a level is compared with the antialiased bicubic reduction of the HR image.
        """
        weights = self.options.level_weights
        if weights is None:
            return OrderedDict(l_pix=self.cri_pix(self.net_g(self.lq), self.gt))
        levels = zip(self.net.level_sizes, weights, self.net_g(self.lq, levels=True))
        return OrderedDict(
            (f'l_pix_{size}', weight * self.cri_pix(level, resize(self.gt, size))) for size, weight, level in levels
        )

    def clip_gradients(self) -> None:
        """Scale the gradients so that their norm is ``grad_clip`` at most, or that over the learning rate.

        VDSR's paper clips each component to theta over the learning rate and does not give theta. The 0.4 in use since
        is a norm.
        """
        largest = self.options.grad_clip
        if largest and self.options.clip_over_lr:
            largest /= max(self.optimizer_g.param_groups[0]['lr'], 1e-12)
        if largest:
            torch.nn.utils.clip_grad_norm_(self.net_g.parameters(), largest)


@MODEL_REGISTRY.register()
class BaselineGANModel(FaceSRModel, ESRGANModel):
    """BasicSR's ESRGANModel, the relativistic GAN stage of ESRGAN, on our batches.

    Options: :class:`~rim_plugin.options.schema.BaselineGANTrain` and :class:`~rim_plugin.options.schema.BaselineVal`;
    under ``train:`` also ``optim_g``, ``optim_d``, ``pixel_opt``, ``perceptual_opt`` and ``gan_opt``.
    """

    train_options = BaselineGANTrain
    needed = {
        **{'network_g': 'RRDBNetX8', 'network_d': 'VGGDiscriminator', 'train.gan_opt': 'GANLoss, gan_type: vanilla'},
        **dict.fromkeys(('train.optim_g', 'train.optim_d'), 'Adam, lr: 1e-4'),
    }

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses: keys ``NAME_opt``."""
        return frozenset(['pixel', 'perceptual', 'gan'])

    @classmethod
    def optimizer_letters(cls) -> frozenset[str]:
        """Names of the optimizers: keys ``optim_NAME``."""
        return frozenset('gd')
