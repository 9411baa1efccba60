"""The page in a headless Chromium: it opens from a file, its browser obeys keys, nothing is wider than a phone."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from support.benchmarks import METHODS, SPEED, benchmark, sr_result

from rim_plugin.benchmark.picture_grid import packed, unpacked, webp
from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.run import measurements

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
PROBE = """<script>
const box = document.querySelector(".browser"), said = () => box.querySelector("output").textContent;
const press = (key) => { box.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})); return said(); };
const results = [said(), press("ArrowRight"), press("b"), press("ArrowRight"), press("w"), press("m")];
results.push(box.querySelectorAll(".faces img").length, box.querySelector(".chosen").alt);
results.push(document.documentElement.scrollWidth <= window.innerWidth);
document.body.replaceChildren(JSON.stringify(results));
</script>"""


def test_pictures_come_back_from_their_arrays():
    files = [webp(np.full((8, 8, 3), value, np.uint8)) for value in (0, 100, 255)]
    arrays = packed(files)
    assert [unpacked(arrays, place) for place in range(3)] == files and len(set(files)) == 3


@pytest.fixture
def page(folder):
    """The page of two methods on three faces, worst first by identity: 0, 2, 1 of SRCNN, 2, 1, 0 of bicubic."""
    small, results = benchmark(), {}
    for name, identity in (('srcnn', [0.1, 0.9, 0.5]), ('bicubic', [0.8, 0.7, 0.2])):
        result = sr_result(['psnr_y'])
        result['images']['identity'], result['means']['identity'] = identity, float(np.mean(identity))
        result['arrays'].update(packed([webp(np.full((16, 16, 3), 50 * face, np.uint8)) for face in range(3)]))
        results[name, 'sr'], results[name, 'speed'] = result, {'speed': SPEED, 'arrays': {}}
    wanted = [each for method in small.methods for each in measurements(small, method)]
    return write_report(small, [(each, results[each.method.name, each.kind]) for each in wanted])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium')
@pytest.mark.parametrize('width', [390, 1440])
def test_the_page_in_a_browser(page, width):
    page.write_text(page.read_text().replace('</body>', f'{PROBE}</body>'))
    flags = ['--headless', '--no-sandbox', '--disable-gpu', f'--window-size={width},900', '--dump-dom']
    found = subprocess.run(
        [CHROMIUM, *flags, page.resolve().as_uri()], capture_output=True, text=True, timeout=120
    ).stdout
    first, second, best, beyond, worst, other, images, chosen, fits = json.loads(
        re.search(r'<body>(.*?)</body>', html.unescape(found), re.DOTALL)[1].strip()
    )
    assert first == worst == '1 of 3 (of 3 faces), 0.png: 0.1' and second == '2 of 3 (of 3 faces), 2.png: 0.5'
    assert best == beyond == '3 of 3 (of 3 faces), 1.png: 0.9' and other == '1 of 3 (of 3 faces), 2.png: 0.2'
    assert images == 2 + len(METHODS) and chosen.startswith('Bicubic: ') and fits


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('pdflatex') is None, reason='needs LaTeX')
def test_the_latex_of_all_tables_compiles(page):
    command = ['pdflatex', '-halt-on-error', '-interaction=nonstopmode', 'all.tex']
    done = subprocess.run(command, cwd=page.parent / 'tables', capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-800:]
