"""What every registered metric promises, and how one is made from options."""

import pytest
import torch
from support.toy_metrics import ToyDistance, toy_function, toys  # noqa: F401

from rim_plugin.evaluation.metric import (
    METRICS,
    ImageMetric,
    Metric,
    PairMetric,
    best_direction,
    build_metric,
    register_metric,
    standard_metrics,
)

from basicsr.metrics import calculate_niqe
from basicsr.utils import tensor2img
from basicsr.utils.registry import METRIC_REGISTRY

pytestmark = pytest.mark.usefixtures('toys')


def faces(count=5):
    gt = torch.rand(count, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    return {'gt': gt, 'sr': gt + 0.1 * torch.randn(gt.shape, generator=torch.Generator().manual_seed(1))}


@pytest.mark.parametrize('name, metric', METRICS.items())
def test_a_registered_metric_is_described(name, metric):
    assert name == metric.replaces or METRIC_REGISTRY.get(name) is metric
    assert issubclass(metric, ImageMetric | PairMetric) and metric.needs and isinstance(metric.higher_is_better, bool)
    for column, arguments in metric.standard.items():
        each = standard_metrics(PairMetric if issubclass(metric, PairMetric) else ImageMetric)[column]
        assert (
            isinstance(each, metric)
            and each.title
            and each.digits > 0
            and (each.rule or not isinstance(each, PairMetric))
        )
        assert all(getattr(each, name) == value for name, value in arguments.items())
        assert each.higher_is_better == metric.higher_is_better


def test_standard_columns_in_their_order():
    columns = list(standard_metrics(ImageMetric))
    assert columns == [
        *('psnr_y', 'psnr_rgb', 'ssim_y', 'ssim_rgb', 'identity', 'nme', 'parsing_miou'),
        *('toy_1', 'toy_3'),  # of a class in a file of its own
    ]
    assert list(standard_metrics(PairMetric)) == [
        *('accuracy', 'accuracy_insightface', 'auc', 'eer', 'tar_at_far_1e-2', 'tar_at_far_1e-3', 'rank_1', 'rank_5'),
        *('tpir_fpir_1e-2', 'tpir_fpir_1e-1'),
    ]
    assert standard_metrics(ImageMetric)['toy_3'].power == 3
    assert standard_metrics(PairMetric)['tar_at_far_1e-2'].far == 1e-2
    assert standard_metrics(ImageMetric)['psnr_y'].test_y_channel and standard_metrics(PairMetric)['rank_5'].k == 5


@pytest.mark.parametrize(
    'options, direction',
    [
        ({'type': 'calculate_eer'}, 'lower'),
        ({'type': 'calculate_eer', 'better': 'higher'}, 'higher'),
        ({'type': 'calculate_lpips', 'weights': 'alexnet.pth'}, 'lower'),
        ({'type': 'calculate_nme', 'better': None}, 'lower'),
        ({'type': 'calculate_niqe', 'crop_border': 0}, 'lower'),
        ({'type': 'calculate_psnr', 'crop_border': 0}, 'higher'),
        ({'type': 'toy_function'}, 'higher'),
        ({'type': 'toy_function', 'better': 'lower'}, 'lower'),
    ],
)
def test_which_value_is_better(options, direction):
    assert best_direction(options) == direction


def test_basicsrs_names_get_the_metric_that_replaces_them():
    for name in ('calculate_psnr', 'calculate_ssim'):
        options = {'type': name, 'crop_border': 2, 'test_y_channel': True, 'better': 'higher'}
        metric = build_metric(options)
        assert type(metric) is METRICS[f'{name}_batch'] and (metric.crop_border, metric.test_y_channel) == (2, True)


def test_a_plain_function_measures_face_by_face():
    metric, data = build_metric({'type': 'toy_function', 'scale': 3, 'better': 'lower'}), faces()
    before = data['sr'].clone()
    metric.update(data)
    expected = [
        toy_function(tensor2img(sr.clone()), tensor2img(gt.clone()), 3) for sr, gt in zip(data['sr'], data['gt'])
    ]
    assert metric.values.tolist() == expected and metric.compute() == pytest.approx(sum(expected) / 5)
    assert metric.images_alone and not metric.applies_to({'sr': before}) and torch.equal(before, data['sr'])


def test_a_function_of_one_image_needs_no_truth():
    metric = build_metric({'type': 'calculate_niqe', 'crop_border': 0})
    assert metric.needs == ('sr',) and not metric.images_alone
    generator = torch.Generator().manual_seed(0)
    sr = torch.nn.functional.interpolate(torch.rand(1, 3, 40, 40, generator=generator), (200, 200), mode='bicubic')
    metric.update({'sr': sr, 'gt': None})
    assert metric.compute() == pytest.approx(float(calculate_niqe(tensor2img(sr[0].clone()), 0)))


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match='toy_distance is registered already, for ToyDistance'):
        register_metric('toy_distance')(ToyDistance)


def test_reset_forgets():
    metric = ToyDistance()
    metric.update(faces(3))
    metric.reset()
    metric.update(faces(2))
    assert len(metric.values) == 2


def test_the_ranks_share_of_faces_is_gathered_by_sync():
    """Every rank measures its faces; after ``sync`` each has those of all."""
    metric, data = ToyDistance(), faces()
    metric.update({key: value[:2] for key, value in data.items()})
    other = ToyDistance().measure({key: value[2:] for key, value in data.items()})
    metric.sync(dist_sync_fn=lambda tensor, group: [tensor, other], distributed_available=lambda: True)
    assert torch.equal(metric.values, ToyDistance().measure(data).double())
    metric.unsync()
    assert len(metric.values) == 2 and not metric.sync_on_compute


def test_bases_leave_the_measuring_to_subclasses():
    for metric in (ImageMetric(), Metric(), PairMetric()):
        with pytest.raises(NotImplementedError):
            metric.update({'sr': None})
