"""The command rim-export without installation: scripts/run.sh python scripts/export.py --help"""

from rim_plugin.cli import export

if __name__ == '__main__':
    export()
