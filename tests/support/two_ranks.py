"""Functions on two ranks: two processes of one group."""

import subprocess
from pathlib import Path

from support.forking_python import forking_python

CODE = """
import sys
import torch.multiprocessing
from {module} import {name}
torch.multiprocessing.start_processes({name}, (sys.argv[1],), 2, start_method='fork')
"""


def on_two_ranks(function, folder):
    """Call ``function(rank, folder)``, of a test's module, in two processes, and wait for them."""
    code = CODE.format(module=function.__module__, name=function.__name__)
    subprocess.run([forking_python(), '-c', code, str(folder)], cwd=Path(__file__).parents[2], check=True)
