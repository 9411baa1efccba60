#!/usr/bin/env python
"""Hallucination and embeddings by the side of the face, and effective sides, on prepared faces, as Markdown tables."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import starmap

import cv2
import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from rim_plugin import RIM
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.photo_files import decode_image
from rim_plugin.data.resize import degrade, to_tensor

SIDES = (4, 7, 14, 20, 28, 40, 56, 64, 80, 96, 112, 140, 200, 223, 224)
TRUE_SIDES = (12, 16, 20, 28, 40, 56, 80, 112, 140, 200)
HANDED_OVER = (14, 20, 28, 40)
AT = (28, 56, 112, 224, 512)
EMBEDDED = (7, 14, 20, 28, 40, 56, 60, 70, 80, 90, 100, 111, 112, 140, 180, 223)
TABLES = ('sides', 'effective', 'handed-over', 'embeddings')
FULL = 224
WEB = {'noise': 3, 'first': 60, 'last': 80}  # deviation of levels, and qualities of JPEG before and after enlarging


def jpeg(face: np.ndarray, quality: int) -> np.ndarray:
    code = cv2.imencode('.jpg', face[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return decode_image(code.tobytes())


def enlarged(face: np.ndarray, side: int) -> np.ndarray:
    return face if len(face) == side else cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)


def seen_on_the_web(face: np.ndarray, side: int, at: int, seed: int) -> np.ndarray:
    """A face reduced to ``side``, with noise and JPEG, enlarged to ``at`` and JPEG again."""
    small = degrade(face, side)
    noisy = small + np.random.default_rng(seed).normal(0, WEB['noise'], small.shape)
    return jpeg(enlarged(jpeg(np.clip(noisy, 0, 255).round().astype(np.uint8), WEB['first']), at), WEB['last'])


def psnr(face: np.ndarray, truth: np.ndarray) -> float:
    """Of the brightness, dB."""
    shown = face if len(face) <= FULL else degrade(face, FULL)
    grey = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (truth, shown))
    return peak_signal_noise_ratio(*grey, data_range=255)


def mean_psnr(faces: Iterable[np.ndarray], truths: Iterable[np.ndarray]) -> float:
    return float(np.mean(list(starmap(psnr, zip(faces, truths)))))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    for row in (head, ['---'] * len(head), *rows):
        print(
            '|',
            ' | '.join(
                f'{each:.3g}'
                if isinstance(each, float) and each < 1
                else f'{each:.2f}'
                if isinstance(each, float)
                else str(each)
                for each in row
            ),
            '|',
            flush=True,
        )
    print()


def by_side(rim: RIM, faces: list[np.ndarray]) -> Iterable[tuple[object, ...]]:
    for side in SIDES:
        small = [degrade(face, side) for face in faces]
        network = [rim.pipeline.fhn(to_tensor(each)[None])[0].clamp(0, 1) * 255 for each in small]
        before = [each.round().byte().permute(1, 2, 0).numpy() for each in network]
        bicubic = [enlarged(each, FULL) for each in small]
        yield side, *(mean_psnr(each, faces) for each in (before, bicubic, rim.hallucinate(small)))


def errors(rim: RIM, faces: list[np.ndarray]) -> Iterable[tuple[object, ...]]:
    for side in TRUE_SIDES:
        row: list[object] = [side]
        for at in (side, 112, FULL, 512):
            seen = [seen_on_the_web(face, side, at, seed) for seed, face in enumerate(faces)]
            relative = np.array(rim.effective_sides(seen)) / side - 1
            row.append(f'{np.median(abs(relative)):.1%} ({np.median(relative):+.1%})' if at >= side else '')
        yield tuple(row)


def handed_over(rim: RIM, faces: list[np.ndarray], web: bool) -> Iterable[tuple[object, ...]]:
    for side in HANDED_OVER:
        for at in (side, *(each for each in AT if each > side)):
            if web:
                seen = [seen_on_the_web(face, side, at, seed) for seed, face in enumerate(faces)]
            else:
                seen = [enlarged(degrade(face, side), at) for face in faces]
            bicubic = [enlarged(each, max(at, FULL)) for each in seen]
            yield side, at, mean_psnr(bicubic, faces), mean_psnr(rim.hallucinate(seen), faces)


def cosines(rim: RIM, faces: list[np.ndarray]) -> Iterable[tuple[object, ...]]:
    full = rim.embed(faces)
    for side in EMBEDDED:
        yield side, f'{float((rim.embed([degrade(face, side) for face in faces]) * full).sum(1).mean()):.4f}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--faces', default='datasets/helen_test', help='prepared faces of 224 px (%(default)s)')
    parser.add_argument('--every', type=int, default=1, help='take each so many-th face (%(default)s)')
    parser.add_argument('--tables', nargs='+', choices=TABLES, default=TABLES, help='which to make (all)')
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    args = parser.parse_args()
    rim, store = RIM.from_pretrained(args.weights, engine='torch'), FaceStore(args.faces, 'lmdb')
    faces = [decode_image(store.read('gt', key)) for key in store.keys[:: args.every]]
    print(f'{len(faces)} faces, PSNR in dB, hallucination for {rim.weights.sides} px\n')
    if 'sides' in args.tables:
        table(('side', 'network alone', 'bicubic', 'rim.hallucinate'), by_side(rim, faces))
    if 'effective' in args.tables:
        table(('true side', 'error as it is', 'at 112', 'at 224', 'at 512'), errors(rim, faces))
    for web in (False, True) if 'handed-over' in args.tables else ():
        table(
            ('true side', 'at', 'bicubic, noise and JPEG' if web else 'bicubic', 'rim.hallucinate'),
            handed_over(rim, faces, web),
        )
    if 'embeddings' in args.tables and rim.pipeline.hrn is not None:
        table(('side', 'cosine with the face at 224 px'), cosines(rim, faces))


if __name__ == '__main__':
    main()
