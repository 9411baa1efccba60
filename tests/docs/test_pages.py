"""README and docs: the generated page is current, links of README lead somewhere, and every command file is there."""

import re
from pathlib import Path

import pytest
from support.scripts import load_script

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]


def test_the_page_of_commands_is_current():
    commands = load_script('make_commands')
    assert commands.PAGE.read_text(encoding='utf-8') == commands.make_page(), 'run scripts/make_commands.py'


def test_readme_is_short_and_its_links_lead_somewhere():
    assert len(README.splitlines()) <= 150
    targets = re.findall(r'\]\(([^)#:]+)\)', README)
    assert len(targets) > 20
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_scripts_and_options_files_that_the_pages_name_are_there():
    named = {
        name
        for page in PAGES
        for name in re.findall(r'(?<![\w/])(?:scripts|options)/[\w/]+\.(?:py|yml|sh)', page.read_text('utf-8'))
    }
    named -= {'scripts/NAME.py'} | {name for name in named if '/NAME' in name}
    assert len(named) > 30
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.slow
def test_the_drawn_photo_has_six_faces():
    assert load_script('draw_photo').draw_photo(20).shape == (2 * 26, 3 * 26, 3)
