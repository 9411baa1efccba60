"""Training of the baselines: BasicSR's SRModel and ESRGANModel, with what original recipes and our data need."""

from collections import OrderedDict
from functools import cached_property

import torch

from rim_plugin.archs.layers import resize, resize_groups
from rim_plugin.data.face_item import split_probes
from rim_plugin.models.validation import Validation
from rim_plugin.options.schema import BaselineGANTrain, BaselineTrain, BaselineVal, ValOptions, convert

from basicsr.models.esrgan_model import ESRGANModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY


class FaceBatches:
    """Mixin over BasicSR's SRModel: validation in batches, probes of several sizes in a batch, memory format.

    Option under ``train:`` -- ``channels_last`` (default true: far faster on a CPU).
    """

    val_options = BaselineVal

    @property
    def layout(self):
        """Memory format of networks and images."""
        channels_last = (self.opt.get('train') or {}).get('channels_last', True)
        return torch.channels_last if channels_last else torch.contiguous_format

    def model_to_device(self, net):
        """As BasicSR's, in the memory format."""
        return super().model_to_device(net.to(memory_format=self.layout))

    def feed_data(self, data):
        """Take a batch: ``lq``, and ``gt`` where it has one. Padded probes (``lq_size``) come to the network's input
        size.

        Raises:
            ValueError: padded probes for a network without ``input_size``.
        """
        if 'lq_size' in data:
            data = dict(data, lq=self._one_size(split_probes(data['lq'], data['lq_size'])))
        vars(self).pop('gt', None)  # the last batch's
        super().feed_data(data)
        self.lq = self.lq.contiguous(memory_format=self.layout)

    def _one_size(self, probes):
        net = self.get_bare_model(self.net_g)
        if not hasattr(net, 'input_size'):
            raise ValueError(
                f'query_sizes_per_batch: {type(net).__name__} takes probes of one size in a batch; leave '
                'that option out, or wrap the network in FixedInput'
            )
        return resize_groups(probes, net.input_size)

    @cached_property
    def validator(self):
        """Validates this model."""
        return Validation(self, convert({'save_img': False, **(self.opt.get('val') or {})}, ValOptions, path='val'))

    def nondist_validation(self, dataloader, current_iter, tb_logger, save_img):
        """Validate on faces, in batches."""
        self.validator.faces(dataloader.dataset, self.validation_step, current_iter, tb_logger, save_img)

    def validation_step(self, batch):
        """Hallucinate a batch; what evaluators process."""
        self.feed_data(batch)
        self.test()
        return {'lq': self.lq, 'sr': self.output, 'gt': getattr(self, 'gt', None)}


@MODEL_REGISTRY.register()
class BaselineModel(FaceBatches, SRModel):
    """An SR network trained with a pixel loss.

    Options under ``train:`` beside BasicSR's -- ``optim_g``, ``pixel_opt``; ``level_weights`` (list of float, for a
    network with ``level_sizes``, LapSRN: the pixel loss of every level's image against the antialiased bicubic
    reduction of the HR image, weighted and summed); ``grad_clip`` (largest gradient norm); ``clip_over_lr`` (divides
    it by the learning rate: VDSR's adjustable gradient clipping); ``last_layer_lr`` (learning rate of the network's
    ``last_layer`` over that of the others; SRCNN: 0.1); ``channels_last``.

    Raises:
        ValueError: an option does not fit the network; the message names it.
    """

    train_options = BaselineTrain

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses: keys ``NAME_opt``."""
        return frozenset(['pixel'])

    @classmethod
    def optimizer_letters(cls) -> frozenset[str]:
        """Names of the optimizers: keys ``optim_NAME``."""
        return frozenset('g')

    def init_training_settings(self):
        """Options against the network, then BasicSR's settings."""
        train, net = self.opt['train'], self.get_bare_model(self.net_g)
        name, self.level_weights = type(net).__name__, train.get('level_weights')
        if not any(True for _ in net.parameters()):
            raise ValueError(f'network_g: {name} has no parameters to train; name it in options for basicsr/test.py')
        if not train.get('pixel_opt'):
            raise ValueError('train.pixel_opt is missing; add e.g. {type: L1Loss}')
        if 'last_layer_lr' in train and not hasattr(net, 'last_layer'):
            raise ValueError(f'train.last_layer_lr: {name} names no last_layer; leave the option out')
        if self.level_weights is not None:
            sizes = getattr(net, 'level_sizes', [])
            if len(self.level_weights) != len(sizes):
                raise ValueError(
                    f'train.level_weights: {len(self.level_weights)} weights, but {name} has {len(sizes)} '
                    'pyramid levels; give one weight for each, or leave the option out'
                )
        if train.get('clip_over_lr') and not train.get('grad_clip'):
            raise ValueError('train.clip_over_lr divides grad_clip by the learning rate: add grad_clip')
        super().init_training_settings()

    def setup_optimizers(self):
        """One optimizer; ``last_layer`` is a group of its own where ``last_layer_lr`` is given."""
        train, net = self.opt['train'], self.get_bare_model(self.net_g)
        options = dict(train['optim_g'])
        groups = [{'params': list(net.parameters())}]
        if 'last_layer_lr' in train:
            last = {name for name, _ in net.named_parameters() if name.startswith('last_layer.')}
            groups = [
                {'params': [value for name, value in net.named_parameters() if name not in last]},
                {'params': list(net.last_layer.parameters()), 'lr': options['lr'] * train['last_layer_lr']},
            ]
        self.optimizer_g = self.get_optimizer(options.pop('type'), groups, **options)
        self.optimizers.append(self.optimizer_g)

    def optimize_parameters(self, current_iter):
        """One step.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        self.optimizer_g.zero_grad()
        terms = self.step_losses()
        self.log_dict = self.reduce_loss_dict(terms)
        sum(terms.values()).backward()
        self.clip_gradients()
        self.optimizer_g.step()
        if self.ema_decay > 0:  # as RIMModel: an average that does not remember the first, arbitrary weights
            self.model_ema(min(self.ema_decay, (1 + current_iter) / (10 + current_iter)))

    def step_losses(self):
        """Losses of the batch by name: ``l_pix``, or ``l_pix_56`` and so on for the levels of a pyramid."""
        if self.level_weights is None:
            return OrderedDict(l_pix=self.cri_pix(self.net_g(self.lq), self.gt))
        sizes = self.get_bare_model(self.net_g).level_sizes
        return OrderedDict(
            (f'l_pix_{size}', weight * self.cri_pix(level, resize(self.gt, size)))
            for size, weight, level in zip(sizes, self.level_weights, self.net_g(self.lq, levels=True))
        )

    def clip_gradients(self):
        """Scale the gradients so that their norm is ``grad_clip`` at most, or that over the learning rate.

        VDSR's paper clips each component to theta over the learning rate and does not give theta. The 0.4 in use since
        is a norm.
        """
        train = self.opt['train']
        largest = train.get('grad_clip')
        if largest and train.get('clip_over_lr'):
            largest /= max(self.optimizer_g.param_groups[0]['lr'], 1e-12)
        if largest:
            torch.nn.utils.clip_grad_norm_(self.net_g.parameters(), largest)


@MODEL_REGISTRY.register()
class BaselineGANModel(FaceBatches, ESRGANModel):
    """BasicSR's ESRGANModel, the relativistic GAN stage of ESRGAN, on our batches.

    Options under ``train:`` are that model's -- ``optim_g``, ``optim_d``, ``pixel_opt``, ``perceptual_opt``,
    ``gan_opt``, ``net_d_iters``, ``net_d_init_iters`` -- and ``channels_last``.
    """

    train_options = BaselineGANTrain

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses: keys ``NAME_opt``."""
        return frozenset(['pixel', 'perceptual', 'gan'])

    @classmethod
    def optimizer_letters(cls) -> frozenset[str]:
        """Names of the optimizers: keys ``optim_NAME``."""
        return frozenset('gd')
