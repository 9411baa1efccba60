"""The page on swapping parts: its examples pass the checks, and its table names every loss of RIM."""

import re
from pathlib import Path

import pytest

from rim_plugin.models.rim_model import RIMModel
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

from basicsr.archs import build_network  # noqa: F401  registers BasicSR's
from basicsr.losses import build_loss  # noqa: F401
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs/components.md').read_text(encoding='utf-8')
EXAMPLES = re.findall(r'^```yaml\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
KEYS = {key for row in re.findall(r'^\| (`.*?) \|', PAGE, re.MULTILINE) for key in re.findall(r'`(.*?)`', row)}


@pytest.mark.parametrize(
    'example',
    [EXAMPLES[0], *(pytest.param(example, marks=pytest.mark.slow) for example in EXAMPLES[1:])],
    ids=lambda text: text.split('\n')[1].strip(),
)
def test_examples_pass_the_checks(example, tmp_path):
    file = tmp_path / 'example.yml'
    file.write_text(f'_base_: {ROOT}/options/rim_demo.yml\n{example}')
    check(read_options(str(file)), str(file), True, look_for_files=False)


def test_the_table_has_every_loss_and_optimizer():
    train = {key.removeprefix('train:') for key in KEYS if key.startswith('train:')}
    losses = {f'{term}_opt' for term in RIMModel.loss_terms()}
    assert train == losses | {f'optim_{letter}' for letter in RIMModel.optimizer_letters()} | {'scheduler'}


def test_networks_and_losses_that_the_page_names_are_registered():
    named = set(re.findall(r'`([A-Z]\w+(?:Loss|Generator|Discriminator|Integrator|Net|Recogniser|Input))`', PAGE))
    known = {name for registry in (ARCH_REGISTRY, LOSS_REGISTRY) for name, _ in registry} | {'ResNet'}
    assert len(named) > 20 and named <= known
