"""What another program made of probes, as a network: its outputs are looked up."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from rim_plugin.data.photo_files import decode_image
from rim_plugin.errors import OptionsError, UnreadableImage
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY

_ENDINGS = ('.png', '.jpg', '.jpeg', '.webp', '.bmp')


def read_rgb(path: Path) -> np.ndarray:
    """A picture as uint8 RGB (H, W, 3).

    Raises:
        OptionsError: the file is no picture.
    """
    try:
        return decode_image(path.read_bytes())
    except (OSError, UnreadableImage) as error:
        raise OptionsError(f'{path}: no picture can be read from it ({error}); write it again') from None


def pictures_in(folder: Path) -> dict[str, Path]:
    """Pictures of a folder and its folders, by their path in it without ending."""
    files = (path for path in sorted(folder.rglob('*')) if path.suffix.lower() in _ENDINGS)
    return {path.relative_to(folder).with_suffix('').as_posix(): path for path in files}


@ARCH_REGISTRY.register()
class FolderOutputs(nn.Module):
    """Faces that another program (GFPGAN, CodeFormer, ...) made of the probes that ``rim benchmark --probes`` writes.

    A probe is known by its 8-bit values, and its face is the output of the same name; so a probe of another protocol is
    none of the folder's, and is refused. The mirror image of a probe gives the mirror image of its face. There are no
    parameters.

    Args:
        probes: folder of the probes, with folders in it.
        outputs: folder of the outputs, with the same names but for the ending; reduced or enlarged to ``image_size``.
        image_size: side of the faces.

    Shapes:
        lq (N, 3, q, q) in [0, 1] to (N, 3, image_size, image_size) in [0, 1].

    Raises:
        OptionsError: a folder has no pictures, or no output of any probe.
    """

    def __init__(self, probes: str, outputs: str, image_size: Count = 224) -> None:
        super().__init__()
        self.image_size = image_size
        known, made = pictures_in(Path(probes)), pictures_in(Path(outputs))
        for folder, found in ((probes, known), (outputs, made)):
            if not found:
                raise OptionsError(
                    f'FolderOutputs: {folder}: there are no pictures (rim benchmark --probes writes probes)'
                )
        if not known.keys() & made.keys():
            raise OptionsError(
                f'FolderOutputs: no picture of {outputs} has the name of one of {probes}; name outputs as probes are, '
                f'as {next(iter(known))}'
            )
        self._outputs = {_key(read_rgb(path)): made.get(name, name) for name, path in known.items()}

    def forward(self, lq: Tensor) -> Tensor:
        """See the class.

        Raises:
            ValueError: a probe is none of the folder's, or has no output.
        """
        levels = (lq * 255).round().byte().cpu().numpy().transpose(0, 2, 3, 1)
        return torch.stack([self._face(probe) for probe in levels]).to(lq)

    def _face(self, probe: np.ndarray) -> Tensor:
        mirrored = probe[:, ::-1]
        found, flip = self._outputs.get(_key(probe)), False
        if found is None:
            found, flip = self._outputs.get(_key(mirrored)), True
        if not isinstance(found, Path):
            missing = f'no output {found}' if found else 'a probe is none of the folder of probes'
            raise ValueError(f'FolderOutputs: {missing}; write the probes of this protocol, and run the program on all')
        face = cv2.resize(read_rgb(found), (self.image_size, self.image_size), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(np.ascontiguousarray(face[:, ::-1] if flip else face)).permute(2, 0, 1) / 255


def _key(probe: np.ndarray) -> bytes:
    return repr(probe.shape).encode() + np.ascontiguousarray(probe).tobytes()
