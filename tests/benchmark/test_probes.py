"""Probes as files, and what another program makes of them as a method."""

import cv2
import numpy as np
import pytest
from support.benchmarks import METHODS, benchmark, dump

from rim_plugin.benchmark.measure import open_dataset
from rim_plugin.benchmark.probes import write_probes
from rim_plugin.benchmark.protocol import read_protocol
from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.run import run_benchmark, sr_options
from rim_plugin.sheets import to_image

KINDS = {'clean': 'none', 'nearest': {'resize': {'area': 0, 'bilinear': 0, 'bicubic': 0, 'nearest': 1}}}
PAIRS = {'few': {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}}


@pytest.mark.slow
def test_probes_of_every_set_size_and_kind(folder):
    small = benchmark(
        robustness={'degradations': KINDS, 'query_size': 14},
        pair_sets=PAIRS,
        query_sizes=[14, 'full'],
        recogniser={'type': 'MobileFaceNet'},
    )
    assert write_probes(small, folder / 'out') == 3 * 3 + 3 * 8
    assert {path.name for path in (folder / 'out/drawn').iterdir()} == {'28', '28_clean', '28_nearest', 'hr'}
    assert {path.name for path in (folder / 'out/few').iterdir()} == {'14', '14_clean', '14_nearest'}
    dataset = open_dataset(sr_options(small, 'drawn')['nearest',])
    for item in (dataset[index] for index in range(3)):
        written = cv2.imread(str(folder / f'out/drawn/28_nearest/lq/{item["gt_path"]}.png'))
        assert np.array_equal(written, to_image(item['lq']))
    hashes = {read_protocol(path)['hash'] for path in (folder / 'out/drawn').rglob('protocol.yml')}
    assert len(hashes) == 2  # clean ones are those of the set


@pytest.mark.slow
def test_a_folder_of_outputs_is_a_method_and_its_page_browses_faces(folder, forks):
    write_probes(benchmark(), folder / 'probes')
    for path in (folder / 'probes').rglob('lq/*.png'):
        output = folder / 'outputs' / path.relative_to(folder / 'probes').with_suffix('.jpg')
        output.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(output), cv2.resize(cv2.imread(str(path)), (224, 224)))
    network = {'type': 'FolderOutputs', 'probes': 'probes/drawn/28', 'outputs': 'outputs/drawn/28'}
    dump('folder.yml', {'name': 'folder', 'model_type': 'BaselineModel', 'network_g': network, 'path': {}})
    small = benchmark(methods={**METHODS, 'other': {'title': "Another's", 'options': 'folder.yml'}})
    results = run_benchmark(small)
    assert all('error' not in result for _, result in results), results
    assert {each.kind for each, _ in results if each.method.name == 'other'} == {'sr'}  # of its speed nothing is known
    page = write_report(small, results).read_text()
    assert page.count('data:image/webp;base64,') == 3 * 5 and '"title": "Another\'s"' in page
