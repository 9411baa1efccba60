"""How fast a GPU trains here: scripts/run.sh python scripts/benchmark_gpu.py --help"""

from rim_plugin.cli import benchmark_gpu

if __name__ == '__main__':
    benchmark_gpu()
