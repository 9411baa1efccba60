"""Makes small photos of nobody, with annotations of every kind, for the tests of preparation and datasets."""

import cv2
import numpy as np
from PIL import Image

from rim_plugin.data.alignment import ARCFACE_TEMPLATE

# Where the five points of a photo are; the eyes are 70 pixels apart, so that faces are neither enlarged nor reduced.
FIVE_POINTS = ARCFACE_TEMPLATE * 2 + np.array([30.25, 24.5])
PHOTO_SHAPE = (280, 300)


def landmarks_68(rng):
    """68 points, 0-based, whose five points are FIVE_POINTS."""
    points = rng.uniform(60, 220, (68, 2))
    ring = np.stack([np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3)], 1) * 8
    points[36:42], points[42:48] = FIVE_POINTS[0] + ring, FIVE_POINTS[1] + ring
    points[[30, 48, 54]] = FIVE_POINTS[2:]
    return points


def write_pts(path, points):
    """300-W's format, 1-based."""
    rows = '\n'.join(f'{x + 1:.4f} {y + 1:.4f}' for x, y in points)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'version: 1\nn_points: {len(points)}\n{{\n{rows}\n}}\n', encoding='utf-8')


def make_photo(root, name, seed=0):
    """One photo with .pts and palette parsing map in root/images, root/landmarks, root/parsing; returns its points."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (*PHOTO_SHAPE, 3), np.uint8), (0, 0), 3)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    path = root / 'images' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    points = landmarks_68(rng)
    write_pts((root / 'landmarks' / name).with_suffix('.pts'), points)
    classes = cv2.resize(rng.integers(0, 11, (14, 15), np.uint8), PHOTO_SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
    parsing = Image.fromarray(classes)
    parsing.putpalette(list(range(33)))
    path = (root / 'parsing' / name).with_suffix('.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    parsing.save(path)
    return points


def make_photos(root, names):
    """Several photos; returns name to points."""
    return {name: make_photo(root, name, seed) for seed, name in enumerate(names)}


def make_aligned(folder, count, size=128):
    """Aligned faces of one size, ``small_0.jpg`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(100 + number).integers(0, 256, (size, size, 3), np.uint8)
        image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        Image.fromarray(image).save(folder / f'small_{number}.jpg', quality=90)
