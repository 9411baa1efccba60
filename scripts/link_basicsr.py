#!/usr/bin/env python
"""Makes a checkout of BasicSR train RIM with its own ``python basicsr/train.py -opt FILE``; --remove undoes it."""

import argparse
import shlex
import sys

from rim_plugin.errors import OptionsError
from rim_plugin.link import import_problem, link, unlink


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('path', help='folder of the checkout: the one that holds basicsr/train.py')
    parser.add_argument('--remove', action='store_true', help='take the added file out again')
    args = parser.parse_args()
    try:
        if args.remove:
            unlink(args.path)
            print(f'{args.path} is as it was.')
            return
        print(f'Added {link(args.path)}.')
    except OptionsError as error:
        sys.exit(f'Error: {error}')
    problem = import_problem(args.path)
    if problem:
        sys.exit(f'But this checkout does not import yet: {problem}')
    print(f'Train with: cd {shlex.quote(args.path)} && PYTHONPATH=. python basicsr/train.py -opt FILE')


if __name__ == '__main__':
    main()
