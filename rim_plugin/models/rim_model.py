"""RIM's training and validation inside BasicSR's loop: hallucination (Eqs. 1 to 10) and recognition (Eqs. 11, 12)."""

import os
import shutil
from collections import OrderedDict, defaultdict
from contextlib import contextmanager, nullcontext
from copy import deepcopy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from rim_plugin.archs.fhn_arch import TriPathGenerator
from rim_plugin.data.face_item import split_probes
from rim_plugin.data.heatmaps import heatmap_landmarks
from rim_plugin.errors import check_choice
from rim_plugin.evaluation.metrics.identity import identity_embeddings
from rim_plugin.models.hallucination import HallucinationTraining
from rim_plugin.models.phases import PHASES, Phases
from rim_plugin.models.recognition import RecognitionTraining
from rim_plugin.models.requirements import ASSISTANT_LOSSES, TrainingRequirements
from rim_plugin.models.validation import Validation, ValidationOptions
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.options.schema import RIMTrain, ValOptions
from rim_plugin.reproducibility import check_finite

from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

LOSSES = (
    'coarse',
    'pixel',
    'landmark',
    'parsing',
    'domain',
    'distill',
    'residual',
    'embedding',
    'contrast',
    'identity',
    'center',
)
GALLERY = ('teacher', 'hrn')
AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@contextmanager
def evaluation(*nets):
    """Networks in evaluation mode; afterwards every layer is in the mode in which it was."""
    modes = [(layer, layer.training) for net in nets for layer in net.modules()]
    for net in nets:
        net.eval()
    yield
    for layer, training in modes:
        layer.training = training


@MODEL_REGISTRY.register()
class RIMModel(HallucinationTraining, RecognitionTraining, TrainingRequirements, SRModel):
    """Resolution Invariant Model.

    Networks: ``network_g`` (TriPathGenerator, theta_G; or another SR network), ``network_d``
    (MixAdversarialDiscriminator: theta_i and theta_d), ``network_t`` (the teacher, frozen) and ``network_r`` (HRN:
    theta_S and theta_A). The phases of a run, one after the other, each beginning with the averaged weights of the one
    before:

    * ``fhn``: theta_d maximises the domain loss (Eq. 6), theta_G minimises Eq. 1 plus the coarse loss, theta_i Eq. 5;
    * ``student``: theta_S minimises Eq. 11, on SR images against the teacher on HR images;
    * ``assistant``: theta_A minimises Eq. 12, the student being constant; or it learns as a second student, see
      ``assistant_target``;
    * ``joint``: all of it, the gradient of Eq. 11 reaching the hallucination network.

    ``val: gallery``: who embeds faces at full resolution in verification: ``teacher`` (default), or ``hrn``, for a
    student that was not trained to give what the teacher gives, or to do without the teacher.

    Every save also writes ``net_fhn_*.pth``: the FHN for inference, which BasicSR's own SRModel and test.py load.

    Options under ``train:`` beside BasicSR's -- ``phase``, or ``phases`` (phase to iterations, in their order);
    ``optim_g``, ``optim_i``, ``optim_d``, ``optim_s``, ``optim_a``; ``grad_clip`` (largest gradient norm of each);
    ``coarse_opt``, ``pixel_opt``, ``landmark_opt``, ``parsing_opt``, ``domain_opt``, ``distill_opt`` (Eq. 11),
    ``residual_opt`` (Eq. 12), ``embedding_opt`` (Eq. 11 on f_S^K + f_A^K or its embedding), ``contrast_opt``
    (ContrastiveDistillationLoss), ``identity_opt`` and ``center_opt`` (SoftmaxLoss or ArcFaceLoss, CenterLoss, for
    faces of known identity; leave one out and that term is off); ``classifier_lr`` (of the weights of
    ``identity_opt``; default: that of ``optim_s``); ``domain_interval`` (the domain loss every that many iterations);
    ``assistant_target`` (``sum``: in its phase the assistant's losses see f_S^K + f_A^K, and Eq. 12 counts | ``own``:
    Eq. 11 of its own maps and embedding, so that the sum averages two estimates whose errors differ: with
    ``network_r: assistant_view: probe``); ``start_from_teacher`` (student and assistant begin with the teacher's
    weights); ``amp`` (bf16, fp16, none); ``channels_last``; ``compile`` (teacher, HRN, integrator, on a CPU with a C++
    compiler; ``network_g`` only where a batch has one probe size); ``accumulate`` (micro-batches a step; the domain loss
    is then taken within each).
    """

    train_options, val_options = RIMTrain, ValOptions
    network_arguments = {'network_d': ('in_channels', 'image_size'), 'network_r': ('teacher',)}

    @classmethod
    def loss_terms(cls) -> frozenset[str]:
        """Names of the losses that the phases have: keys ``NAME_opt``."""
        return frozenset(LOSSES)

    @classmethod
    def optimizers(cls) -> frozenset[str]:
        """Letters of the parts that the phases train: keys ``optim_LETTER``."""
        return frozenset(PHASES['joint'])

    def __init__(self, opt):
        opt.setdefault('find_unused_parameters', True)  # under DDP: a phase, or a loss that is off, leaves parts out
        BaseModel.__init__(self, opt)
        train = opt.get('train') or {}
        self.layout = torch.channels_last if train.get('channels_last', True) else torch.contiguous_format
        self.gallery = (opt.get('val') or {}).get('gallery', 'teacher')
        check_choice('val.gallery', self.gallery, GALLERY)
        if self.gallery == 'hrn' and 'network_r' not in opt:
            raise ValueError('val.gallery is hrn, but there is no network_r: leave it out, or set it to teacher')
        self.teacher = self.build_teacher()
        self.bare = self.averaged = self._build_networks(train.get('start_from_teacher', False))
        for label, net in self.bare.items():
            net.to(self.device, memory_format=self.layout)
            self._load(net, label, opt['path'].get(f'param_key_{label}', 'params'))
            self.print_network(net)
        if 'r' in self.bare and opt['path'].get('pretrain_network_r'):
            self.warn_of_other_options(opt['path']['pretrain_network_r'])
        self.fhn = self.net_eval = self.compose_fhn(self.bare)
        self.validator = Validation(self, ValidationOptions.of_block(opt.get('val')))
        if self.is_train:
            self.init_training_settings()

    @property
    def pipeline(self):
        """RIM at inference, with the averaged networks."""
        return RIMPipeline(self.net_eval, self.averaged.get('r'), self.teacher, self.gallery)

    def _build_networks(self, start_from_teacher):
        """The networks that learn, by the letter of their option: g, d, r."""
        opt, nets = self.opt, OrderedDict()
        if 'network_g' in opt:
            nets['g'] = build_network(opt['network_g'])
        if isinstance(nets.get('g'), TriPathGenerator):
            if 'network_d' not in opt:
                raise ValueError('network_d is missing: TriPathGenerator needs a MixAdversarialDiscriminator')
            nets['d'] = build_network(
                dict(opt['network_d'], in_channels=nets['g'].fused_channels, image_size=nets['g'].image_size)
            )
        if 'network_r' in opt:
            if self.teacher is None:
                raise ValueError('network_t is missing: student and assistant, network_r, learn from a teacher')
            nets['r'] = build_network(dict(opt['network_r'], teacher=opt['network_t']))
            if start_from_teacher:
                nets['r'].start_from(self.teacher)
        return nets

    def _load(self, net, label, param_key):
        path = self.opt['path'].get(f'pretrain_network_{label}')
        if path is not None:
            self.load_network(net, path, self.opt['path'].get(f'strict_load_{label}', True), param_key)

    def init_training_settings(self):
        """Phases, losses, optimizers, EMA and the wrappers for distributed training, from ``train:``."""
        train = self.opt['train']
        amp = str(train.get('amp', 'none')).lower()
        check_choice('train.amp', amp, AMP)
        self.amp_dtype = AMP[amp]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp == 'fp16')
        self.accumulate = self.micro_batches()
        self.grad_clip = train.get('grad_clip')
        self.losses = {
            name: build_loss(train[f'{name}_opt']).to(self.device) for name in LOSSES if train.get(f'{name}_opt')
        }
        check_choice('train.assistant_target', train.get('assistant_target', 'sum'), ASSISTANT_LOSSES)
        self.phases, self.phase = Phases(train), None
        self.check_phases()
        self.warned = set()
        self._wrap_networks(train.get('compile', False))
        self._init_ema()  # from then on every rank has rank 0's weights
        self.setup_optimizers()
        self.setup_schedulers()

    def _init_ema(self):
        self.ema_decay = self.opt['train'].get('ema_decay', 0)
        if self.ema_decay <= 0:
            return
        self.averaged = OrderedDict((label, deepcopy(net)) for label, net in self.bare.items())
        for label, net in self.averaged.items():
            self._load(net, label, 'params_ema')
            net.eval().requires_grad_(False)
        self.net_eval = self.compose_fhn(self.averaged)

    def _wrap_networks(self, compiled):
        net_d = self.bare.get('d')
        wrapped = {
            'net_g': self.bare.get('g'),
            'integrator': net_d and net_d.integrator,
            'net_r': self.bare.get('r'),
            'discriminator': net_d.discriminator if net_d and 'domain' in self.losses else None,
        }
        compiled = self._compilable() if compiled else ()
        self.teach = torch.compile(self.teacher) if compiled and self.teacher is not None else self.teacher
        for name, net in wrapped.items():
            if net is None:
                continue
            if name in compiled:
                net.compile()
            setattr(self, name, self.model_to_device(net))

    def _compilable(self):
        """Names of the networks that ``train.compile`` compiles: those whose input keeps its shape."""
        if self.device.type == 'cpu' and not any(map(shutil.which, (os.environ.get('CXX', 'g++'), 'clang++'))):
            get_root_logger().warning(
                'train.compile is off: it needs a C++ compiler, and there is neither g++ nor clang++.'
            )
            return ()
        sizes = self.opt.get('datasets', {}).get('train', {}).get('query_sizes_per_batch', 1)
        return ('integrator', 'net_r') if sizes > 1 else ('net_g', 'integrator', 'net_r')

    def setup_optimizers(self):
        """An optimizer for each part that a phase trains, see PHASES; RMSprop at 1e-3 by default."""
        if 'classifier_lr' in self.opt['train'] and 'identity' not in self.losses:
            raise ValueError('train.identity_opt is missing: train.classifier_lr is the learning rate of its weights')
        net_d, net_r = self.bare.get('d'), self.bare.get('r')
        classifier = self.losses.get('identity')  # has weights, one vector a person
        parts = {
            'g': self.bare.get('g'),
            'i': net_d and net_d.integrator,
            'd': net_d.discriminator if net_d and 'domain' in self.losses else None,
            's': net_r and torch.nn.ModuleList([net_r.student, *([classifier] if classifier else [])]),
            'a': net_r and net_r.assistant,
        }
        self.parts = {}
        for label, net in parts.items():
            if net is None or self.phases.training(label) is None:
                continue
            options = dict(self.opt['train'].get(f'optim_{label}') or {'type': 'RMSprop', 'lr': 1e-3})
            params = net.parameters()
            if label == 's' and classifier:
                rate = self.opt['train'].get('classifier_lr', options['lr'])
                params = [{'params': net_r.student.parameters()}, {'params': classifier.parameters(), 'lr': rate}]
            optimizer = self.get_optimizer(options.pop('type'), params, **options)
            self.parts[label] = (net, optimizer)
            self.optimizers.append(optimizer)

    def feed_data(self, data):
        """Keep the batch's tensors on the device; ``lq`` and ``gt`` in the memory format of the networks."""
        self.data = {
            key: value.to(self.device, non_blocking=True) for key, value in data.items() if torch.is_tensor(value)
        }
        for key in ('lq', 'gt'):
            if key in self.data:
                self.data[key] = self.data[key].contiguous(memory_format=self.layout)

    def optimize_parameters(self, current_iter):
        """One step of theta_d, where the phase trains it, then one of all its other parts together.

        Raises:
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        self._enter_phase(current_iter)
        trained = [label for label in PHASES[self.phase] if label in self.parts]
        self.domain_now = 'd' in trained and current_iter % self.opt['train'].get('domain_interval', 1) == 0
        chunks, logs = self.chunks(), defaultdict(float)
        pairs = self.discriminator_step(chunks, logs) if self.domain_now else [None] * len(chunks)
        for chunk, pair in zip(chunks, pairs):
            terms = self._terms(chunk, pair)
            self.backward(terms, sum(terms.values()), logs)
        self.step(*(label for label in trained if label != 'd'))
        self.scaler.update()
        self.log_dict = self.reduce_loss_dict(OrderedDict(logs))
        if self.ema_decay > 0:
            done = self.phases.since(current_iter)
            self.model_ema(min(self.ema_decay, (1 + done) / (10 + done)))

    def _enter_phase(self, iteration):
        """The parts that the phase trains learn; the others are constant, their normalisation layers too."""
        phase = self.phases.at(iteration)
        if phase == self.phase:
            return
        self.phase = phase
        if self.phases.begins(iteration):
            get_root_logger().info(f'Phase {phase} begins.')
            for label, net in self.averaged.items():
                self.bare[label].load_state_dict(net.state_dict())
        for net in [*self.bare.values(), *(net for net, _ in self.parts.values())]:
            net.eval().requires_grad_(False)
        for label, (net, _) in self.parts.items():
            if label in PHASES[phase]:
                net.train().requires_grad_(True)

    def _terms(self, chunk, pair):
        parts = PHASES[self.phase]
        sr, terms = self.hallucination_terms(chunk, pair) if 'g' in parts else (None, {})
        if 's' in parts or 'a' in parts:
            with self.autocast(), nullcontext() if 'g' in parts else torch.no_grad():
                unseen = self.recognising == 'a' and self.bare['r'].sees_probe
                faces = None if unseen else self.faces_seen(chunk['lq'], sr)
            terms.update(self.recognition_terms(chunk, faces))
        return terms

    def chunks(self):
        """The batch in its micro-batches: list of dicts of tensors."""
        parts = {key: value.chunk(self.accumulate) for key, value in self.data.items()}
        chunks = [{key: value[i] for key, value in parts.items()} for i in range(self.accumulate)]
        for chunk in chunks:
            if 'lq_size' in chunk:
                chunk['lq'] = split_probes(chunk['lq'], chunk['lq_size'])
        return chunks

    def autocast(self):
        """Mixed precision as ``train.amp`` has it, as a context."""
        return torch.autocast(self.device.type, self.amp_dtype) if self.amp_dtype else nullcontext()

    def backward(self, terms, total, logs):
        """Gradients of ``total``, a micro-batch's share of the step; the terms are checked, and added to the log."""
        check_finite(self, {f'l_{name}': term for name, term in terms.items()})
        self.scaler.scale(total / self.accumulate).backward()
        for name, term in terms.items():
            logs[f'l_{name}'] = logs[f'l_{name}'] + term.detach() / self.accumulate

    def step(self, *labels):
        """Clip, and step the optimizers of the parts with these letters."""
        for net, optimizer in (self.parts[label] for label in labels):
            if self.grad_clip:
                self.scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(net.parameters(), self.grad_clip)
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def model_ema(self, decay=0.999):
        """Move the averaged networks towards the current ones, as far as their phase trains them; buffers are
        copied."""
        for label, average_net in self.averaged.items():
            net = self.bare[label]
            pairs = [
                (average, value)
                for average, value in zip(average_net.parameters(), net.parameters())
                if value.requires_grad
            ]
            if pairs:
                get_ema_multi_avg_fn(decay)(*map(list, zip(*pairs)), None)
                for value, average in zip(net.buffers(), average_net.buffers()):
                    average.copy_(value)

    @property
    def amp_state(self):
        """The loss scale of fp16 training, which the training state carries; empty otherwise."""
        return self.scaler.state_dict()

    @amp_state.setter
    def amp_state(self, state):
        self.scaler.load_state_dict(state)

    @property
    def loss_state(self):
        """What losses keep from one iteration to the next, which the training state carries."""
        return {name: dict(loss.state_dict()) for name, loss in self.losses.items() if loss.state_dict()}

    @loss_state.setter
    def loss_state(self, state):
        for name, values in state.items():
            for key, value in values.items():
                kept = getattr(self.losses[name], key)
                if isinstance(kept, torch.nn.Parameter):
                    kept.data.copy_(value)
                else:  # a queue may have another length
                    setattr(self.losses[name], key, value.to(self.device))

    def test(self):
        """Hallucinate the batch with the averaged networks, or the current ones without EMA."""
        if self.net_eval is None:
            raise ValueError('network_g is missing: there is nothing that hallucinates faces')
        with evaluation(self.net_eval), torch.no_grad():
            self.found = None
            if 'd' in self.bare:
                self.found = self.net_eval.generator(self.data['lq'])
                self.output = self.net_eval.integrator(self.found.fused, self.found.coarse)
            else:
                self.output = self.net_eval(self.data['lq'])

    def nondist_validation(self, dataloader, current_iter, tb_logger, save_img):
        """Validate on faces (image quality, priors, pictures) or on pairs of faces (recognition)."""
        dataset = dataloader.dataset
        if not hasattr(dataset, 'pairs'):
            self.validator.faces(dataset, self.validation_step, current_iter, tb_logger, save_img)
            return
        if self.teacher is None:
            raise ValueError(f'network_t is missing: dataset {dataset.opt["name"]} is for recognition')
        with evaluation(*self.averaged.values()):
            self.validator.pairs(dataset, self.pipeline, current_iter, tb_logger)

    def validation_step(self, batch):
        """Hallucinate a batch; what evaluators process."""
        self.feed_data(batch)
        self.test()
        data = self.validation_data()
        if self.teacher is not None and 'gt' in data and self.validator.needs('sr_embedding'):
            data.update(identity_embeddings(data['sr'], data['gt'], self.teacher))
        return data

    def validation_data(self):
        """The batch, its SR faces and what the priors say, for metrics and pictures."""
        data = dict(self.data, sr=self.output)
        if self.found is None:
            return data
        data['coarse'] = self.found.coarse
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
        """Write each network, and the FHN composed of generator and integrator; then the training state."""
        nets = {f'net_{label}': (net, self.averaged[label]) for label, net in self.bare.items()}
        if 'd' in self.bare:
            nets['net_fhn'] = (self.fhn, self.net_eval)
        for label, (net, average) in nets.items():
            if self.ema_decay > 0:
                self.save_network([net, average], label, current_iter, param_key=['params', 'params_ema'])
            else:
                self.save_network(net, label, current_iter)
        self.save_training_state(epoch, current_iter)
