"""The command rim-gallery without installation: scripts/run.sh python scripts/gallery.py --help"""

from rim_plugin.cli import gallery

if __name__ == '__main__':
    gallery()
