"""The command rim benchmark without installation: scripts/run.sh python scripts/benchmark.py --help"""

from rim_plugin.cli import benchmark

if __name__ == '__main__':
    benchmark()
