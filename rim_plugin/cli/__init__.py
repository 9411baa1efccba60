"""The commands: what they are asked, and what they print. The work is done by the tools."""

from rim_plugin.cli.commands import benchmark_gpu, benchmark_speed, export, hallucinate, pack, prepare, verify
from rim_plugin.cli.demo_command import demo
from rim_plugin.cli.gallery_command import gallery
from rim_plugin.cli.info_command import info
from rim_plugin.cli.rim_command import rim
from rim_plugin.cli.training_commands import benchmark, test, train

__all__ = [
    'benchmark',
    'benchmark_gpu',
    'benchmark_speed',
    'demo',
    'export',
    'gallery',
    'hallucinate',
    'info',
    'pack',
    'prepare',
    'rim',
    'test',
    'train',
    'verify',
]
