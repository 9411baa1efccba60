"""Compare methods on the same faces: tables, figures and a page to read, from an options file.

scripts/run.sh python scripts/benchmark.py -opt options/benchmark/demo.yml
"""

import argparse
import sys

from rim_plugin.errors import OptionsError

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-opt', required=True, help='options/benchmark/NAME.yml')
    args = parser.parse_args()

    from rim_plugin.benchmark.report import write_report
    from rim_plugin.benchmark.run import run_benchmark
    from rim_plugin.benchmark.settings import read_benchmark

    try:
        benchmark = read_benchmark(args.opt)
    except OptionsError as error:
        sys.exit(f'Error: {error}')
    print(f'Report: {write_report(benchmark, run_benchmark(benchmark))}')
