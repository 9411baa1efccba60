"""Pictures without a face: noise, blur, bricks, blobs of skin's colour, stripes, text, dots, clouds."""

import cv2
import numpy as np


def textures(count, seed=1):
    """``count`` pictures, uint8 (s, s + 7, 3), one of eight kinds after the other."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        side = int(rng.integers(60, 180))
        image = _KINDS[number % len(_KINDS)](rng, side)
        yield np.ascontiguousarray(np.pad(image.clip(0, 255).astype(np.uint8), ((0, 0), (0, 7), (0, 0)), 'reflect'))


def _noise(rng, side):
    return rng.random((side, side, 3)) * 255


def _blurred(rng, side):
    return cv2.normalize(cv2.GaussianBlur(_noise(rng, side), (0, 0), rng.uniform(1, 8)), None, 0, 255, cv2.NORM_MINMAX)


def _clouds(rng, side):
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = 1
    grey = np.real(np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) / frequency ** rng.uniform(0.8, 1.6)))
    return cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX)[:, :, None] * rng.uniform(0.5, 1, 3)


def _bricks(rng, side):
    image, height = np.full((side, side, 3), 200.0), int(rng.integers(10, 40))
    for row, y in enumerate(range(0, side, height)):
        for x in range(-(row % 2) * height, side, 2 * height):
            colour = rng.integers((80, 40, 30), (180, 120, 100)).tolist()
            cv2.rectangle(image, (x + 1, y + 1), (x + 2 * height - 2, y + height - 2), colour, -1)
    return image + rng.standard_normal(image.shape) * 10


def _skin(rng, side):
    image = np.full((side, side, 3), rng.integers(0, 255, 3), float)
    for _ in range(rng.integers(3, 30)):
        middle, axes = rng.integers(0, side, 2).tolist(), rng.integers(5, side // 3, 2).tolist()
        colour = (np.array([224, 172, 135]) * rng.uniform(0.4, 1.1)).tolist()
        cv2.ellipse(image, middle, axes, float(rng.integers(180)), 0, 360, colour, -1)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 4))


def _stripes(rng, side):
    y, x = np.mgrid[:side, :side]
    angle = rng.uniform(0, np.pi)
    waves = np.sin((np.cos(angle) * x + np.sin(angle) * y) / rng.uniform(1, 10)) * np.sin(y / rng.uniform(1, 20))
    return (waves * 127 + 127)[:, :, None] * rng.uniform(0.3, 1, 3)


def _text(rng, side):
    image = np.full((side, side, 3), 255, np.uint8)
    for _ in range(60):
        text, place = ''.join(map(chr, rng.integers(33, 120, 5))), rng.integers(0, side, 2).tolist()
        cv2.putText(image, text, place, int(rng.integers(6)), rng.uniform(0.4, 2), (float(rng.integers(120)),) * 3, 1)
    return image


def _dots(rng, side):
    image = np.full((side, side, 3), rng.integers(0, 255, 3), float)
    for _ in range(rng.integers(5, 60)):
        middle, colour = rng.integers(0, side, 2).tolist(), rng.integers(0, 255, 3).tolist()
        cv2.circle(image, middle, int(rng.integers(2, 30)), colour, -1)
    return image


_KINDS = (_noise, _blurred, _clouds, _bricks, _skin, _stripes, _text, _dots)
