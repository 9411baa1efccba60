"""The command rim-verify without installation: scripts/run.sh python scripts/verify.py --help"""

from rim_plugin.cli import verify

if __name__ == '__main__':
    verify()
