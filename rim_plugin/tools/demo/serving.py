"""Serving the page, on this machine alone unless told otherwise, with nothing left when it ends."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from rim_plugin.data.detect import Detector
from rim_plugin.packages import import_package
from rim_plugin.tools.api import RIM

_LARGEST = '100mb'  # of an upload


def check_gradio() -> None:
    """MissingPackage where the page cannot be made, in one line."""
    import_package('gradio', 'rim demo', "'rim-plugin[demo]'")


def serve(
    rim: RIM, detector: Detector, host: str, port: int | None, browser: bool, ready: Callable[[str], object]
) -> None:
    """Serve the page until Ctrl-C or a signal to end.

    Args:
        rim: with hallucination network, recogniser and thresholds.
        detector: finds the faces of photos.
        host: address to listen at; 127.0.0.1 is this machine alone.
        port: None: the first that is free from 7860 on.
        browser: open the page there.
        ready: is called with the page's address.

    Raises:
        MissingPackage: Gradio is not installed.
        OSError: the port is taken.
    """
    with private_folder() as folder, _ended_by_signals() as ended:
        import_package('gradio', 'rim demo', "'rim-plugin[demo]'")
        import gradio

        from rim_plugin.tools.demo import page as pages

        page = pages.build_page(rim, detector, folder)
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
                css=pages.CSS,
                theme=gradio.themes.Default(font='system-ui', font_mono='monospace', primary_hue='indigo'),
            )[1]
            ready(address)
            ended.wait()
        finally:
            page.close(verbose=False)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that takes all temporary files, Gradio's among them, and goes in the end; no word goes to Gradio's
    makers. What Gradio reads when it is imported is set here."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix='rim-demo-') as folder:
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED='False', HF_HUB_OFFLINE='1')
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


@contextmanager
def _ended_by_signals() -> Iterator[Event]:
    """An event that a signal to end sets, in place of ending the process at once."""
    ended = Event()
    handlers = {each: signal.signal(each, lambda *_: ended.set()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
