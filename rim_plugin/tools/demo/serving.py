"""Serving the page, on this machine alone unless told otherwise, with nothing left when it ends."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from rim_plugin.data.detect import Detector
from rim_plugin.packages import import_package
from rim_plugin.tools.api import RIM

_LARGEST = '100mb'  # of an upload


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that takes all temporary files, Gradio's among them, and goes in the end, by a signal, too.

    Gradio is imported in it, as it reads then where its files go, and that no word goes to its makers.

    Raises:
        MissingPackage: Gradio is not installed.
    """
    temporary, at_end = tempfile.tempdir, signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with tempfile.TemporaryDirectory(prefix='rim-demo-') as folder:
            os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED='False', HF_HUB_OFFLINE='1')
            tempfile.tempdir = folder
            import_package('gradio', 'rim demo', "'rim-plugin[demo]'")
            yield Path(folder)
    finally:
        tempfile.tempdir = temporary
        signal.signal(signal.SIGTERM, at_end)


def serve(
    rim: RIM,
    detector: Detector | None,
    folder: Path,
    host: str,
    port: int | None,
    browser: bool,
    ready: Callable[[str], object],
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        rim: with hallucination network, recogniser and thresholds.
        detector: finds the faces of photos.
        folder: see :func:`private_folder`.
        host: address to listen at; 127.0.0.1 is this machine alone.
        port: None: the first that is free from 7860 on.
        browser: open the page there.
        ready: is called with the page's address.

    Raises:
        OSError: the port is taken.
    """
    import gradio

    from rim_plugin.tools.demo.page import CSS, build_page

    page = build_page(rim, detector, folder)
    try:
        address = page.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            run_history=False,
            footer_links=[],
            max_file_size=_LARGEST,
            ssr_mode=False,
            css=CSS,
            theme=gradio.themes.Default(font='system-ui', font_mono='monospace', primary_hue='indigo'),
        )[1]
        ready(address)
        with suppress(KeyboardInterrupt):
            Event().wait()
    finally:
        page.close(verbose=False)
