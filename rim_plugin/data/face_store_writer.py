"""What ``rim prepare`` writes, see :mod:`rim_plugin.data.face_store` for what is in it."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rim_plugin.data.face_store import SUFFIXES, lmdb_environment
from rim_plugin.data.lmdb_writer import FolderWriter, ImageWriter, LmdbWriter
from rim_plugin.data.stored_landmarks import read_landmarks
from rim_plugin.files import atomic_file, write_atomically

_WRITERS: dict[str, type[ImageWriter]] = {'lmdb': LmdbWriter, 'disk': FolderWriter}
_FACES_PER_COMMIT = 64
_PARSING_PNG_LEVEL = 9


class FaceStoreWriter:
    """Writes a prepared face store; taking up a stopped one, it keeps what is there.

    Args:
        root: the store's folder.
        backend: ``lmdb`` or ``disk``, as BasicSR names them.
        settings: how the faces are made, JSON values; ``quality``, ``num_landmarks`` (0 without) and ``parsing`` (bool)
            among them.

    Raises:
        ValueError: the folder holds faces made with other settings.
    """

    def __init__(self, root: str | os.PathLike[str], backend: str, settings: Mapping[str, Any]) -> None:
        self.root = Path(root)
        self._settings = {**settings, 'backend': backend}
        writer = _WRITERS[backend]
        self._gt = writer(self.root / f'gt{SUFFIXES[backend]}', settings['quality'])
        self._parsing: ImageWriter | None = None
        if settings['parsing']:
            self._parsing = writer(self.root / f'parsing{SUFFIXES[backend]}', _PARSING_PNG_LEVEL)
        self._landmarks: dict[str, np.ndarray] = {}
        self._pending = 0

    def __enter__(self) -> 'FaceStoreWriter':
        self._check_settings()
        lmdb_environment.cache_clear()  # those of this process's readers, who reopen them when they read again
        self.root.mkdir(parents=True, exist_ok=True)
        write_atomically(self.root / 'prepare.json', json.dumps(self._settings, indent=2) + '\n')
        with ExitStack() as stack:
            # Left in reverse order: the parsing maps and landmarks are complete before gt's meta_info.txt says so.
            stack.enter_context(self._gt)
            stack.push(self._finish_landmarks)
            if self._parsing:
                stack.enter_context(self._parsing)
            self._read_landmarks()
            self._journal = stack.enter_context(open(self.root / 'landmarks.partial', 'a', encoding='utf-8'))
            stack.callback(self._commit)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _check_settings(self) -> None:
        path = self.root / 'prepare.json'
        if not path.exists():
            return
        before = json.loads(path.read_text(encoding='utf-8'))
        changed = [key for key in {**before, **self._settings} if before.get(key) != self._settings.get(key)]
        if changed:
            was = ', '.join(f'{key}: {before.get(key)}, now {self._settings.get(key)}' for key in changed)
            raise ValueError(
                f'{self.root} holds faces prepared with other settings ({was}). Name another output '
                'folder, or remove this one.'
            )

    def _read_landmarks(self) -> None:
        if (self.root / 'landmarks.npz').exists():
            self._landmarks = read_landmarks(self.root)
        journal = self.root / 'landmarks.partial'
        for line in journal.read_text(encoding='utf-8').splitlines(keepends=True) if journal.exists() else []:
            if line.endswith('\n'):  # the last line of a killed run may be cut
                key, points = json.loads(line)
                self._landmarks[key] = np.array(points, np.float32)
        # Begin the journal anew: a cut last line must not run into the next one.
        write_atomically(journal, ''.join(self._journal_line(*item) for item in self._landmarks.items()))

    @staticmethod
    def _journal_line(key: str, points: np.ndarray) -> str:
        return json.dumps([key, [[float(v) for v in point] for point in points]]) + '\n'

    def done(self) -> set[str]:
        """Keys of the faces that are there with all their priors."""
        done = self._gt.keys()
        if self._settings['num_landmarks']:
            done &= self._landmarks.keys()
        return done & self._parsing.keys() if self._parsing else done

    def put(self, key: str, gt: bytes, parsing: bytes | None, landmarks: np.ndarray | None) -> None:
        """Add a face.

        Args:
            key: see :func:`rim_plugin.data.face_store.face_key`.
            gt: the encoded face.
            parsing: the encoded parsing map, where the store has these.
            landmarks: (L, 2), gt pixels, where the store has these.
        """
        if self._parsing and parsing is not None:
            self._parsing.put(key, parsing)
        if landmarks is not None:
            self._landmarks[key] = np.asarray(landmarks, np.float32)
            self._journal.write(self._journal_line(key, landmarks))
        self._gt.put(key, gt)
        self._pending += 1
        if self._pending >= _FACES_PER_COMMIT:
            self._commit()

    def _commit(self) -> None:
        """A face counts as done by all its parts (see :meth:`done`), so that their order does not matter."""
        if self._parsing:
            self._parsing.flush()
        try:
            self._journal.flush()
        except OSError as error:  # of a full disk Python does not say which
            raise OSError(error.errno, error.strerror, str(self.root / 'landmarks.partial')) from None
        self._gt.flush()
        self._pending = 0

    def _finish_landmarks(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None and self._landmarks:
            names = sorted(self._gt.keys() & self._landmarks.keys())
            points = np.stack([self._landmarks[name] for name in names])
            with atomic_file(self.root / 'landmarks.npz') as file:
                np.savez_compressed(file, names=np.array(names), points=points)
        if kind is None:
            (self.root / 'landmarks.partial').unlink()
