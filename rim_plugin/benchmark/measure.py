"""Measures one method, in a process of its own: image quality, recognition, size and speed."""

import json
import resource
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from mmengine.analysis import get_model_complexity_info
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from rim_plugin.batch import Batch
from rim_plugin.benchmark.cache import Cache
from rim_plugin.benchmark.picture_grid import packed, webp
from rim_plugin.benchmark.protocol import SeenFaces, image_protocol, pair_protocol, protocol_hash
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.image_evaluator import IdentityEmbedder, ImageEvaluator, face_data
from rim_plugin.evaluation.metric import ImageMetric, SetMetric, build_metric, standard_metrics
from rim_plugin.evaluation.native_evaluator import NativeFaces, measure_native_set, native_protocol
from rim_plugin.evaluation.open_set import search_scores
from rim_plugin.evaluation.pair_evaluator import PairEvaluator
from rim_plugin.evaluation.pictures import SheetEvaluator
from rim_plugin.models.networks import build_nets, build_teacher
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import NativeOptions
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.sheets import face_columns, to_image
from rim_plugin.weights_file import load_into, packed_sides

from basicsr.data import build_dataset

Options = Mapping[str, Any]
_TIMED_SECONDS = 2
SET_RESAMPLES = 200  # whole sets of faces, whose metrics are computed anew each time
DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def build_method(
    networks: Mapping[str, Options],
    weights: Mapping[str, str],
    recogniser: Options | None = None,
    gallery: str | None = None,
) -> RIMPipeline:
    """A method's networks with their weights, ready to infer: RIM, or any SR network before the recogniser.

    Args:
        networks: label (g, d, r) to options.
        weights: label to file, of which the averaged weights are taken where it has them; labels without one have none.
        recogniser: ``type`` and arguments of the teacher, with ``weights``.
        gallery: who embeds faces at full resolution, see :class:`RIMPipeline`.
    """
    options: dict[str, Any] = {f'network_{label}': block for label, block in networks.items()}
    if recogniser is not None:
        options['network_t'] = {key: value for key, value in recogniser.items() if key != 'weights'}
        options['path'] = {'pretrain_network_t': recogniser.get('weights')}
    nets = build_nets(options, build_teacher(options))
    for label, file in weights.items():
        load_into(nets.learning[label], file, 'params_ema')
    pipeline = nets.pipeline(gallery, packed_sides(weights.get('g', '')))
    return pipeline.to(DEVICE).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def measure_images(
    pipeline: RIMPipeline, options: Options, pictures: int, metrics: Mapping[str, Options], keep: bool
) -> dict[str, Any]:
    """Quality of every face of an SR set.

    Args:
        pipeline: with a hallucination network.
        options: of the dataset.
        pictures: faces kept for the grid.
        metrics: column to ``type`` and arguments, beside the standard ones.
        keep: keep every hallucinated face as a small file, see :func:`~rim_plugin.benchmark.picture_grid.packed`.

    Returns:
        ``images``: ``name`` and each metric's values of all faces; ``means``: each metric over all of them;
        ``resampled``: metrics that are no mean, over bootstrap samples of the faces;
        ``protocol``; ``arrays``: BGR pictures of the first faces, ``FACE/COLUMN``. Metrics that faces or networks lack
        the data for are absent.
    """
    quality, sheet = ImageEvaluator(image_metrics(metrics)), SheetEvaluator(pictures)
    quality.baselines.clear()  # bicubic interpolation is a method of its own
    seen, sizes = SeenFaces(), (0, 0)
    files: list[bytes] = []
    identity = None if pipeline.teacher is None else IdentityEmbedder(pipeline.teacher, KnownEmbeddings())

    def step(data: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal sizes
        seen.add(data['gt_path'], data['lq'], data['gt'])
        sizes = data['lq'].shape[-1], data['gt'].shape[-1]
        batch = Batch.from_data(data, DEVICE)
        restored = pipeline.restore(batch.probes)
        if keep:
            files.extend(webp(to_image(face.cpu())) for face in restored.sr)
        return face_data(batch, restored, identity)

    evaluate(open_dataset(options), step, [quality, sheet])
    results = quality.compute()
    faces = {metric: values.tolist() for metric, values in results.per_face.items()}
    columns = (face_columns(row, row['sr'].shape[-1]) for row in sheet.rows)
    arrays = {f'{face}/{title}': image for face, images in enumerate(columns) for title, image in images.items()}
    return {
        'images': {'name': seen.names, **faces},
        'means': results.values,
        'resampled': {
            name: metric.resampled(SET_RESAMPLES).tolist()
            for name, metric in quality.metrics.items()
            if isinstance(metric, SetMetric) and name in results.values
        },
        'protocol': image_protocol(options, seen, sizes),
        'arrays': {**arrays, **(packed(files) if keep else {})},
    }


def image_metrics(blocks: Mapping[str, Options]) -> dict[str, ImageMetric]:
    """The standard metrics of faces and those of ``blocks``, by column; one whose file is not given is left out."""
    built = {name: build_metric(block) for name, block in blocks.items() if None not in block.values()}
    named = {name: metric for name, metric in built.items() if isinstance(metric, ImageMetric)}
    return {**standard_metrics(ImageMetric), **named}


def measure_gallery(pipeline: RIMPipeline, options: Options, mirror: bool) -> dict[str, Any]:
    """Embeddings of all faces of a list of pairs at full resolution, as :attr:`KnownEmbeddings.arrays`."""
    return {'arrays': _embedded(pipeline, options, mirror).known.arrays}


def measure_pairs(pipeline: RIMPipeline, options: Options, mirror: bool, known: KnownEmbeddings) -> dict[str, Any]:
    """Verification and identification on a list of pairs.

    Args:
        pipeline: see :func:`build_method`.
        options: of the FacePairDataset.
        mirror: see :class:`PairEvaluator`.
        known: embeddings of faces at full resolution.

    Returns:
        ``figures``, ``protocol``, and in ``arrays`` score, kind and fold of every pair; with identification also the
        best scores of each probe's mated and non-mated search, see :func:`search_scores`.
    """
    results = _embedded(pipeline, options, mirror, known).compute()
    data = results.data
    arrays = {key: np.asarray(data[key]) for key in ('scores', 'issame', 'folds')}
    if 'similarity' in data:
        found = search_scores(data['similarity'], data['probe_identities'], data['gallery_identities'])
        arrays.update(zip(('mated', 'non_mated'), found))
    return {'figures': results.figures, 'protocol': pair_protocol(results.protocol), 'arrays': arrays}


def measure_native(pipeline: RIMPipeline, options: Options, mirror: bool) -> dict[str, Any]:
    """Recognition of a set of faces that are small by nature.

    Args:
        pipeline: see :func:`build_method`.
        options: of the set.
        mirror: see :class:`PairEvaluator`.

    Returns:
        ``parts``: by name of a search, or ``verification``, ``figures`` and the number of ``probes`` (None: of pairs);
        ``protocol``; in ``arrays`` those of the parts, ``PART/NAME``.
    """
    typed = convert(dict(options), NativeOptions, 'native_sets')
    faces = NativeFaces(typed, typed.dataroot_gt)
    parts = measure_native_set(faces, pipeline, mirror, DEVICE)
    protocol = native_protocol(faces, typed)
    return {
        'parts': {name: {'figures': part.figures, 'probes': part.probes} for name, part in parts.items()},
        'protocol': {'hash': protocol_hash(protocol), **protocol},
        'arrays': {f'{name}/{key}': values for name, part in parts.items() for key, values in part.arrays.items()},
    }


def _embedded(
    pipeline: RIMPipeline, options: Options, mirror: bool, known: KnownEmbeddings | None = None
) -> PairEvaluator:
    evaluator = PairEvaluator(open_dataset(options), pipeline, mirror=mirror, known=known, device=DEVICE)
    evaluate(evaluator.faces, None, [evaluator])
    return evaluator


def open_dataset(options: Options) -> Any:
    """The dataset of these options, as every method sees it."""
    return build_dataset({'phase': 'val', 'scale': 8, **options})


def measure_speed(pipeline: RIMPipeline, side: int = 28) -> dict[str, Any]:
    """Parameters, multiply-accumulates of one probe (mmengine counts), ms a face, peak memory.

    Args:
        pipeline: with a hallucination network.
        side: of the probes, pixels.

    Returns:
        ``speed``: ``parameters``, ``gmacs``, ``ms_1`` and ``ms_32`` (milliseconds a face at batch 1 and 32, median),
        ``peak_mib`` (of the GPU's allocator, or of the whole process).
    """
    net = pipeline.fhn
    assert net is not None  # methods without one have no row in the tables of speed
    probes = torch.rand(32, 3, side, side, device=DEVICE).contiguous(memory_format=torch.channels_last)
    timed = {f'ms_{count}': _milliseconds(net, probes[:count]) for count in (1, 32)}
    counted = get_model_complexity_info(net, inputs=(probes[:1],), show_table=False, show_arch=False)
    parameters = sum(value.numel() for value in net.parameters())
    speed = {'parameters': parameters, 'gmacs': counted['flops'] / 1e9, **timed, 'peak_mib': peak_memory() / 2**20}
    return {'speed': speed, 'arrays': {}}


def peak_memory() -> int:
    """Bytes, the most so far: of the GPU's allocator, or of this process."""
    if DEVICE.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


@torch.no_grad()
def _milliseconds(net: nn.Module, probes: Tensor) -> float:
    """Milliseconds a probe: the median of runs for two seconds; of a network that takes longer, the one run's."""
    start = perf_counter()
    net(probes)
    seconds = perf_counter() - start
    if seconds < _TIMED_SECONDS:
        timer = Timer('net(probes)', globals={'net': net, 'probes': probes}, num_threads=torch.get_num_threads())
        seconds = timer.blocked_autorange(min_run_time=_TIMED_SECONDS).median
    return 1000 * seconds / len(probes)


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {
    'speed': measure_speed,
    'sr': measure_images,
    'pairs': measure_pairs,
    'native': measure_native,
}


def main(job: Mapping[str, Any]) -> None:
    """Measure what ``job`` lists, the speed first (its memory is the process's), each result into the cache at once.

    Prints a JSON line for each: its key, and the error where there is one, which does not stop the rest.

    Args:
        job: the arguments of :func:`build_method`; ``cache``, its folder; ``measurements``, of
            :meth:`rim_plugin.benchmark.run.Measurement.job`.
    """
    cache, pipeline = Cache(job['cache']), None
    for each in job['measurements']:
        line = {'key': each['key']}
        try:
            pipeline = pipeline or build_method(job['networks'], job['weights'], job['recogniser'], job['gallery'])
            known = [_gallery(cache, pipeline, **each['gallery'])] if each['gallery'] else []
            cache.put(each['key'], MEASURES[each['kind']](pipeline, *each['arguments'], *known))
        except Exception as error:  # a row that says so
            line['error'] = f'{type(error).__name__}: {error}'.splitlines()[0]
        print('RESULT', json.dumps(line), flush=True)


def _gallery(cache: Cache, pipeline: RIMPipeline, key: str, arguments: list[Any]) -> KnownEmbeddings:
    """The embeddings of :func:`measure_gallery`, from the cache where another method or size has left them there."""
    cache.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache.folder / f'{key}.lock'):  # methods that are measured at the same time do not each embed it
        result = cache.get(key)
        if result is None:
            result = measure_gallery(pipeline, *arguments)
            cache.put(key, result)
    return KnownEmbeddings(result['arrays'])


if __name__ == '__main__':
    import rim_plugin  # noqa: F401  registers

    torch.manual_seed(0)
    main(json.loads(sys.stdin.read()))
