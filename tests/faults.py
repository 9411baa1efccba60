"""The faults that ``tests/seeded_faults.py`` puts into the package one by one."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One change that makes the package wrong.

    Attributes:
        file: below ``rim_plugin/``.
        old: text that occurs there once.
        new: what takes its place.
        tests: below ``tests/``, separated by spaces; one of them must fail.
        wrong: what is wrong then.
        slow: whether the tests train networks.
    """

    file: str
    old: str
    new: str
    tests: str
    wrong: str
    slow: bool = False


FAULTS = (
    # losses
    Fault(
        'losses/heatmap_loss.py',
        'squared.sum((2, 3)).mean()',
        'squared.sum((1, 2, 3)).mean()',
        'losses/test_heatmap_loss.py',
        'Eq. 3 without 1/N: summed over the landmarks',
    ),
    Fault(
        'losses/parsing_loss.py',
        'total / (logits.shape[1] * logits.shape[0])',
        'total / logits.shape[0]',
        'losses/test_parsing_loss.py',
        'Eq. 4 without 1/C',
    ),
    Fault(
        'losses/mkmmd_loss.py',
        '- 2 * between',
        '- between',
        'losses/test_mkmmd_loss.py',
        'Eq. 8: the mixed term counts once',
    ),
    Fault(
        'losses/mkmmd_loss.py',
        'torch.cat([source, target]).detach()',
        'torch.cat([source, target])',
        'losses/test_mkmmd_loss.py',
        'Eq. 9: a gradient flows through the bandwidth',
    ),
    Fault(
        'losses/distillation_loss.py',
        'widened(student, teacher.detach())',
        'widened(student, teacher)',
        'losses/test_distillation_loss.py',
        'Eq. 11: the teacher has a gradient',
    ),
    Fault(
        'losses/residual_distillation_loss.py',
        'error = distillation_loss(f_a, left, reduction=reduction)',
        'error = distillation_loss(f_a - (f_t - f_s), 0 * f_t, reduction=reduction)',
        'losses/test_residual_distillation_loss.py',
        'Eq. 12 without stop-gradient: the student has one',
    ),
    Fault(
        'losses/arcface_loss.py',
        'margin: Annotated[float, Meta(ge=0, le=math.pi / 2)] = 0.5,',
        'margin: Annotated[float, Meta(ge=0, le=math.pi / 2)] = 0.4,',
        'losses/test_arcface_loss.py',
        'ArcFace: another default margin',
    ),
    Fault(
        'losses/arcface_loss.py',
        'scale: Positive = 64.0,',
        'scale: Positive = 32.0,',
        'losses/test_arcface_loss.py',
        'ArcFace: another default scale',
    ),
    Fault(
        'losses/contrastive_loss.py',
        'temperature: Positive = 0.07,',
        'temperature: Positive = 0.1,',
        'losses/test_contrastive_loss.py',
        'InfoNCE: another default temperature',
    ),
    # what the phases make of them
    Fault(
        'models/phases/fhn.py',
        'loss = -self._domain_loss(',
        'loss = self._domain_loss(',
        'models/phases/test_fhn.py',
        'Eq. 6: theta_d minimises the domain loss',
        slow=True,
    ),
    Fault(
        'models/phases/joint.py',
        'student_input(batch.probes, sr)',
        'student_input(batch.probes, sr.detach())',
        'models/phases/test_joint.py',
        'joint phase: Eq. 11 does not reach the hallucination network',
        slow=True,
    ),
    Fault(
        'archs/hrn_arch.py',
        'self.assistant(view.detach())',
        'self.assistant(view)',
        'models/phases/test_joint.py',
        'joint phase: Eq. 12 reaches the hallucination network',
        slow=True,
    ),
    Fault(
        'archs/hrn_arch.py',
        'self.fusion_weight * (student[-1] + assistant[-1])',
        'self.fusion_weight * (student[-1] + assistant[-1]) / 2',
        'archs/test_hrn.py',
        'fusion: mean of f_S^K and f_A^K instead of the sum',
    ),
    Fault(
        'archs/hrn_arch.py',
        'view = image if probe is None else probe',
        'view = image',
        'archs/test_hrn.py models/phases/test_assistant.py',
        'the assistant of view probe sees the hallucinated face',
        slow=True,
    ),
    # data
    Fault(
        'heatmaps.py', 'sigma: float = 1.3', 'sigma: float = 1.5', 'test_heatmaps.py', 'heatmaps: another default sigma'
    ),
    Fault(
        'heatmaps.py',
        '(torch.from_numpy(points)[None] + 0.5) / image_size',
        'torch.from_numpy(points)[None] / image_size',
        'test_heatmaps.py',
        'heatmaps: scaled about the corner of a pixel',
    ),
    Fault(
        'data/alignment.py',
        '(56.0252, 71.7366)',
        '(57.0252, 71.7366)',
        'data/test_alignment.py',
        "alignment: ArcFace's nose one pixel to the right",
    ),
    Fault(
        'data/alignment.py',
        '(ARCFACE_TEMPLATE + 0.5) * (size / _TEMPLATE_SIZE) - 0.5',
        'ARCFACE_TEMPLATE * (size / _TEMPLATE_SIZE)',
        'data/test_alignment.py',
        'alignment: the template is scaled about the corner of a pixel',
    ),
    Fault(
        'data/landmarks.py',
        '194: (slice(134, 154), slice(114, 134), ',
        '194: (slice(114, 134), slice(134, 154), ',
        'data/test_landmarks.py',
        'landmarks: left and right eye of 194 points exchanged',
    ),
    Fault(
        'data/landmarks.py',
        '(40, 47), (41, 46)]',
        '(40, 46), (41, 47)]',
        'data/test_landmarks.py',
        'landmarks: the lower lid of 68 points is mirrored wrongly',
    ),
    Fault(
        'data/resize.py',
        'antialias=True',
        'antialias=False',
        'data/test_resize.py',
        'low-resolution images with aliasing',
    ),
    # evaluation
    Fault(
        'evaluation/thresholds.py',
        'tested >= best, best',
        'tested > best, best',
        'evaluation/test_thresholds.py',
        'thresholds: a score that reaches the threshold is refused',
    ),
    Fault(
        'evaluation/thresholds.py',
        'thresholds[first:][correct[first:].argmax()]',
        'thresholds[::-1][correct[first:][::-1].argmax()]',
        'evaluation/test_thresholds.py',
        'thresholds: the lowest of equally good ones',
    ),
    Fault(
        'evaluation/thresholds.py',
        'np.arange(0, 4, 0.01)',
        'np.arange(0, 4, 0.02)',
        'evaluation/test_thresholds.py',
        "thresholds: a coarser grid than insightface's",
    ),
    Fault(
        'evaluation/metrics/eer.py',
        'np.interp(1, far + tar, far)',
        'far[np.abs(far + tar - 1).argmin()]',
        'evaluation/metrics/test_eer.py evaluation/test_roc.py',
        'EER: the nearest point instead of the line between two',
    ),
    Fault(
        'evaluation/metrics/tar_at_far.py',
        'np.interp(self.far, far, tar)',
        "tar[np.searchsorted(far, self.far, 'right') - 1]",
        'evaluation/metrics/test_tar_at_far.py evaluation/test_roc.py',
        'TAR at FAR: the point before instead of the line between two',
    ),
    Fault(
        'evaluation/metrics/rank.py',
        'return (of_persons >= own).sum(1)',
        'return (of_persons > own).sum(1) + 1',
        'evaluation/metrics/test_rank.py',
        "rank: persons who tie come after the probe's own",
    ),
    Fault(
        'evaluation/metrics/parsing_miou.py',
        '/ (union > 0).sum(-1)',
        '/ union.shape[-1]',
        'evaluation/metrics/test_parsing_miou.py',
        'mIoU: classes that do not occur count as 0',
    ),
    Fault(
        'evaluation/metrics/nme.py',
        'eye_centres(truth)',
        'eye_centres(estimated)',
        'evaluation/metrics/test_nme.py',
        'NME: over the distance of the estimated eyes',
    ),
    Fault(
        'evaluation/metrics/psnr.py',
        '255**2 / mse',
        '256**2 / mse',
        'evaluation/metrics/test_psnr.py evaluation/test_eight_bit.py',
        'PSNR: a peak of 256',
    ),
    Fault(
        'evaluation/embeddings.py',
        'keys = [embedder + _face_key(face) for face in faces]',
        'keys = [2 * _face_key(face) for face in faces]',
        'evaluation/test_pair_evaluator.py models/test_validation.py',
        'known embeddings: those of another network are taken for its own',
    ),
    Fault(
        'network_key.py',
        'chain(network.named_parameters(), network.named_buffers())',
        'chain(network.named_parameters())',
        'test_network_key.py',
        'keys of networks: running statistics may change unnoticed',
    ),
    Fault(
        'evaluation/eight_bit.py',
        'higher_is_better = False',
        'higher_is_better = True',
        'evaluation/metrics/test_lpips.py evaluation/test_metric.py',
        'LPIPS and DISTS: the worst counts as the best',
    ),
    Fault(
        'evaluation/metrics/fid.py',
        'scale = (counts / (total - 1)).sqrt()[:, None]',
        'scale = (counts / total).sqrt()[:, None]',
        'evaluation/metrics/test_fid.py',
        'FID: covariances divided by N in place of N - 1',
    ),
    Fault(
        'evaluation/native_evaluator.py',
        'means /= np.bincount(which)[:, None]',
        'means /= 1',
        'evaluation/test_native_evaluator.py',
        'templates: each frame of a film counts as a photo',
    ),
    Fault(
        'evaluation/native_evaluator.py',
        'ranks.append(1 + ((similarity >= best[-1][:, None]) & ~mine).sum(1))',
        'ranks.append(1 + (similarity > best[-1][:, None]).sum(1) // 2)',
        'evaluation/test_native_evaluator.py',
        'ranks of native sets: half of the images before the right one',
    ),
    # tools, pipeline, weights
    Fault(
        'tools/calibration.py',
        'mated.standard.mean() + others.standard.mean()) / 2',
        'mated.standard.mean() + others.standard.mean()) / 3',
        'tools/test_calibration.py',
        'calibration: the middle probability of recognition is none of the pairs',
    ),
    Fault(
        'tools/calibration.py',
        'np.clip(standard, least, largest) - mean',
        'standard - mean',
        'tools/test_calibration.py',
        'calibration: verdicts are extrapolated to qualities that were not calibrated',
    ),
    Fault(
        'pipeline.py',
        '(resize(sr, side) - probes).square()',
        '(resize(sr, side) - probes).abs()',
        'test_pipeline.py',
        'pipeline: noise is no root mean square',
    ),
    Fault(
        'tools/calibration.py',
        'np.log2(size / lower) / np.log2(upper / lower)',
        '(size - lower) / (upper - lower)',
        'tools/test_calibration.py',
        'calibration: linear in the size instead of its logarithm',
    ),
    Fault(
        'pipeline.py',
        'small = [group.shape[-1] < FACE_SIZE for group in groups]',
        'small = [group.shape[-1] <= FACE_SIZE for group in groups]',
        'test_pipeline.py',
        'pipeline: faces of 112 pixels are hallucinated',
    ),
    Fault(
        'pipeline.py',
        'embed(faces.flip(3))',
        'embed(faces.flip(2))',
        'test_pipeline.py',
        'pipeline: the mirror image is upside down',
    ),
    Fault(
        'tensor_files.py',
        'if digest != expected:',
        'if not expected:',
        'test_weights_file.py',
        'weights: a damaged file is loaded',
    ),
    Fault(
        'heatmaps.py',
        'centres = points.float() * size - 0.5',
        'centres = points.float() * size',
        'test_heatmaps.py archs/test_subpixel_fhn_arch.py',
        'Heatmaps half a pixel beside the landmarks that they are drawn around',
    ),
    Fault(
        'heatmaps.py',
        'gaussian[:, :, 1, :, None] * gaussian[:, :, 0, None, :]',
        'gaussian[:, :, 0, :, None] * gaussian[:, :, 1, None, :]',
        'test_heatmaps.py archs/test_subpixel_fhn_arch.py',
        'x and y of drawn heatmaps changed over',
    ),
    Fault(
        'muon.py',
        '_RMS * math.sqrt(max(shape))',
        '_RMS * math.sqrt(min(shape))',
        'test_muon.py',
        "Muon's steps another size than Adam's",
    ),
    Fault(
        'muon.py',
        "torch._foreach_lerp(gradients, momenta, group['momentum'])",
        "torch._foreach_lerp(momenta, gradients, group['momentum'])",
        'test_muon.py',
        "Nesterov's look ahead the other way round",
    ),
    Fault(
        'batch.py',
        '(self.landmarks + 0.5) / self.truth.shape[-1]',
        'self.landmarks / self.truth.shape[-1]',
        'models/phases/test_fhn.py',
        'Places of landmarks half a pixel off',
    ),
    Fault(
        'compat/changed_options.py',
        "done = max(state['iter'] - 1, 0)",
        "done = state['iter']",
        'compat/test_changed_options.py',
        'A changed schedule one iteration ahead',
    ),
    Fault(
        'data/stored_image.py',
        'if image.shape[:2] != tuple(shape[:2]):',
        'if image.shape[0] > shape[0]:',
        'data/test_store_check.py',
        'A face smaller than it is listed is taken for whole',
    ),
    Fault(
        'options/yaml_values.py',
        'if isinstance(event, yaml.AliasEvent) else 1',
        'if isinstance(event, str) else 1',
        'options/test_reading.py',
        'Aliases of aliases count as one value each',
    ),
)
