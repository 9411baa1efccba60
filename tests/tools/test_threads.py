"""One RIM in several threads of a server: each gets the answers that it would get alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

THREADS, CALLS = 6, 25


@pytest.mark.slow
def test_six_threads_with_25_calls_each_get_their_own_answers(rim, make_face):
    faces = [make_face(side, seed) for seed, side in enumerate((8, 12, 16, 24, 32, 40))]
    alone = [(rim.embed(face), rim.hallucinate(face)) for face in faces]

    def ask(thread: int) -> int:
        wrong = 0
        for call in range(CALLS):
            number = (thread + call) % len(faces)
            embedding, picture = alone[number]
            wrong += np.abs(rim.embed(faces[number]) - embedding).max() > 1e-5
            wrong += not np.array_equal(rim.hallucinate(faces[number]), picture)
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, range(THREADS))) == [0] * THREADS
