"""Sets of faces that are small by nature in a benchmark: measured, told in tables, page and JSON."""

import csv
import json

import numpy as np
import pytest
from support.benchmarks import METHODS, benchmark
from support.native_sets import WRITERS, write_survface
from support.tiny_recognition import ALIKE as TEACHER

from rim_plugin.benchmark.measure import build_method, measure_native
from rim_plugin.benchmark.native_results import native_rates
from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import measurements

SETS = {'qmul': {'layout': 'survface', 'dataroot_gt': 'qmul'}}


def native_result(rank, seed=0, hash='ghi'):
    """A result of measure_native: a search of strangers, and verification of 40 pairs."""
    rng = np.random.default_rng(seed)
    issame = np.arange(40) % 2 == 0
    search = {'rank 1': rank, 'TPIR at FPIR 0.1': rank / 2}
    figures = {'AUC': 0.8, 'EER': 0.25, 'TAR at FAR 1e-1': 0.6, 'TAR at FAR 1e-2': 0.3}
    protocol = {
        'hash': hash,
        'layout': 'survface',
        'images': 18,
        'templates': 18,
        'searches': {'identification': {'gallery': 6, 'probes': 20, 'strangers': 4}},
        'alignment': 'crops as they are, made square',
        'ranks': 'count gallery images',
    }
    return {
        'parts': {
            'identification': {'figures': search, 'probes': 20},
            'verification': {'figures': figures, 'probes': None},
        },
        'protocol': protocol,
        'arrays': {
            'identification/mated': rng.normal(1, 1, 20),
            'identification/non_mated': rng.normal(0, 1, 4),
            'verification/scores': rng.normal(size=40) + issame,
            'verification/issame': issame,
        },
    }


def measured(results, **changes):
    small = benchmark(sr_sets={}, native_sets=SETS, recogniser={'type': 'MobileFaceNet'}, **changes)
    wanted = [each for method in small.methods for each in measurements(small, method)]
    assert [each.kind for each in wanted] == ['native', 'native']
    return small, [(each, results[each.method.name]) for each in wanted]


def test_tables_page_csv_and_json_say_the_same(folder):
    results = {'srcnn': native_result(0.8, 1), 'bicubic': native_result(0.6, 2)}
    small, pairs = measured(results)
    write_report(small, pairs)
    out = folder / 'out/small'
    text, page = (out / 'report.md').read_text(), (out / 'report.html').read_text()
    rows = {row['method']: row for row in csv.DictReader((out / 'tables/native_qmul_identification.csv').open())}
    assert [rows[name]['rank 1'] for name in ('SRCNN', 'Bicubic')] == ['0.8000', '0.6000']
    assert rows['SRCNN']['rank 1: rank'] == 'best' and rows['SRCNN']['TPIR at FPIR 0.1'] == '0.4000'
    assert float(rows['SRCNN']['rank 1: low']) == pytest.approx(0.584, abs=1e-3)  # Wilson's, of 16 of 20
    pairs = {row['method']: row for row in csv.DictReader((out / 'tables/native_qmul_verification.csv').open())}
    assert pairs['SRCNN']['TAR at FAR 1e-2'] == 'not measurable'  # of 20 impostor pairs
    assert pairs['SRCNN']['AUC'] == '0.8000' and pairs['SRCNN']['AUC: low'] and 'EER (less is better)' in pairs['SRCNN']
    assert (
        'det_native_qmul_identification.png' in text and (out / 'figures/det_native_qmul_identification.svg').is_file()
    )
    assert page.index('Identification, gallery') < page.index('Verification')
    assert '0.8000' in page and 'Identification, gallery: 6, probes: 20, strangers: 4' in page
    entries = [
        entry for entry in json.loads((out / 'results.json').read_text())['results'] if entry['kind'] == 'native'
    ]
    assert [entry['place'] for entry in entries[:2]] == [['qmul', 'identification'], ['qmul', 'verification']]
    assert entries[0]['intervals']['rank 1'][0] == 0.8 and entries[0]['protocol'] == 'ghi'
    assert (out / 'protocols/native_qmul_identification.yml').is_file()


def test_errors_and_other_protocols_stay_in_their_rows(folder):
    small, pairs = measured({'srcnn': native_result(0.8), 'bicubic': {'error': 'faces not given (qmul is absent)'}})
    write_report(small, pairs)
    table = (folder / 'out/small/tables/native_qmul_identification.csv').read_text()
    assert 'Bicubic,faces not given (qmul is absent)' in table
    found = Results(*measured({'srcnn': native_result(0.8), 'bicubic': native_result(0.9, hash='xyz')}))
    assert found.by_place['bicubic', 'native', 'qmul', 'verification'] == {'error': 'by another protocol: xyz, not ghi'}
    small, pairs = measured(dict.fromkeys(METHODS, {'error': 'broken'}))
    write_report(small, pairs)
    assert 'broken' in (folder / 'out/small/report.md').read_text()


def test_a_set_that_is_not_there_says_so(folder):
    small = benchmark(sr_sets={}, native_sets=SETS, recogniser={'type': 'MobileFaceNet'})
    (wanted,) = measurements(small, small.methods[0])
    assert wanted.absent == 'faces not given (qmul is absent)'
    write_survface(folder / 'qmul')
    assert wanted.absent is None


def test_pairs_that_are_too_many_to_resample_have_no_bounds(monkeypatch, folder):
    monkeypatch.setattr('rim_plugin.benchmark.native_results._MOST_PAIRS', 39)
    found = Results(*measured({'srcnn': native_result(0.8), 'bicubic': native_result(0.6)}))
    assert found.intervals['srcnn', 'native', 'qmul', 'verification']['AUC'] == (0.8, None, None)


def test_rates_are_read_from_their_columns():
    assert native_rates(['AUC', 'TAR at FAR 1e-4', 'rank 1']) == {'TAR at FAR 1e-4': 1e-4}


@pytest.mark.slow
@pytest.mark.parametrize('layout', WRITERS)
def test_measured_with_a_recogniser(layout, tiny_teacher, tmp_path):
    root = WRITERS[layout](tmp_path / 'set')
    pipeline = build_method({}, {}, {**TEACHER, 'weights': tiny_teacher})
    found = measure_native(pipeline, {'layout': layout, 'dataroot_gt': str(root), 'landmarks': None}, False)
    json.dumps({key: value for key, value in found.items() if key != 'arrays'})
    assert found['parts'] and len(found['protocol']['hash']) == 12
    assert {name.split('/')[0] for name in found['arrays']} <= found['parts'].keys()
