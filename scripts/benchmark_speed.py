"""How fast start-up, inference and training are here: scripts/run.sh python scripts/benchmark_speed.py --help"""

from rim_plugin.cli import benchmark_speed

if __name__ == '__main__':
    benchmark_speed()
