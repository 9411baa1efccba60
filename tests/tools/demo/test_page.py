"""The page in a real browser: everything is clicked through, and nothing is asked of another machine."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
OPTIONS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking']

# Texts of the parts that do not show all that is in them, or lie beyond what holds them
CUT_OFF = """selectors => [...document.querySelectorAll(selectors.join())].filter(each =>
    each.scrollWidth > each.clientWidth
    || each.getBoundingClientRect().right > each.closest('.block').getBoundingClientRect().right
).map(each => each.innerText)"""

# ``rim demo`` that writes a line into a file, its first argument, whenever it compares
COUNTED = """
import runpy, sys
from pathlib import Path
from rim_plugin.tools.api import RIM

file, verify = Path(sys.argv.pop(1)), RIM.verify

def counted(*faces):
    with file.open('a') as lines:
        lines.write('compared\\n')
    return verify(*faces)

RIM.verify = counted
runpy.run_module('rim_plugin', run_name='__main__')
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on this machine'),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('demo')


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
    """File of a line for each comparison."""
    return tmp_path_factory.mktemp('compared') / 'lines.txt'


@pytest.fixture(scope='module')
def served(folder, compared):
    """Address of ``rim demo``, whose temporary files are below ``folder``."""
    pytest.importorskip('gradio')
    command = [sys.executable, '-c', COUNTED, str(compared), 'demo', '--engine', 'torch', '--device', 'cpu']
    environment = {**os.environ, 'TMPDIR': str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert not any(folder.iterdir()), 'something is left of the visit'


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api')
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture(params=[390, 1440])
def page(request, browser, served):
    """The page at the width of a phone and of a desk; fails where it asks another machine for anything."""
    opened = browser.new_page(viewport={'width': request.param, 'height': 900})
    opened.set_default_timeout(120_000)
    asked = []
    opened.on('request', lambda each: asked.append(each.url))
    opened.goto(served)
    yield opened
    assert [url for url in asked if not url.startswith((served, 'data:', 'blob:'))] == []
    assert opened.evaluate('document.documentElement.scrollWidth') <= request.param, 'wider than the screen'
    opened.close()


def test_enlarging(page, tmp_path):
    page.locator('#samples .gallery-item').nth(1).click()
    page.get_by_text('1 face found').wait_for()
    page.get_by_text('Face 1: 28 x 28 pixels, hallucinated. Landmarks').wait_for()
    for part in ('whole', 'found', 'face', 'priors'):
        page.locator(f'#{part} img').first.wait_for()
    assert not page.locator('#faces').is_visible()
    page.locator('#samples .gallery-item').nth(0).click()
    page.get_by_text('6 faces found').wait_for()
    page.locator('#faces img').first.wait_for()
    (tmp_path / 'no picture.png').write_text('no picture')
    page.locator('#photo button[aria-label="Remove Image"]').first.click()
    page.get_by_text('Drop a photo with small faces').wait_for()
    page.locator('#photo input[type=file]').set_input_files(tmp_path / 'no picture.png')
    page.get_by_text('no picture.png: not a picture').wait_for()
    assert not page.locator('#whole').is_visible() and str(tmp_path) not in page.content()


def test_comparing(page, compared, tmp_path):
    compared.write_text('')
    page.get_by_role('tab', name='Compare').click()
    page.get_by_role('button', name='one drawn person twice').click()
    page.get_by_text('Same person', exact=True).wait_for()
    page.get_by_role('button', name='two drawn people').click()
    page.get_by_text('Different persons', exact=True).wait_for()
    page.locator('#second button[aria-label="Remove Image"]').first.click()
    page.get_by_text('Now the other one').wait_for()
    Image.fromarray(np.full((20, 20, 3), 99, np.uint8)).save(tmp_path / 'grey.png')
    page.locator('#second input[type=file]').set_input_files(tmp_path / 'grey.png')
    page.locator('#verdict .rim-verdict').wait_for()
    page.wait_for_timeout(2000)  # for a comparison that may still run
    assert len(compared.read_text().splitlines()) == 3


def test_finding(page, tmp_path):
    page.get_by_role('tab', name='Find').click()
    page.get_by_role('button', name='Add this person').click()
    page.get_by_text('Drop a photo of the person first').wait_for()
    page.get_by_role('button', name='Add six drawn people').click()
    page.get_by_text('6 persons, 6 pictures').wait_for()
    page.locator('#probes .gallery-item').first.click()
    page.locator('#matches').get_by_text('1. Ben').wait_for()
    page.locator('#probes .gallery-item').last.click()
    page.get_by_text('Nobody in the gallery').wait_for()
    assert page.evaluate(CUT_OFF, ['#matches .caption-label', '#people .gallery-item']) == []
    Image.fromarray(np.full((20, 20, 3), 99, np.uint8)).save(tmp_path / 'grey.png')
    page.locator('#enrol input[type=file]').set_input_files(tmp_path / 'grey.png')
    page.locator('#name input, #name textarea').fill('<b>Grey</b>')
    page.get_by_role('button', name='Add this person').click()
    page.get_by_text('7 persons, 7 pictures').wait_for()
    page.get_by_role('button', name='Empty the gallery').click()
    page.get_by_text('Nobody is in it yet').wait_for()
