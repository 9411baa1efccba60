"""Any recogniser in an ONNX file, evaluated by onnxruntime."""

import hashlib
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from rim_plugin.archs.onnx_files import ONNX_PACKAGES, read_onnx
from rim_plugin.archs.recogniser import FACE_SIZE, Recogniser, RecogniserOutput
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.packages import import_package

from basicsr.utils.registry import ARCH_REGISTRY

_EVALUATES = (
    'OnnxRecogniser only evaluates: it has neither block maps nor gradients. To train with this network, '
    'take type: IResNet and give it the file as weights.'
)


@ARCH_REGISTRY.register()
class OnnxRecogniser(Recogniser):
    """A recogniser in an ``.onnx`` file, on the CPU, for evaluation alone; needs the packages onnx and onnxruntime.

    Input size and normalisation are found as insightface's model zoo does: (x - 127.5) / 127.5, and none where the
    graph itself begins with Sub and Mul. A file for fewer than 112 columns sees those in the middle.

    Args:
        model: path of the file; its input is (N, 3, 112, columns), N open or 1, its one output (N, D).

    Attributes:
        content: a hash of the file.

    Shapes:
        see Recogniser; ``blocks`` is empty.

    Raises:
        OptionsError: missing, damaged or unfitting file, or a package is missing.
        RuntimeError: block maps, head or gradients are asked for.
    """

    def __init__(self, model: str) -> None:
        file = read_onnx(model, f'OnnxRecogniser (model: {model})')
        runtime = import_package('onnxruntime', f'OnnxRecogniser (model: {model})', ONNX_PACKAGES)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            session = runtime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        except Exception as error:  # onnxruntime's errors have no common base
            raise OptionsError(f'{model}: onnxruntime cannot load it ({first_words(error)})') from error
        normalises = {'Sub', 'Mul'} <= {node.op_type for node in file.graph.node[:8]}
        mean, std = (0, 1 / 255) if normalises else (0.5, 0.5)
        super().__init__(mean, std, _crop(model, session.get_inputs()[0].shape))
        self._session, self._input = session, session.get_inputs()[0]
        self.content = hashlib.sha256(file.SerializeToString()).hexdigest()
        self.embedding_size = self._try(model)

    def __getattr__(self, name: str) -> Any:
        if name == 'feature_info':  # there is none
            raise RuntimeError(_EVALUATES)
        return super().__getattr__(name)

    def block_maps(self, face: Tensor) -> NoReturn:
        raise RuntimeError(_EVALUATES)

    def head(self, block: Tensor) -> NoReturn:
        raise RuntimeError(_EVALUATES)

    def forward(self, image: Tensor) -> RecogniserOutput:
        if torch.is_grad_enabled() and image.requires_grad:
            raise RuntimeError(_EVALUATES)
        return RecogniserOutput((), self._embed(self.prepare(image)).to(image.device))

    def _embed(self, face: Tensor) -> Tensor:
        faces = face.detach().cpu().float().contiguous().numpy()
        step = 1 if isinstance(self._input.shape[0], int) else len(faces)  # some files fix N to 1
        parts = [
            self._session.run(None, {self._input.name: faces[start : start + step]})
            for start in range(0, len(faces), step)
        ]
        return torch.from_numpy(np.concatenate([outputs[0] for outputs in parts]))

    def _try(self, model: str) -> int:
        """Length of the embedding, by a run on a black face."""
        try:
            face = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device='cpu')  # also where networks are only described
            embedding = self._embed(self.prepare(face))
        except Exception as error:
            raise OptionsError(f'{model}: onnxruntime cannot run it on a face ({first_words(error)})') from error
        count = len(self._session.get_outputs())
        if count != 1 or embedding.ndim != 2:
            raise OptionsError(
                f'{model}: gives {count} outputs, the first {tuple(embedding.shape)}, instead of one embedding (N, D)'
            )
        return embedding.shape[1]


def _crop(model: str, shape: Sequence[int | str | None]) -> tuple[int, int]:
    """Columns of the 112-pixel face for an input (N, 3, h, w); a size that is left open is 112."""
    if len(shape) != 4:
        raise OptionsError(f'{model}: takes {shape} instead of a batch of images (N, 3, 112, 112)')
    height, width = (size if isinstance(size, int) else FACE_SIZE for size in shape[2:])
    if height != FACE_SIZE or width > FACE_SIZE:
        raise OptionsError(f'{model}: takes faces of {height}x{width}; OnnxRecogniser gives {FACE_SIZE} pixels')
    left = (FACE_SIZE - width) // 2
    return left, left + width
