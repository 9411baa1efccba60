"""Crops of a face's components by its landmarks, as GFPGAN's: left eye, right eye, mouth."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from rim_plugin.data.landmarks import component_points
from rim_plugin.errors import check_choice

Component = Literal['left_eye', 'right_eye', 'mouth']
COMPONENTS: tuple[Component, ...] = get_args(Component)
LEAST = 1 / 32  # of the face's side: half of a crop before it is enlarged, where the landmarks lie closer together


def check_components(place: str, components: Sequence[str]) -> None:
    """OptionsError, in the name of ``place``, unless these are components."""
    for name in components:
        check_choice(f'{place}: components', name, COMPONENTS)


def component_boxes(landmarks: Tensor, component: str, enlarge: float, side: int) -> Tensor:
    r"""Squares around a component of each face (after Wang et al., *GFP-GAN*, CVPR 2021, section 3.3 and its code).

    .. math::
        \bar p \pm e \max(\tfrac12 (\max x - \min x), \tfrac12 (\max y - \min y), S / 32)

    with the mean of the component's landmarks as centre.

    Args:
        landmarks: (N, L, 2), x and y in pixels, 0 in the middle of the first; L = 5, 68 or 194.
        component: one of COMPONENTS.
        enlarge: e, above 0.
        side: S, of the face in pixels.

    Returns:
        (N, 4): left, top, right and bottom in pixels, 0 at the edge of the first.

    Raises:
        ValueError: no scheme has L landmarks.

    Example:
        >>> corners = torch.tensor([[[9.5, 9.5], [19.5, 9.5], [14.5, 14.5], [11.5, 19.5], [17.5, 19.5]]])
        >>> component_boxes(corners, 'mouth', 2.0, 32)  # 6 pixels from corner to corner, centre at (15, 20)
        tensor([[ 9., 14., 21., 26.]])
    """
    points = component_points(landmarks, component) + 0.5
    half = (points.amax(1) - points.amin(1)).amax(1, keepdim=True) / 2
    half = enlarge * half.clamp(min=LEAST * side)
    centre = points.mean(1)
    return torch.cat([centre - half, centre + half], 1)


def component_crops(
    images: Tensor, landmarks: Tensor, components: Sequence[str] = COMPONENTS, size: int = 32, enlarge: float = 1.4
) -> Tensor:
    """The squares of :func:`component_boxes` by bilinear sampling (RoIAlign; He et al., ICCV 2017); black beyond the
    image. Differentiable in the images; the landmarks are constant.

    Args:
        images: (N, C, S, S), float32 or float64.
        landmarks: (N, L, 2), x and y in pixels; L = 5, 68 or 194.
        components: K of COMPONENTS.
        size: s, side of the crops.
        enlarge: factor on the extent of the landmarks.

    Returns:
        (N, K, C, s, s).

    Raises:
        ValueError: no scheme has L landmarks.
    """
    from torchvision.ops import roi_align  # takes a second, and inference does without

    points = landmarks.detach().to(images)
    boxes = torch.stack([component_boxes(points, name, enlarge, images.shape[-1]) for name in components], 1)
    crops = roi_align(images, list(boxes), size, aligned=True)
    return crops.unflatten(0, (len(images), len(components)))
