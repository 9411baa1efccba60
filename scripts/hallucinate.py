"""The command rim-hallucinate without installation: scripts/run.sh python scripts/hallucinate.py --help"""

from rim_plugin.cli import hallucinate

if __name__ == '__main__':
    hallucinate()
