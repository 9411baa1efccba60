"""Pack the weights of a training into a file that the commands read, with thresholds and a model card. For example:

scripts/run.sh python scripts/pack_weights.py -opt options/rim_fast.yml \\
    --fhn experiments/rim_fast/models/net_fhn_latest.pth --hrn experiments/rim_fast/models/net_r_latest.pth \\
    --verify options/test/lfw_fast.yml -o weights/my.safetensors
"""

from rim_plugin.cli import pack

if __name__ == '__main__':
    pack()
