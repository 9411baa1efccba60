"""RIM's training and validation inside BasicSR's loop. Phase ``fhn``: face hallucination, Eqs. 1 to 10."""

from collections import OrderedDict, defaultdict
from contextlib import nullcontext
from copy import deepcopy

import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.archs.layers import check_choice
from rim_plugin.data.heatmaps import heatmap_landmarks
from rim_plugin.models.batched_validation import BatchedValidation
from rim_plugin.reproducibility import check_finite

LOSSES = ('coarse', 'pixel', 'landmark', 'parsing', 'domain')
AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
PHASES = ('fhn', )


@MODEL_REGISTRY.register()
class RIMModel(BatchedValidation, SRModel):
    """Resolution Invariant Model.

    Networks: ``network_g`` (TriPathGenerator, theta_G) and ``network_d`` (MixAdversarialDiscriminator: theta_i and
    theta_d). Each iteration, alternating: theta_d maximises the domain loss (Eq. 6); theta_G minimises Eq. 1 plus the
    coarse loss; theta_i minimises Eq. 5. Every save also writes ``net_fhn_*.pth``: the FHN for inference, which
    BasicSR's own SRModel and test.py load.

    Options under ``train:`` beside BasicSR's -- ``phase``; ``optim_g``, ``optim_i``, ``optim_d``; ``grad_clip``
    (largest gradient norm of each of the three); ``coarse_opt``, ``pixel_opt``, ``landmark_opt``, ``parsing_opt``,
    ``domain_opt`` (leave one out and that term is off); ``domain_interval`` (the domain loss every that many
    iterations); ``amp`` (bf16, fp16, none); ``channels_last``; ``compile``; ``accumulate`` (micro-batches a step; the
    domain loss is then taken within each).
    """

    train_keys = frozenset(['phase', 'optim_g', 'optim_i', 'optim_d', 'grad_clip', 'domain_interval', 'amp', 'compile',
                            'channels_last', 'accumulate', *(f'{name}_opt' for name in LOSSES)])
    val_keys = frozenset(['metrics', 'batch_size', 'num_workers', 'num_pictures', 'pbar', 'save_img', 'suffix',
                          'val_freq'])

    def __init__(self, opt):
        BaseModel.__init__(self, opt)
        train = opt.get('train') or {}
        self.layout = torch.channels_last if train.get('channels_last', True) else torch.contiguous_format
        net_g = build_network(opt['network_g'])
        net_d = build_network(dict(opt['network_d'], in_channels=net_g.fused_channels, image_size=net_g.image_size))
        for label, net in (('g', net_g), ('d', net_d)):
            net.to(self.device, memory_format=self.layout)
            self._load(net, label, opt['path'].get(f'param_key_{label}', 'params'))
            self.print_network(net)
        self.bare_g, self.net_d = net_g, net_d
        self.fhn = self.net_eval = FHN.from_parts(net_g, net_d.integrator)
        if self.is_train:
            self.init_training_settings()

    def _load(self, net, label, param_key):
        path = self.opt['path'].get(f'pretrain_network_{label}')
        if path is not None:
            self.load_network(net, path, self.opt['path'].get(f'strict_load_{label}', True), param_key)

    def init_training_settings(self):
        """Losses, optimizers, EMA and the wrappers for distributed training, from ``train:``."""
        train = self.opt['train']
        amp = str(train.get('amp', 'none')).lower()
        check_choice('train.phase', train.get('phase', 'fhn'), PHASES)
        check_choice('train.amp', amp, AMP)
        self.amp_dtype = AMP[amp]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp == 'fp16')
        self.accumulate = train.get('accumulate', 1)
        self.grad_clip = train.get('grad_clip')
        self.losses = {name: build_loss(train[f'{name}_opt']).to(self.device) for name in LOSSES
                       if train.get(f'{name}_opt')}
        if 'pixel' not in self.losses:
            raise ValueError('train.pixel_opt is missing: Eq. 5 trains the integrator; add e.g. {type: MSELoss}')
        self.warned = set()
        self._init_ema()
        self.bare_g.train()
        self.net_d.train()
        if train.get('compile', False):
            for net in (self.bare_g, self.net_d.integrator):
                net.compile()
        self.net_g = self.model_to_device(self.bare_g)
        self.integrator = self.model_to_device(self.net_d.integrator)
        if 'domain' in self.losses:
            self.discriminator = self.model_to_device(self.net_d.discriminator)
        self.setup_optimizers()
        self.setup_schedulers()

    def _init_ema(self):
        self.ema_decay = self.opt['train'].get('ema_decay', 0)
        if self.ema_decay <= 0:
            return
        self.ema_g, self.ema_d = deepcopy(self.bare_g), deepcopy(self.net_d)
        for label, net in (('g', self.ema_g), ('d', self.ema_d)):
            self._load(net, label, 'params_ema')
            net.eval().requires_grad_(False)
        self.net_eval = FHN.from_parts(self.ema_g, self.ema_d.integrator)

    def setup_optimizers(self):
        """One optimizer each for theta_G, theta_i and, with a domain loss, theta_d; RMSprop at 1e-3 by default."""
        parts = {'g': self.bare_g, 'i': self.net_d.integrator}
        if 'domain' in self.losses:
            parts['d'] = self.net_d.discriminator
        self.parts = {}
        for label, net in parts.items():
            options = dict(self.opt['train'].get(f'optim_{label}') or {'type': 'RMSprop', 'lr': 1e-3})
            optimizer = self.get_optimizer(options.pop('type'), net.parameters(), **options)
            self.parts[label] = (net, optimizer)
            self.optimizers.append(optimizer)

    def feed_data(self, data):
        """Keep the batch's tensors on the device; ``lq`` and ``gt`` in the memory format of the networks."""
        self.data = {key: value.to(self.device, non_blocking=True) for key, value in data.items()
                     if torch.is_tensor(value)}
        for key in ('lq', 'gt'):
            if key in self.data:
                self.data[key] = self.data[key].contiguous(memory_format=self.layout)

    def optimize_parameters(self, current_iter):
        """One step of theta_d, then one of theta_G and theta_i together, on the batch that was fed.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        self.domain_now = 'domain' in self.losses and current_iter % self.opt['train'].get('domain_interval', 1) == 0
        chunks, logs = self._chunks(), defaultdict(float)
        pairs = [None] * len(chunks)
        if self.domain_now:
            pairs = self._discriminator_step(chunks, logs)
        for chunk, pair in zip(chunks, pairs):
            terms = self._generator_terms(chunk, pair or self._tri_paths(chunk))
            self._backward(terms, sum(terms.values()), logs)
        self._step('g', 'i')
        self.scaler.update()
        self.log_dict = self.reduce_loss_dict(OrderedDict(logs))
        if self.ema_decay > 0:
            self.model_ema(min(self.ema_decay, (1 + current_iter) / (10 + current_iter)))

    def _chunks(self):
        count = len(self.data['lq'])
        if count % self.accumulate:
            raise ValueError(f'train.accumulate: {self.accumulate} does not divide the batch of {count}')
        parts = {key: value.chunk(self.accumulate) for key, value in self.data.items()}
        return [{key: value[i] for key, value in parts.items()} for i in range(self.accumulate)]

    def _autocast(self):
        return torch.autocast(self.device.type, self.amp_dtype) if self.amp_dtype else nullcontext()

    def _tri_paths(self, chunk):
        """Tri-path output of the probes, and of the HR faces where this iteration has a domain loss."""
        with self._autocast():
            found = self.net_g(chunk['lq'], chunk['gt'] if self.domain_now else None)
        return found if self.domain_now else (found, None)

    def _discriminator_step(self, chunks, logs):
        """Eq. 6 on detached features. Returns the outputs with their graphs where there is one chunk, to use again."""
        pairs = []
        for chunk in chunks:
            with nullcontext() if len(chunks) == 1 else torch.no_grad():
                pair = self._tri_paths(chunk)
            loss = -self._domain_loss(self.discriminator, *(found.fused.detach() for found in pair))
            self._backward({'d': loss}, loss, logs)
            pairs.append(pair if len(chunks) == 1 else None)
        self._step('d')
        return pairs

    def _domain_loss(self, discriminator, fused_probe, fused_hr):
        with self._autocast():
            embeddings = discriminator(torch.cat([fused_probe, fused_hr]))
        return self.losses['domain'](*embeddings.float().chunk(2))

    def _generator_terms(self, chunk, pair):
        """The terms of Eq. 1 and the coarse loss, by name."""
        probe, hr = pair
        with self._autocast():
            sr = self.integrator(probe.fused, probe.coarse)
        terms = {'pixel': self.losses['pixel'](sr.float(), chunk['gt'])}
        if 'coarse' in self.losses:
            terms['coarse'] = self.losses['coarse'](probe.coarse.float(), chunk['gt'])
        for name, estimate, key in (('landmark', probe.heatmaps, 'heatmaps'), ('parsing', probe.parsing, 'parsing')):
            if name in self.losses and self._has_prior(name, estimate, key, chunk):
                terms[name] = self.losses[name](estimate.float(), chunk[key])
        if hr is not None:
            self.net_d.discriminator.requires_grad_(False)
            terms['domain'] = self._domain_loss(self.net_d.discriminator, probe.fused, hr.fused)
            self.net_d.discriminator.requires_grad_(True)
        return terms

    def _has_prior(self, name, estimate, key, chunk):
        if estimate is not None and key in chunk:
            return True
        if name not in self.warned:
            self.warned.add(name)
            place = 'network_g has no such path' if estimate is None else f"the training data have no '{key}'"
            get_root_logger().warning(f'{name}_opt is off: {place}.')
        return False

    def _backward(self, terms, total, logs):
        check_finite(self, {f'l_{name}': term for name, term in terms.items()})
        self.scaler.scale(total / self.accumulate).backward()
        for name, term in terms.items():
            logs[f'l_{name}'] = logs[f'l_{name}'] + term.detach() / self.accumulate

    def _step(self, *labels):
        for net, optimizer in (self.parts[label] for label in labels):
            if self.grad_clip:
                self.scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(net.parameters(), self.grad_clip)
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def model_ema(self, decay=0.999):
        """Move the averaged networks towards the current ones; buffers are copied."""
        for net, ema in ((self.bare_g, self.ema_g), (self.net_d, self.ema_d)):
            for value, average in zip(net.parameters(), ema.parameters()):
                average.lerp_(value, 1 - decay)
            for value, average in zip(net.buffers(), ema.buffers()):
                average.copy_(value)

    @property
    def amp_state(self):
        """The loss scale of fp16 training, which the training state carries; empty otherwise."""
        return self.scaler.state_dict()

    @amp_state.setter
    def amp_state(self, state):
        self.scaler.load_state_dict(state)

    def test(self):
        """Hallucinate the batch with the averaged networks, or the current ones without EMA."""
        self.net_eval.eval()
        with torch.no_grad():
            self.found = self.net_eval.generator(self.data['lq'])
            self.output = self.net_eval.integrator(self.found.fused, self.found.coarse)
        if self.is_train:
            self.net_eval.train(self.ema_decay <= 0)

    def validation_data(self):
        """The batch, its SR faces and what the priors say, for metrics and pictures."""
        data = dict(self.data, sr=self.output, coarse=self.found.coarse)
        if self.found.heatmaps is not None:
            data['estimated_landmarks'] = heatmap_landmarks(self.found.heatmaps, self.output.shape[-1])
        if self.found.parsing is not None:
            data['parsing_logits'] = self.found.parsing
        return data

    def get_current_visuals(self):
        """BasicSR's view of the batch: ``lq``, ``result`` and ``gt``, on the CPU."""
        visuals = OrderedDict(lq=self.data['lq'].cpu(), result=self.output.cpu())
        if 'gt' in self.data:
            visuals['gt'] = self.data['gt'].cpu()
        return visuals

    def save(self, epoch, current_iter):
        """Write ``net_g``, ``net_d`` and, composed of both, ``net_fhn``; then the training state."""
        averaged = self.ema_decay > 0
        for label, net, ema in (('net_g', self.bare_g, averaged and self.ema_g),
                                ('net_d', self.net_d, averaged and self.ema_d),
                                ('net_fhn', self.fhn, self.net_eval)):
            if averaged:
                self.save_network([net, ema], label, current_iter, param_key=['params', 'params_ema'])
            else:
                self.save_network(net, label, current_iter)
        self.save_training_state(epoch, current_iter)
