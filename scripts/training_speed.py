"""Time, memory and profile of training, options file against options file, on this machine.

scripts/run.sh python scripts/training_speed.py options/fhn_cpu.yml options/fhn.yml options/baselines/esrgan_psnr.yml
"""

import argparse
import sys

import rim_plugin  # noqa: F401
from rim_plugin.benchmark.training_speed import compare_training, speed_table

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('options', nargs='+', help='options files; ratios are to the last one')
    parser.add_argument('--iterations', type=int, default=10, help='timed steps of each (default: 10)')
    parser.add_argument('--force_yml', nargs='+', default=[], help="changes for all, as BasicSR's --force_yml")
    arguments = parser.parse_args()
    if arguments.iterations < 1:
        parser.error('--iterations has to be 1 or more')
    results = compare_training(arguments.options, arguments.iterations, arguments.force_yml)
    print(speed_table(results))
    sys.exit(any('error' in result for result in results))
