"""Measures one method, in a process of its own: image quality, recognition, size and speed."""

import json
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.analysis import get_model_complexity_info
from torch.utils.data import DataLoader

from rim_plugin.benchmark.cache import Cache
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.metrics.lpips import LPIPS
from rim_plugin.evaluation.metrics.psnr import PSNR
from rim_plugin.evaluation.metrics.ssim import SSIM
from rim_plugin.evaluation.pair_evaluator import PairEvaluator
from rim_plugin.evaluation.pictures import comparison_rows, face_columns
from rim_plugin.models.rim_model import evaluation

from basicsr.data import build_dataset
from basicsr.models import build_model

_BATCH = 16
_SPEED_SIZE = 28  # pixels of the probes on which size and speed are measured
_TIMED_SECONDS = 2


def build_method(networks, weights, recogniser, gallery='teacher'):
    """A RIMModel for tests from a method's networks: RIM, or any SR network before the recogniser.

    Args:
        networks (dict): label (g, d, r) to options. weights (dict): label to file; labels without one have none.
        recogniser (dict | None): ``type`` and arguments of ``network_t``, with ``weights``.
        gallery (str): ``val: gallery`` of RIMModel.
    """
    blocks, path = {f'network_{label}': dict(block) for label, block in networks.items()}, {}
    if recogniser is not None:
        blocks['network_t'] = {key: value for key, value in recogniser.items() if key != 'weights'}
        path['pretrain_network_t'] = recogniser.get('weights')
    for label, file in weights.items():
        path[f'pretrain_network_{label}'] = file
        path[f'param_key_{label}'] = 'params_ema'  # params where there is none
    return build_model(
        {
            'name': 'benchmark',
            'model_type': 'RIMModel',
            'num_gpu': min(torch.cuda.device_count(), 1),
            'dist': False,
            'rank': 0,
            'world_size': 1,
            'is_train': False,
            'path': path,
            'val': {'batch_size': _BATCH, 'gallery': gallery},
            **blocks,
        }
    )


def measure_images(model, options, pictures, lpips=None):
    """Quality of every face of an SR set.

    Args:
        model (RIMModel): with ``network_g``. options (dict): of the dataset. pictures (int): faces kept for the grid.
        lpips (str | None): AlexNet's weights, see :func:`~rim_plugin.evaluation.metrics.lpips.LPIPS`.

    Returns:
        dict: ``images``: names, PSNR in dB and SSIM of RGB and Y without crop, ``identity``, the recogniser's cosine
        between SR and HR face (empty without one), and ``lpips`` (empty without weights); ``arrays``: BGR pictures of
        the first faces, ``FACE/COLUMN``.
    """
    found = {key: [] for key in ('name', 'psnr_y', 'ssim_y', 'psnr_rgb', 'ssim_rgb', 'identity', 'lpips')}
    arrays = {}
    for batch in DataLoader(build_dataset({'phase': 'val', 'scale': 8, **options}), batch_size=_BATCH):
        model.feed_data(batch)
        model.test()
        data = model.validation_data()
        for metric, function in (('psnr', PSNR), ('ssim', SSIM)):
            for colour in ('y', 'rgb'):
                found[f'{metric}_{colour}'] += function(test_y_channel=colour == 'y').measure(data).tolist()
        if lpips is not None:
            found['lpips'] += LPIPS(lpips).measure(data).tolist()
        if model.teacher is not None:
            with torch.no_grad():
                sr, hr = (model.teacher(data[key].clamp(0, 1)).embedding for key in ('sr', 'gt'))
            found['identity'] += F.cosine_similarity(sr.double(), hr.double()).tolist()
        for face, row in enumerate(comparison_rows(data, pictures - len(found['name'])), len(found['name'])):
            columns = face_columns(row, row['sr'].shape[-1])
            arrays.update({f'{face}/{title}': image for title, image in columns.items()})
        found['name'] += list(batch['gt_path'])
    return {'images': found, 'arrays': arrays}


def measure_gallery(model, options, mirror):
    """Embeddings of all faces of a list of pairs at full resolution; ``arrays``: ``embeddings`` (N, D)."""
    dataset = build_dataset({'phase': 'val', 'scale': 8, **options})
    return {'arrays': {'embeddings': _evaluated(model, dataset, mirror).embeddings()[0]}}


def _evaluated(model, dataset, mirror, gallery=None):
    evaluator = PairEvaluator(dataset, model.pipeline, None, mirror, gallery, model.device)
    with evaluation(*model.averaged.values()):
        evaluate(evaluator.faces, None, [evaluator], _BATCH)
    return evaluator


def _gallery(cache, model, key, arguments):
    """The embeddings of :func:`measure_gallery`, from the cache where another method or size has left them there."""
    found = cache.get(key)
    if found is None:
        found = measure_gallery(model, *arguments)
        cache.put(key, found)
    return found['arrays']['embeddings']


def measure_pairs(model, options, mirror, gallery):
    """Verification on a list of pairs; ``arrays``: score, kind and fold of every pair.

    Args:
        model (RIMModel): see :func:`build_method`. options (dict): of the FacePairDataset. mirror (bool): see
            :meth:`FaceVerification.embed_faces`. gallery (ndarray): what :func:`measure_gallery` found.
    """
    dataset = build_dataset({'phase': 'val', 'scale': 8, **options})
    results = _evaluated(model, dataset, mirror, gallery).compute()
    return {
        'figures': results.figures,
        'protocol': results.protocol,
        'arrays': {key: np.asarray(results.data[key]) for key in ('scores', 'issame', 'folds')},
    }


def measure_speed(model):
    """Parameters, multiply-accumulates of one 28-pixel probe (mmengine counts), ms a face, peak memory.

    Returns:
        dict: ``parameters``, ``gmacs``, ``ms_1`` and ``ms_32`` (milliseconds a face at batch 1 and 32, median),
        ``peak_mib`` (of the GPU's allocator, or of the whole process).
    """
    net = model.net_eval.eval()
    probes = torch.rand(32, 3, _SPEED_SIZE, _SPEED_SIZE, device=model.device).contiguous(memory_format=model.layout)
    timed = {f'ms_{count}': _milliseconds(net, probes[:count]) for count in (1, 32)}
    counted = get_model_complexity_info(net, inputs=(probes[:1],), show_table=False, show_arch=False)
    return {
        'speed': {
            'parameters': sum(value.numel() for value in net.parameters()),
            'gmacs': counted['flops'] / 1e9,
            **timed,
            'peak_mib': peak_memory(model.device) / 2**20,
        },
        'arrays': {},
    }


def peak_memory(device):
    """Bytes, the most so far: of the GPU's allocator, or of this process."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


@torch.no_grad()
def _milliseconds(net, probes):
    times, began = [], time.perf_counter()
    net(probes)
    while len(times) < 3 or time.perf_counter() - began < _TIMED_SECONDS:
        start = time.perf_counter()
        net(probes)
        if probes.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times)) / len(probes)


MEASURES = {'speed': measure_speed, 'sr': measure_images, 'pairs': measure_pairs}


def main(job):
    """Measure what ``job`` lists, the speed first (its memory is the process's), each result into the cache at once.

    Prints a JSON line for each: its key, and the error where there is one, which does not stop the rest.
    """
    cache, model = Cache(job['cache']), None
    for unit in job['units']:
        line = {'key': unit['key']}
        try:
            model = model or build_method(job['networks'], job['weights'], job['recogniser'], job['gallery'])
            known = [_gallery(cache, model, **unit['gallery'])] if unit['gallery'] else []
            cache.put(unit['key'], MEASURES[unit['kind']](model, *unit['arguments'], *known))
        except Exception as error:  # a row that says so
            line['error'] = f'{type(error).__name__}: {error}'.splitlines()[0]
        print('RESULT', json.dumps(line), flush=True)


if __name__ == '__main__':
    import rim_plugin  # noqa: F401  registers

    torch.manual_seed(0)
    main(json.loads(sys.stdin.read()))
