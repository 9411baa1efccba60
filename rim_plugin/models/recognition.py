"""Training of the heterogeneous recognition network by residual knowledge distillation: Eqs. 11 and 12."""

from inspect import signature
from itertools import compress

import torch

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.layers import probe_groups, resize_groups
from rim_plugin.archs.recogniser import FACE_SIZE, RecogniserOutput
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.pipeline import IMAGE_SIZE, bicubic
from rim_plugin.weights_file import packed_options

from basicsr.archs import build_network
from basicsr.utils import get_root_logger


class RecognitionTraining:
    """What RIMModel does with ``network_t``, the frozen teacher, and ``network_r``, the HRN of student and assistant.

    The teacher sees HR faces; student and assistant see what the hallucination network makes of the probes.
    """

    def build_teacher(self):
        """The teacher with its weights, frozen; None without ``network_t``.

        Raises:
            ValueError: it has no weights.
        """
        if 'network_t' not in self.opt:
            return None
        net = build_network(self.opt['network_t'])
        path = self.opt['path'].get('pretrain_network_t')
        if path is not None:
            load_recogniser_weights(net, path)
        elif list(net.parameters()):  # an OnnxRecogniser brings its own
            raise ValueError('path.pretrain_network_t is missing: name the weights of the teacher, network_t')
        return net.to(self.device, memory_format=self.layout).eval().requires_grad_(False)

    def warn_of_other_options(self, path):
        """Two options of HRN change what it computes, but neither names nor shapes of the weights in ``path`` (str)."""
        trained = packed_options(path, 'hrn')
        for key in ('assistant_view', 'fusion') if trained else ():
            default = signature(HRN).parameters[key].default
            there, here = trained.get(key, default), self.opt['network_r'].get(key, default)
            if there != here:
                get_root_logger().warning(
                    f'{path} was trained with network_r.{key}: {there}; here it is {here}, with '
                    'which these weights do worse.'
                )

    def recognition_terms(self, chunk, sr):
        """The terms of Eqs. 11 and 12, and of the embedding, that the phase trains, by name.

        Args:
            chunk (dict): tensors of the batch, with ``gt`` (N, 3, S, S).
            sr (Tensor | None): (N, 3, S, S), the probes hallucinated; Eq. 11 reaches beyond it where it has a graph.
                None where nobody looks at it.
        """
        parts = self.recognising
        with self.autocast():
            with torch.no_grad():
                teacher = self.teach(chunk['gt'])
            probe = self.probe_seen(chunk['lq']) if 'a' in parts else None
            found = self.net_r(sr, probe, parts=parts)
            embedding = self.bare['r'].embed(found, self.teacher)
        output = RecogniserOutput(found.assistant if parts == 'a' else found.student, embedding)
        names = ['distill', 'embedding', 'contrast']
        if self.phase == 'assistant' and parts == 'sa':
            names.remove('distill')  # the student's, which is constant
        terms = {name: self.losses[name](output, teacher) for name in names if name in self.losses}
        if 'residual' in self.losses and parts == 'sa' and found.assistant:
            terms['residual'] = self.losses['residual'](found.assistant, found.student, teacher.blocks)
        for name in ('identity', 'center'):
            if name in self.losses:
                if 'identity' not in chunk:
                    raise ValueError(
                        f"{name}_opt needs to know who the faces are: set the dataset's identities, or leave it out"
                    )
                terms[name] = self.losses[name](output, chunk['identity'])
        return terms

    @property
    def recognising(self):
        """Letters of the parts of HRN that the phase needs, see :meth:`HRN.forward`."""
        alone = self.opt['train'].get('assistant_target', 'sum') == 'own'
        return {'student': 's', 'assistant': 'a' if alone else 'sa'}.get(self.phase, 'sa')

    def faces_seen(self, lq, sr=None):
        """The faces that student and assistant see in training, as at inference: see :meth:`upscale_probe`.

        Args:
            lq (Tensor | list[Tensor]): (N, 3, q, q), or probes of several sizes, N in all.
            sr (Tensor | None): (N, 3, S, S), the probes hallucinated, where that is done already.

        Returns:
            Tensor: (N, 3, h, w); of 112 pixels for probes of several sizes.
        """
        groups = probe_groups(lq)
        small = [probes.shape[-1] < FACE_SIZE for probes in groups]
        if sr is None:
            found = iter(self._hallucinated(list(compress(groups, small))))
        else:
            found = compress(sr.split([len(probes) for probes in groups]), small)
        return _one_batch(next(found) if is_small else probes for probes, is_small in zip(groups, small))

    def _hallucinated(self, groups):
        """Every group of probes as :meth:`upscale_probe` gives it; an FHN takes them together, which is faster."""
        if not groups or not isinstance(self.net_eval, FHN):
            return [self.upscale_probe(probes) for probes in groups]
        return self.net_eval(groups).split([len(probes) for probes in groups])

    def probe_seen(self, lq):
        """The probes enlarged without hallucination, (N, 3, h, w), for an assistant that sees these; else None."""
        if not self.bare['r'].sees_probe:
            return None
        return _one_batch(self.enlarge_probe(probes) for probes in probe_groups(lq))

    def embed_gallery(self, images):
        """Embeddings (N, D), not normalised, of faces (N, 3, h, w) at full resolution, by ``val: gallery``."""
        return self.embed_probe(images) if self.gallery == 'hrn' else self.teacher(images).embedding

    def embed_probe(self, lq):
        """Embeddings (N, D), not normalised, of probes (N, 3, q, q): RIM's inference, f_S^K + f_A^K.

        The teacher's without ``network_r``, and for probes of 112 pixels or more, which have all that it looks at,
        unless ``val: gallery`` is ``hrn``.
        """
        sr = self.upscale_probe(lq)
        if 'r' not in self.averaged or lq.shape[-1] >= FACE_SIZE and self.gallery == 'teacher':
            return self.teacher(sr).embedding
        net = self.averaged['r']
        return net.embed(net(sr, self.probe_seen(lq)), self.teacher)

    def upscale_probe(self, lq):
        """Probes to faces as the recogniser sees them: hallucinated, but as they are from 112 pixels on."""
        return self.enlarge_probe(lq) if self.net_eval is None or lq.shape[-1] >= FACE_SIZE else self.net_eval(lq)

    def enlarge_probe(self, lq):
        """Probes enlarged by bicubic interpolation, but as they are from 112 pixels on."""
        return lq if lq.shape[-1] >= FACE_SIZE else bicubic(lq, (IMAGE_SIZE, IMAGE_SIZE))

    @property
    def probe_upscaling(self):
        """How probes are enlarged, for the result file."""
        return self.pipeline.upscaling


def _one_batch(faces):
    """Faces of several sizes as one tensor, of 112 pixels then."""
    faces = list(faces)
    return faces[0] if len(faces) == 1 else resize_groups(faces, FACE_SIZE)
