#!/usr/bin/env python
"""Train what tells a face's effective side, ``rim_plugin/effective_side.safetensors``, on known reductions.

Wants faces of 224 pixels that have the detail of so many, as ``rim prepare`` writes them from Helen's training photos
(docs/how-to/real_faces.md): a minute or two of a CPU core.
"""

import argparse
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

import rim_plugin  # noqa: F401  before BasicSR
from rim_plugin.data.degradations import degrade_batch
from rim_plugin.data.face_store import FaceStore
from rim_plugin.data.photo_files import decode_image
from rim_plugin.effective_side import LARGEST, SMALLEST, WEIGHTS, SideEstimator, band_powers
from rim_plugin.files import write_atomically
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import DegradationOptions

FACES = 16  # of one side at a time
ENLARGED_AT_MOST = 512  # side, pixels
ENLARGED_TO = (112, 224, 512)  # sides of people's crops, a third of all
NON_FACES = 0.04  # share of pictures without a band limit: noise of one pixel, whose side is the nominal one
ENLARGEMENTS = (cv2.INTER_CUBIC, cv2.INTER_CUBIC, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4)
OFF = {'probability': 0}
DEGRADATION = {
    'probability': 0.8,
    'blur': OFF,
    'noise': {'probability': 0.8, 'sigma': [0.5, 8]},
    'jpeg': {'probability': 0.8, 'quality': [45, 95]},
    'second': OFF,
}


def with_other_light(faces: np.ndarray, random: np.random.Generator) -> Tensor:
    """Faces, uint8 (N, S, S, 3), mirrored or not, of other contrast and brightness: (N, 3, S, S) in [0, 1]."""
    contrast, light = random.uniform(0.5, 1.15, (len(faces), 1, 1, 1)), random.uniform(-25, 25, (len(faces), 1, 1, 1))
    faces = np.where(random.random((len(faces), 1, 1, 1)) < 0.5, faces, faces[:, :, ::-1])
    changed = np.clip((faces - 128.0) * contrast + 128 + light, 0, 255).round()
    return torch.from_numpy(changed).permute(0, 3, 1, 2).float() / 255


def nominal_side(side: int, random: np.random.Generator) -> int:
    """The side at which a face of ``side`` pixels' worth is handed over."""
    kind = random.integers(3)
    if kind == 0:
        return side
    chosen = random.choice(ENLARGED_TO) if kind == 1 else 2 ** random.uniform(np.log2(side), np.log2(ENLARGED_AT_MOST))
    return max(side, round(float(chosen)))


def handed_over(face: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    """A small face, uint8, as it comes: enlarged to ``side``, and as JPEG two times in three."""
    if side > len(face):
        face = cv2.resize(face, (side, side), interpolation=int(random.choice(ENLARGEMENTS)))
    if random.random() < 1 / 3:
        return face
    code = cv2.imencode('.jpg', face[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(70, 97))])[1]
    return decode_image(code.tobytes())


def examples(faces: np.ndarray, count: int, random: np.random.Generator) -> Iterator[tuple[Tensor, int, int]]:
    """Band powers, nominal and true side of ``count`` pictures of faces, uint8 (N, S, S, 3)."""
    options = convert(DEGRADATION, DegradationOptions, 'degradation')
    for start in range(0, count, FACES):
        side = round(2 ** random.uniform(np.log2(SMALLEST), np.log2(LARGEST)))
        chosen = with_other_light(faces[random.integers(len(faces), size=FACES)], random)
        small = degrade_batch(chosen, side, options, start + torch.arange(FACES))
        for face in (small * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy():
            nominal = nominal_side(side, random)
            if random.random() < NON_FACES:
                noise = random.normal(128, random.uniform(5, 60), (nominal, nominal, 3))
                picture, truth = np.clip(noise, 0, 255).astype(np.uint8), nominal
            else:
                picture, truth = handed_over(face, nominal, random), side
            yield band_powers(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)[0], nominal, truth


def trained(powers: Tensor, nominal: Tensor, true: Tensor, iterations: int) -> SideEstimator:
    """The network that has learnt the median of log2 of the true sides (N, ) from powers (N, bands) and sides (N, )."""
    net = SideEstimator()
    inputs, target = net.inputs(powers, nominal), true.log2()
    net.mean, net.std = inputs.mean(0), inputs.std(0).clamp(min=1e-3)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=iterations)
    for _ in range(iterations):
        batch = torch.randint(len(powers), (512,))
        optimizer.zero_grad()
        (target[batch] - net(powers[batch], nominal[batch])).abs().mean().backward()
        optimizer.step()
        scheduler.step()
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faces', default='datasets/helen_train', help='prepared faces (%(default)s)')
    parser.add_argument('--count', type=int, default=9000, help='pictures that are made of them (%(default)s)')
    parser.add_argument('--iterations', type=int, default=2500, help='of training (%(default)s)')
    parser.add_argument('-o', '--output', default=WEIGHTS, help='file to write (that of the package)')
    args = parser.parse_args()
    torch.manual_seed(0)
    store = FaceStore(args.faces, 'lmdb')
    faces = np.stack([decode_image(store.read('gt', key)) for key in store.keys])
    powers, *sides = zip(*examples(faces, args.count, np.random.default_rng(0)))
    nominal, true = (torch.tensor(each, dtype=torch.float32) for each in sides)
    net = trained(torch.stack(powers), nominal, true, args.iterations)
    write_atomically(args.output, save(net.state_dict()))


if __name__ == '__main__':
    main()
