"""Distribution ``rim-plugin``. The environment with tested, pinned versions is made by ``scripts/run.sh``."""

import glob
import os
import re
import shutil
from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))
shutil.rmtree(os.path.join(HERE, 'build', 'lib'), ignore_errors=True)  # modules of an earlier version would be packed again


def read_version():
    with open(os.path.join(HERE, 'rim_plugin', '__init__.py'), encoding='utf-8') as file:
        return re.search(r"__version__ = '(.+)'", file.read()).group(1)


setup(
    name='rim-plugin',
    version=read_version(),
    description='Resolution Invariant Model (RIM): face hallucination and recognition at any resolution, inside BasicSR',
    license='Apache-2.0',
    packages=find_packages(include=['rim_plugin', 'rim_plugin.*']),
    data_files=[('share/rim-plugin', sorted(glob.glob('weights/*')))],
    entry_points={'console_scripts': [f'rim-{name} = rim_plugin.tools.cli:{name}'
                                      for name in ('hallucinate', 'verify', 'gallery', 'export')]},
    python_requires='>=3.10,<3.13',
    install_requires=[
        'basicsr>=1.4.2',
        'lmdb>=1.4',
        'Markdown>=3.4',
        'matplotlib>=3.8',
        'mmengine>=0.10',
        'numpy>=1.24',
        'packaging>=21',
        'Pillow>=10.1',
        'PyYAML>=6.0',
        'safetensors>=0.4',
        'scikit-image>=0.22',
        'scikit-learn>=1.3',
        'scipy>=1.15',
        'torch>=2.6',
        'torchvision>=0.21',
        'tqdm>=4.64',
    ],
    extras_require={
        'search': ['faiss-cpu>=1.8'],
        'detect': ['insightface>=1.0', 'onnxruntime>=1.16'],
        'lpips': ['lpips>=0.1.4'],
        'onnx': ['onnx>=1.16', 'onnxruntime>=1.16'],
        'test': ['pytest>=8.2', 'pytest-timeout>=2.2', 'pytest-xdist>=3.5'],
    },
)
