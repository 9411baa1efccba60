"""The commands: what they are asked, and what they print. The work is done by the tools."""

from rim_plugin.cli.commands import benchmark_gpu, benchmark_speed, export, hallucinate, pack, prepare, verify
from rim_plugin.cli.gallery_command import gallery

__all__ = ['benchmark_gpu', 'benchmark_speed', 'export', 'gallery', 'hallucinate', 'pack', 'prepare', 'verify']
