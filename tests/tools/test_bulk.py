"""Bulk work on a real Ray cluster, two nodes with a worker each, of which one is lost: as one process does it."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import ONE_FACE, TWO_FACES, failed, files_below
from support.lost_workers import MARK, ONE_FACE_OR_DEATH, TWO_FACES_OR_DEATH

from rim_plugin.cli import gallery, hallucinate
from rim_plugin.cli.commands import prepare
from rim_plugin.cluster import Cluster
from rim_plugin.data.face_store import FaceStore
from rim_plugin.errors import OptionsError
from rim_plugin.tools.gallery.opening import open_store

pytest.importorskip('ray', reason="Ray is not installed: pip install 'rim-plugin[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
COUNT = 40  # photos: more than a task's


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    """(address, file that marks a lost worker) of a cluster, which ends with the tests."""
    from ray.cluster_utils import Cluster as LocalCluster

    mark, tests = tmp_path_factory.mktemp('mark') / 'lost', Path(__file__).parents[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('RAY_AUTH_MODE', 'disabled')  # else Ray writes a token into the home folder
        patch.setenv('PYTHONPATH', os.pathsep.join([str(tests.parent), str(tests), *sys.path]))
        patch.setenv(MARK, str(mark))
        node = {'num_cpus': 1, 'object_store_memory': 80 * 2**20}
        nodes = LocalCluster(initialize_head=True, head_node_args={**node, 'include_dashboard': False})
        nodes.add_node(**node)
        yield nodes.address, mark
        nodes.shutdown()


@pytest.fixture
def ray(cluster):
    """Arguments of a command that works there, and loses its first worker."""
    address, mark = cluster
    mark.unlink(missing_ok=True)
    yield '--ray', address
    assert mark.exists()


@pytest.fixture
def photos(tmp_path, make_face):
    """Photos below two folders, and one that is damaged."""
    for number in range(COUNT):
        path = tmp_path / f'photos/{number % 2}/{number}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_face(160, number)).save(path)
    (tmp_path / 'photos/0/damaged.png').write_bytes(path.read_bytes()[:200])
    return tmp_path / 'photos'


def test_hallucination(ray, photos, tmp_path, capsys):
    one, many = tmp_path / 'one', tmp_path / 'many'
    with pytest.raises(SystemExit, match='3'):  # a picture is left out
        hallucinate([str(photos), '-o', str(one), '--scale', '1', '--detect', TWO_FACES])
    expected = capsys.readouterr()
    with pytest.raises(SystemExit, match='3'):
        hallucinate([str(photos), '-o', str(many), '--scale', '1', '--detect', TWO_FACES_OR_DEATH, *ray])
    told = capsys.readouterr()
    assert files_below(many) == files_below(one) and len(files_below(one)) == COUNT
    assert all((one / name).read_bytes() == (many / name).read_bytes() for name in files_below(one))
    assert told.out.endswith(expected.out.replace(str(one), str(many)))  # Ray tells of the lost worker before
    assert 'damaged.png: damaged' in told.err


def test_preparation(ray, photos, tmp_path, capsys):
    one, many = tmp_path / 'one', tmp_path / 'many'
    prepare([str(photos), str(one), '--detector', TWO_FACES])
    prepare([str(photos), str(many), '--detector', TWO_FACES_OR_DEATH, *ray])
    stores = [FaceStore(root, 'lmdb') for root in (one, many)]
    assert stores[0].keys == stores[1].keys and len(stores[0].keys) == COUNT
    for key in stores[0].keys:
        assert stores[0].read('gt', key) == stores[1].read('gt', key)
        assert np.array_equal(stores[0].landmarks[key], stores[1].landmarks[key])
    assert (many / 'left_out.txt').read_text() == (one / 'left_out.txt').read_text()


def test_enrolment(ray, photos, tmp_path, capsys):
    one, many = tmp_path / 'one', tmp_path / 'many'
    argv = [str(photos), '--min-quality', '1e-9']  # they are textures
    with pytest.raises(SystemExit, match='^3$'):  # a damaged photo is left out
        gallery(['enrol', str(one), *argv, '--detect', ONE_FACE])
    with pytest.raises(SystemExit, match='^3$'):
        gallery(['enrol', str(many), *argv, '--detect', ONE_FACE_OR_DEATH, *ray])
    assert f'{COUNT} photos enrolled' in capsys.readouterr().out
    probe = np.eye(1, 512, dtype=np.float32)[0]
    hits = []
    for index in (one, many):
        with open_store(str(index), None) as store:
            hits.append((store.people(), [(hit.file, hit.similarity) for hit in store.search(probe, 2)]))
    assert hits[0] == hits[1] and hits[0][0] == {'0': COUNT // 2, '1': COUNT // 2}


def test_a_part_that_ends_every_worker_is_named(cluster):
    with Cluster(cluster[0]) as workers:
        results = workers.map(
            lambda part: os.kill(os.getpid(), signal.SIGKILL) if 3 in part else sum(part), range(6), 2
        )
        assert next(results) == 1
        with pytest.raises(RuntimeError, match=r'workers were lost 4 times .* at the 2 inputs from 2 on'):
            next(results)


def test_errors_come_as_they_are(cluster):
    def refuse(part):
        raise OptionsError('weights: damaged')

    with Cluster(cluster[0]) as workers, pytest.raises(OptionsError, match='^weights: damaged$'):
        next(workers.map(refuse, [1], 1))


def test_no_cluster_is_told_in_a_line(photos, tmp_path):
    told = failed(hallucinate, photos, '-o', tmp_path / 'out', '--detect', TWO_FACES, '--ray', '127.0.0.1:1')
    assert '--ray 127.0.0.1:1: no cluster answers there' in told


def test_a_result_that_is_lost_is_made_anew(cluster, monkeypatch):
    """As where the connection to the process that owns it is taken to be broken."""
    from ray.exceptions import OwnerDiedError

    lost = iter([True])
    with Cluster(cluster[0]) as workers:
        get = workers._ray.get

        def get_or_lose(task):
            if next(lost, False):
                raise OwnerDiedError('0' * 56, b'', '')
            return get(task)

        monkeypatch.setattr(workers._ray, 'get', get_or_lose)
        assert list(workers.map(sum, range(6), 2)) == [1, 5, 9]
