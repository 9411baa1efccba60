"""The page itself, by Gradio: what a visitor sees and clicks. Imported only once Gradio is known to be there."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import gradio as gr
import numpy as np

from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.api import RIM, Verification
from rim_plugin.tools.demo.enlarging import FaceShown, describe, enlarge_photo
from rim_plugin.tools.demo.finding import (
    Answer,
    People,
    describe_answer,
    describe_verdict,
    largest_face,
    thumbnail,
    verdict_title,
)
from rim_plugin.tools.demo.samples import people, write_samples

TITLE = 'Faces at any resolution'
CSS = """
.gradio-container {width: 100%; max-width: 1120px !important; margin: 0 auto !important;}
.rim-line p, .rim-line {font-size: 1rem;}
.rim-line .fault {color: #b42318; background: #fef3f2; border-left: 4px solid #f04438; padding: .6rem .8rem;}
.dark .rim-line .fault {color: #fda29b; background: #3b1512;}
.rim-verdict {font-size: 1.5rem; font-weight: 600;}
.rim-scale {position: relative; height: .7rem; border-radius: .35rem; margin: .8rem 0 1.6rem;
  background: linear-gradient(90deg, #98a2b3 var(--at), #4f46e5 var(--at));}
.rim-scale b {position: absolute; top: -.3rem; width: .3rem; height: 1.3rem; border-radius: .15rem;
  background: currentColor; transform: translateX(-50%);}
.rim-scale span {position: absolute; top: 1.1rem; font-size: .8rem; transform: translateX(-50%); white-space: nowrap;}
.grid-wrap {min-height: 0 !important; height: auto !important; padding-top: 2.2rem !important;}
.rim-picture img {width: 100% !important; height: 100% !important; object-fit: contain;}
#people .grid-container {grid-template-columns: repeat(auto-fill, minmax(5rem, 1fr)) !important;}
#people .gallery-item, #matches .gallery-item {min-width: 0;}
#matches .caption-label {left: 0; right: 0; bottom: 0; max-width: 100%; padding: .1rem .2rem; text-align: center;
  white-space: normal; overflow-wrap: anywhere;}
@media (max-width: 640px) {
  .grid-container {grid-template-columns: repeat(3, minmax(0, 1fr)) !important;}
  #priors .grid-container {grid-template-columns: repeat(2, minmax(0, 1fr)) !important;}
}
footer {display: none !important;}
"""
# What parts say while they are empty; at work they show how long it takes, for which they need a line of text
_ENLARGE = 'Drop a photo with small faces. The slider compares plain enlargement with the result.'
_COMPARE = 'Drop two pictures, of any sizes; of a photo the largest face counts.'
_KEPT = (60, 600)  # seconds: how often old files are looked for, and the age from which they go
# Gradio's preprocessing would read and write pictures again, and tell of none what is wrong with it
_ONE_AT_A_TIME: dict[str, Any] = {
    'concurrency_limit': 1,
    'concurrency_id': 'networks',
    'show_progress': 'minimal',
    'preprocess': False,
}


def build_page(rim: RIM, detector: Detector | None, folder: Path) -> gr.Blocks:
    """The page.

    Args:
        rim: with hallucination network, recogniser and thresholds.
        detector: finds the faces of photos.
        folder: for samples, and for all that visitors bring; goes when the page ends.
    """
    samples = write_samples(folder / 'samples')
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_KEPT) as page:
        gr.Markdown(
            f'# {TITLE}\nSmall faces made large, compared and found again. All of it runs on the computer that serves '
            'this page; pictures are not kept.'
        )
        with gr.Tab('Enlarge'):
            _enlarging(rim, detector, samples.alone)
        with gr.Tab('Compare'):
            _comparing(rim, detector, samples.pairs)
        with gr.Tab('Find'):
            _finding(rim, detector, samples.probes, folder)
    return page


def _enlarging(rim: RIM, detector: Detector | None, samples: list[list[str]]) -> None:
    faces = gr.State([])
    with gr.Row():
        with gr.Column(scale=2):
            photo = _picture('Photo, or one aligned face', 'photo')
            gr.Examples(samples, photo, label='No photo at hand? These people are drawn:', elem_id='samples')
            marked = gr.Image(
                label='Faces found', visible=False, elem_id='found', interactive=False, buttons=['fullscreen']
            )
        with gr.Column(scale=3):
            told = _line(_ENLARGE)
            slider = gr.ImageSlider(label='Before | after', visible=False, elem_id='whole', interactive=False)
    with gr.Column(visible=False) as details:
        gallery = _gallery('Choose a face', 'faces', 6)
        about = _line('')
        with gr.Row():
            face = gr.ImageSlider(label='Before | after', elem_id='face', interactive=False)
            priors = _gallery('What guides it: landmarks and parts', 'priors', 2)

    def enlarge(path: str | None) -> dict[Any, Any]:
        if path is None:
            return {told: _ENLARGE, **_hidden(slider, marked, details)}
        shown = enlarge_photo(rim, read_rgb(path), detector)
        count = len(shown.faces)
        return {
            told: f'{count} face{"s" * (count != 1)} found. Drag the slider{"; choose a face below" * (count > 1)}.',
            slider: gr.update(value=(shown.before, shown.after), visible=True),
            marked: gr.update(value=shown.marked, visible=True),
            details: gr.update(visible=True),
            faces: shown.faces,
            gallery: gr.update(
                value=[(each.after, str(n)) for n, each in enumerate(shown.faces, 1)],
                selected_index=0,
                visible=count > 1,
            ),
            **chosen(shown.faces, 0),
        }

    def chosen(shown: list[FaceShown], number: int) -> dict[Any, Any]:
        each = shown[number]
        return {
            about: f'Face {number + 1}: {describe(each)}',
            face: (each.before, each.after),
            priors: gr.update(value=each.priors, visible=bool(each.priors)),
        }

    def select(shown: list[FaceShown], event: gr.SelectData) -> dict[Any, Any]:
        return chosen(shown, event.index)

    parts = [told, slider, marked, details, faces, gallery, about, face, priors]
    photo.change(_careful(enlarge, told, slider, marked, details), photo, parts, **_ONE_AT_A_TIME)
    gallery.select(select, faces, [about, face, priors], show_progress='hidden')


def _comparing(rim: RIM, detector: Detector | None, samples: dict[str, list[str]]) -> None:
    told = _line(_COMPARE)
    with gr.Row():
        first, second = _picture('First face', 'first'), _picture('Second face', 'second')
    with gr.Row():
        for label, pair in samples.items():
            gr.Button(label, size='sm').click(partial(list, pair), None, [first, second], show_progress='hidden')
    verdict = gr.HTML(elem_id='verdict')
    with gr.Row(visible=False) as seen:
        left, right = (
            gr.Image(label=f'{which} face as it is compared', interactive=False, height=260, buttons=[])
            for which in ('First', 'Second')
        )

    def compare(a: str | None, b: str | None) -> dict[Any, Any]:
        if a is None or b is None:
            return {told: 'Now the other one.' if a or b else _COMPARE, **_hidden(verdict, seen)}
        first, second = (largest_face(read_rgb(path), detector) for path in (a, b))
        result = rim.verify(first, second)
        views = [_as_compared(rim, each) for each in (first, second)]
        return {
            told: '',
            verdict: gr.update(value=_verdict(result), visible=True),
            seen: gr.update(visible=True),
            left: views[0],
            right: views[1],
        }

    careful, last = _careful(compare, told, verdict, seen), gr.State(())

    def compare_once(*sent: Any) -> dict[Any, Any]:
        *pictures, before = sent
        pair = tuple(map(_files_of, pictures))
        # a sample changes both pictures at once, and of each the page tells
        return {} if pair == before else {**careful(*pictures), last: pair}

    parts = [told, verdict, seen, left, right, last]
    gr.on([first.change, second.change], compare_once, [first, second, last], parts, **_ONE_AT_A_TIME)


def _finding(rim: RIM, detector: Detector | None, samples: list[list[str]], folder: Path) -> None:
    own = gr.State(None, delete_callback=_forget)
    with gr.Row():
        with gr.Column():
            gr.Markdown('### 1. Who is in the gallery')
            name = gr.Textbox(label='Name', placeholder='Who is it?', max_lines=1, elem_id='name')
            picture = _picture('Photo of this person', 'enrol')
            with gr.Row():
                add = gr.Button('Add this person', variant='primary', elem_id='add')
                drawn = gr.Button('Add six drawn people', elem_id='drawn')
            told = _line('Nobody is in it yet.')
            enrolled = _gallery('In the gallery', 'people', 6, visible=False)
            clear = gr.Button('Empty the gallery', size='sm', visible=False, elem_id='clear')
        with gr.Column():
            gr.Markdown('### 2. Who is this?')
            gr.Markdown(
                'How sure an answer is was measured on photos of people. Drawn people are more alike: a stranger among '
                'them is often named.'
            )
            probe = _picture('Face to look for', 'probe')
            gr.Examples(
                samples,
                probe,
                label='Other, smaller pictures of drawn people; the last is of a stranger',
                elem_id='probes',
            )
            answer = _line('')
            found = _gallery('Most alike first', 'matches', 3, visible=False)

    def gallery_of(place: str | None) -> People:
        return People(rim, place or mkdtemp(dir=folder, prefix='people-'))

    def shown(gallery: People, faces: list[tuple[np.ndarray, str]], before: list[Any] | None) -> dict[Any, Any]:
        names = gallery.names()
        return {
            own: str(gallery.folder),
            told: f'{len(names)} person{"s" * (len(names) != 1)}, {sum(names.values())} pictures.',
            enrolled: gr.update(value=[*(before or []), *faces], visible=True),
            clear: gr.update(visible=True),
        }

    def enrol(place: str | None, who: str, path: str | None, before: list[Any] | None) -> dict[Any, Any]:
        if path is None:
            raise ValueError('Drop a photo of the person first')
        face, gallery = largest_face(read_rgb(path), detector), gallery_of(place)
        gallery.add(who, [face])
        return {**shown(gallery, [(thumbnail(face), who)], before), name: '', picture: None}

    def enrol_drawn(place: str | None, before: list[Any] | None) -> dict[Any, Any]:
        gallery, faces = gallery_of(place), people()
        for who, face in faces.items():
            gallery.add(who, [face])
        return shown(gallery, [(face, who) for who, face in faces.items()], before)

    def empty(place: str | None) -> dict[Any, Any]:
        _forget(place)
        return {own: None, told: 'Nobody is in it yet.', answer: '', **_hidden(enrolled, clear, found)}

    def search(place: str | None, path: str | None) -> dict[Any, Any]:
        if path is None:
            return {answer: '', **_hidden(found)}
        face = largest_face(read_rgb(path), detector)
        result = gallery_of(place).search(face)
        told = html.escape(describe_answer(result.identified))
        return {answer: f'<b>{told}</b>', found: gr.update(value=_captions(result), visible=True)}

    kept = [own, told, enrolled, clear]
    add.click(_careful(enrol, told), [own, name, picture, enrolled], [*kept, name, picture], **_ONE_AT_A_TIME)
    drawn.click(_careful(enrol_drawn, told), [own, enrolled], kept, **_ONE_AT_A_TIME)
    clear.click(empty, own, [*kept, answer, found])
    probe.change(_careful(search, answer, found), [own, probe], [answer, found], **_ONE_AT_A_TIME)


def _picture(label: str, elem_id: str) -> gr.Image:
    """A place to drop a picture, whose handlers get its file: what is wrong with it is found by :func:`read_rgb`."""
    return gr.Image(
        label=label,
        elem_id=elem_id,
        sources=['upload', 'clipboard'],
        height=260,
        buttons=[],
        elem_classes='rim-picture',
    )


def _gallery(label: str, elem_id: str, columns: int, visible: bool = True) -> gr.Gallery:
    """Pictures to look at, beside each other."""
    return gr.Gallery(
        allow_preview=False,
        interactive=False,
        label=label,
        columns=columns,
        height='auto',
        visible=visible,
        elem_id=elem_id,
        buttons=[],
    )


def _line(text: str) -> gr.Markdown:
    return gr.Markdown(text, elem_classes='rim-line')


def _hidden(*parts: Any) -> dict[Any, Any]:
    return {part: gr.update(visible=False) for part in parts}


def _careful(function: Callable[..., dict[Any, Any]], told: Any, *hide: Any) -> Callable[..., dict[Any, Any]]:
    """The handler, whose mistakes become a line in the page, ``told``; parts of an earlier answer are hidden then."""

    def handler(*sent: Any) -> dict[Any, Any]:
        values = tuple(map(_files_of, sent))
        try:
            return function(*values)
        except (OSError, RuntimeError, ValueError) as error:
            return {
                told: f'<div class="fault">{html.escape(_without_folders(str(error), values))}</div>',
                **_hidden(*hide),
            }

    return handler


def _files_of(sent: Any) -> Any:
    """What the page sends, a picture by its file, a gallery's pictures by theirs with their captions."""
    if isinstance(sent, dict):
        return sent['path']
    if isinstance(sent, list):
        return [(each['image']['path'], each['caption']) for each in sent]
    return sent


def _without_folders(message: str, values: tuple[Any, ...]) -> str:
    """A message that names pictures as the visitor does."""
    for value in values:
        if isinstance(value, str) and os.path.isabs(value):
            message = message.replace(value, Path(value).name)
    return message


def _verdict(verdict: Verification) -> str:
    scale = '' if verdict.threshold is None else _scale(verdict.similarity, verdict.threshold)
    return f'<div class="rim-verdict">{verdict_title(verdict)}</div><p>{describe_verdict(verdict)}</p>{scale}'


def _scale(similarity: float, threshold: float) -> str:
    """The similarity on a scale from 0 to 1, with the threshold."""
    at, mark = (f'{100 * min(max(value, 0.0), 1.0):.0f}%' for value in (threshold, similarity))
    return (
        f'<div class="rim-scale" style="--at: {at}"><b style="left: {mark}"></b>'
        f'<span style="left: {at}">threshold</span></div>'
    )


def _as_compared(rim: RIM, face: np.ndarray) -> np.ndarray:
    """What the recogniser sees: the face hallucinated where it is small."""
    return rim.hallucinate(face) if len(face) < 112 else thumbnail(face)


def _captions(answer: Answer) -> list[tuple[np.ndarray, str]]:
    return [
        (thumbnail(face), f'{hit.rank}. {hit.name}: {hit.similarity:.2f}')
        for hit, face in zip(answer.identified.hits, answer.faces)
    ]


def _forget(place: str | None) -> None:
    """Remove a visitor's gallery."""
    import shutil

    if place is not None:
        shutil.rmtree(place, ignore_errors=True)
