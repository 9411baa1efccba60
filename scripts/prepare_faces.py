"""Prepare aligned faces, with landmarks and parsing maps, from a folder of photos. For example:

scripts/run.sh python scripts/prepare_faces.py datasets/raw/helen/train/images datasets/helen_train \\
    --landmarks datasets/raw/helen/train/landmarks --parsing datasets/raw/helen/train/parsing
"""

from rim_plugin.cli import prepare

if __name__ == '__main__':
    prepare()
