"""Faults in equations, alignment and thresholds, each of which the tests must catch.

    python tests/seeded_faults.py [--fast]

puts one fault after the other into a copy of the package, runs the tests that should catch it, and prints which fails
first. It exits with 1 if a fault survives, or if tests fail without any. ``--fast`` leaves out the faults whose tests
train networks. pytest does not collect this file; ``test_seeded_faults.py`` keeps the list from going out of date.
"""

import argparse
import contextlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).absolute().parents[1]
# imported once, and not again for every fault; the package and BasicSR, which needs it, are not among them
PRELOADED = ['pytest', 'torchvision', 'torchmetrics', 'sklearn.linear_model', 'skimage.transform', 'cv2', 'matplotlib']


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
        'distillation_loss(f_a, f_t - f_s, reduction=reduction)',
        'distillation_loss(f_a - (f_t - f_s), 0 * f_t, reduction=reduction)',
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
        'data/heatmaps.py',
        'sigma: float = 1.3',
        'sigma: float = 1.5',
        'data/test_heatmaps.py',
        'heatmaps: another default sigma',
    ),
    Fault(
        'data/heatmaps.py',
        'centres = (points + 0.5) * (heatmap_size / image_size) - 0.5',
        'centres = points * (heatmap_size / image_size)',
        'data/test_heatmaps.py',
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
        'evaluation/embeddings.py',
        'chain(network.named_parameters(), network.named_buffers())',
        'chain(network.named_parameters())',
        'evaluation/test_embeddings.py',
        'known embeddings: running statistics may change unnoticed',
    ),
    Fault(
        'evaluation/metrics/lpips.py',
        'higher_is_better = False',
        'higher_is_better = True',
        'evaluation/metrics/test_lpips.py evaluation/test_metric.py',
        'LPIPS: the worst counts as the best',
    ),
    # tools, pipeline, weights
    Fault(
        'tools/calibration.py',
        'scores[:, None] - threshold',
        'scores[:, None]',
        'tools/test_calibration.py',
        'calibration: the slope is not that about the threshold',
    ),
    Fault(
        'tools/calibration.py',
        'np.interp(np.log2(size), octaves, values)',
        'np.interp(size, 2**octaves, values)',
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
        'weights_file.py',
        'if digest != expected:',
        'if not expected:',
        'test_weights_file.py',
        'weights: a damaged file is loaded',
    ),
    Fault(
        'archs/subpixel_fhn_arch.py',
        'centres = points.float() * size - 0.5',
        'centres = points.float() * size',
        'archs/test_subpixel_fhn_arch.py',
        'Heatmaps half a pixel beside the landmarks that they are drawn around',
    ),
    Fault(
        'archs/subpixel_fhn_arch.py',
        'gaussian[:, :, 1, :, None] * gaussian[:, :, 0, None, :]',
        'gaussian[:, :, 0, :, None] * gaussian[:, :, 1, None, :]',
        'archs/test_subpixel_fhn_arch.py',
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
)


def seed(root: Path, fault: Fault) -> None:
    """Put a fault into the package of ``root``.

    Raises:
        ValueError: its old text does not occur exactly once.
    """
    file = root / 'rim_plugin' / fault.file
    text = file.read_text(encoding='utf-8')
    if text.count(fault.old) != 1:
        raise ValueError(f'{fault.file}: {fault.old!r} occurs {text.count(fault.old)} times, not once')
    file.write_text(text.replace(fault.old, fault.new), encoding='utf-8')


def first_failure(tests: Sequence[str], fault: Fault | None = None, repository: Path = REPOSITORY) -> str:
    """Name of the first of ``tests`` (below ``tests/``) to fail with a fault; empty if none does.

    Raises:
        RuntimeError: pytest did not get as far as running tests.
        ValueError: see :func:`seed`.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for entry in repository.iterdir():
            if entry.name == 'rim_plugin':
                shutil.copytree(entry, root / entry.name, ignore=shutil.ignore_patterns('__pycache__'))
            elif entry.name != '.git':
                (root / entry.name).symlink_to(entry)
        if fault:
            seed(root, fault)
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=_run_pytest, args=(folder, [f'tests/{test}' for test in tests]))
        process.start()
        process.join()
        output = (root / 'output.txt').read_text(encoding='utf-8')
    if process.exitcode not in (0, 1):
        raise RuntimeError(f'pytest ended with {process.exitcode}:\n{output}')
    failed = re.search(r'^(?:FAILED|ERROR) tests/(.+?)(?: - .*)?$', output, re.MULTILINE)
    return failed[1] if failed else '?' * process.exitcode


def _run_pytest(folder: str, tests: Sequence[str]) -> None:
    import pytest  # in the child alone: the parent starts at once

    os.chdir(folder)
    sys.path.insert(0, folder)
    os.environ['PYTHONPATH'] = folder  # for the processes of tests
    sys.dont_write_bytecode = True
    with open('output.txt', 'w', encoding='utf-8') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = pytest.main(['-x', '-q', '-m', 'not slow', '-p', 'no:cacheprovider', *tests])
    sys.exit(code)


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description='Seed faults one by one and see whether the tests catch them.')
    parser.add_argument('--fast', action='store_true', help='leave out the faults whose tests train networks')
    fast = parser.parse_args().fast
    faults = [fault for fault in FAULTS if not (fast and fault.slow)]
    failed = first_failure(sorted({test for fault in faults for test in fault.tests.split()}))
    if failed:
        print(f'{failed} fails without any fault')
        return 1
    survivors = 0
    for number, fault in enumerate(faults, 1):
        start = time.monotonic()
        failed = first_failure(fault.tests.split(), fault)
        survivors += not failed
        verdict = f'caught by {failed}' if failed else 'SURVIVED'
        print(f'{number:2} {time.monotonic() - start:4.0f} s  {fault.wrong:66} {verdict}', flush=True)
    print(f'{len(faults) - survivors} of {len(faults)} faults caught')
    return int(survivors > 0)


if __name__ == '__main__':
    sys.exit(main())
