"""scripts/residual_by_block.py: what student and assistant miss of the teacher's maps."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.scripts import load_script


@pytest.fixture(scope='module')
def script():
    return load_script('residual_by_block')


def pipeline(fusion_weight, own_head=False):
    """Two blocks: the teacher's maps are 5 and 4 everywhere, the student's 3 and 4, the assistant's 1 and 2."""

    def maps(faces, *values):
        return tuple(torch.full((len(faces), 2, side, side), value) for side, value in zip((4, 2), values))

    def head(block):  # (1, the map's value)
        value = block.mean((1, 2, 3))
        return torch.stack([torch.ones_like(value), value], 1)

    def teacher(faces):
        blocks = maps(faces, 5.0, 4.0)
        return SimpleNamespace(blocks=blocks, embedding=head(blocks[-1]))

    def hrn(faces, probe):
        assert probe is None
        return SimpleNamespace(student=maps(faces, 3.0, 4.0), assistant=maps(faces, 1.0, 2.0))

    hrn.fusion_weight, hrn.own_head = fusion_weight, own_head
    hrn.student = SimpleNamespace(net=SimpleNamespace(head=head))
    teacher.head = None if own_head else head
    return SimpleNamespace(
        teacher=teacher, hrn=hrn, student_input=lambda groups: groups[0], assistant_input=lambda groups: None
    )


@pytest.mark.parametrize(('weight', 'both', 'last'), [(1, (1 / 5, 2 / 4), 6), (0.5, (3 / 5, 1 / 4), 3)])
@pytest.mark.parametrize('own_head', [False, True])
def test_norms_over_the_teachers_and_cosines(script, weight, both, last, own_head):
    batches = [(torch.zeros(count, 3, 8, 8), torch.zeros(count, 3, 16, 16)) for count in (3, 1)]
    found = script.missed(pipeline(weight, own_head), batches)
    assert [*found] == ['1', '2', 'embedding']
    assert found['1'] == pytest.approx((2 / 5, both[0])) and found['2'] == pytest.approx((0, both[1]))
    cosine = (1 + 4 * last) / np.sqrt((1 + 16) * (1 + last**2))
    assert found['embedding'] == pytest.approx((0, 1 - cosine), abs=1e-6)


def test_saved_networks_in_the_order_of_iterations(script, tmp_path):
    for name in ('net_r_100.pth', 'net_r_20.pth', 'net_r_latest.pth', 'net_g_20.pth'):
        (tmp_path / name).touch()
    assert {number: path.name for number, path in script.states(tmp_path).items()} == {
        20: 'net_r_20.pth',
        100: 'net_r_100.pth',
    }
    assert [*script.states(tmp_path)] == [20, 100]


def test_a_plot_is_written(script, tmp_path):
    rows = [
        {'faces': name, 'iteration': step, 'block': block, 'student': 0.5, 'both': 0.5 / step}
        for name in ('train', 'test')
        for step in (1, 2)
        for block in (1, 2)
    ]
    script.plot(rows, str(tmp_path / 'rows.png'))
    assert (tmp_path / 'rows.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    ('change', 'told'), [('', 'no net_r_ITERATION.pth'), ('network_r: {assistant: ~}', 'network_r has no assistant')]
)
def test_what_cannot_be_plotted_is_told_in_a_line(script, tmp_path, monkeypatch, capsys, change, told):
    options = tmp_path / 'run.yml'
    options.write_text(f'name: run\n{change}\n')
    if change:
        (tmp_path / 'net_r_20.pth').touch()
    monkeypatch.setattr('sys.argv', ['residual_by_block.py', '-opt', str(options), '--models', str(tmp_path)])
    with pytest.raises(SystemExit):
        script.main()
    assert told in capsys.readouterr().err.splitlines()[-1]
