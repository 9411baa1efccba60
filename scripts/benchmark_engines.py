"""Compare the engines that run the networks: milliseconds a face, and what each loses.

OMP_NUM_THREADS=1 scripts/run.sh python scripts/benchmark_engines.py --faces datasets/helen_test
"""

import argparse
import sys

from rim_plugin.errors import OptionsError
from rim_plugin.tools.engine_names import POSSIBLE

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faces', required=True, help='prepared faces in LMDB (scripts/prepare_faces.py)')
    parser.add_argument('--count', type=int, default=50, help='how many of them (%(default)s)')
    parser.add_argument('--size', type=int, default=28, help='side of the probes in pixels (%(default)s)')
    parser.add_argument('--rounds', type=int, default=4, help='how often each is timed (%(default)s)')
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('--calibration', help='prepared faces that calibrate int8 (drawn ones), 32 of them')
    parser.add_argument('--engines', nargs='+', choices=list(POSSIBLE), default=list(POSSIBLE))
    parser.add_argument('--parts', nargs='+', choices=('face', 'embedding'), default=('face', 'embedding'))
    args = parser.parse_args()

    from rim_plugin.benchmark import engine_benchmark as benchmark
    from rim_plugin.tools.api import RIM

    try:
        rim = RIM.from_pretrained(args.weights, 'cpu', engine='torch')
        calibration = benchmark.read_faces(args.calibration, 32) if args.calibration else ()
        faces = benchmark.read_faces(args.faces, args.count)
    except (OptionsError, FileNotFoundError) as error:
        sys.exit(f'Error: {error}')
    settings = args.engines, args.size, args.rounds, calibration, args.parts
    print(benchmark.markdown(benchmark.compare_engines(rim, faces, *settings)))
