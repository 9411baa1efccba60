"""A training over two nodes: two agents of torchrun, which meet over loopback; one node dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.forking_python import forking_python
from support.runs import ENVIRONMENT, leaves
from support.tiny_training import write_options

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TRAINING = str(Path(__file__).parents[1] / 'support/tiny_training.py')
PATIENCE = 300  # seconds until a training has begun, on a machine with other work


class Node:
    """An agent of torchrun and its one process of the training; the first node is the one where all meet."""

    def __init__(self, root, options, port, first):
        agent = ('torch.distributed.run', '--nnodes=2', '--nproc_per_node=1', '--max-restarts=3', '--rdzv-id=tiny')
        meeting = ('--rdzv-backend=c10d', f'--rdzv-endpoint=127.0.0.1:{port}', f'--rdzv-conf=is_host={int(first)}')
        training = (TRAINING, str(root), '-opt', options, '--launcher', 'pytorch', '--auto_resume')
        settings = {'TORCH_DISABLE_SHARE_RDZV_TCP_STORE': '1', 'PYTHON_EXEC': forking_python()}
        self.log = root / f'node_{time.monotonic()}.log'
        with open(self.log, 'w') as log:
            self.agent = subprocess.Popen(
                [sys.executable, '-m', *agent, *meeting, *training],
                env={**ENVIRONMENT, **settings, 'TINY_SLEEP': '0.2'},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def die(self):
        """All processes of the node end at once, as without power."""
        children = Path(f'/proc/{self.agent.pid}/task/{self.agent.pid}/children').read_text().split()
        for process in (self.agent.pid, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        self.agent.wait()

    def end(self):
        if self.agent.poll() is None:
            self.die()


@pytest.fixture
def start():
    """Starts a node; all end with the test."""
    nodes = []

    def node(*arguments):
        nodes.append(Node(*arguments))
        return nodes[-1]

    yield node
    for each in nodes:
        each.end()


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.1)


def run_two(start, folder, dies_at=None):
    """Content of the final checkpoint of a training over two nodes, of which one may die and come back."""
    folder.mkdir()
    options, port = write_options(folder / 'o.yml', datasets__train__batch_size_per_gpu=2), free_port()
    first, second = start(folder, options, port, True), start(folder, options, port, False)
    if dies_at is not None:
        wait_for(lambda: f'done {dies_at}\n' in second.log.read_text())
        second.die()
        second = start(folder, options, port, False)
    for node in (first, second):
        assert node.agent.wait(PATIENCE) == 0, first.log.read_text() + second.log.read_text()
    return content(folder / 'experiments/tiny'), first.log.read_text()


def content(folder):
    """Weights, with their average, and state of the end, bit for bit."""
    return [
        leaves(torch.load(folder / file, weights_only=True))
        for file in ('models/net_g_20.pth', 'training_states/20.state')
    ]


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='children of a process by /proc')
def test_a_node_that_dies_and_comes_back_changes_nothing(start, tmp_path):
    unbroken, _ = run_two(start, tmp_path / 'unbroken')
    broken, printed = run_two(start, tmp_path / 'broken', dies_at=9)
    assert broken == unbroken
    assert 'Resuming training from epoch' in printed and 'another process of this training is gone' in printed
