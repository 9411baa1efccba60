"""Which store a gallery is in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rim_plugin.files import require_writable
from rim_plugin.tools.gallery.store import AnyPath, GalleryError, NoSuchGallery, Store, joined_cut


def open_store(index: AnyPath, server: str | None = None, sha256: str | None = None, make: bool = False) -> Store:
    """A gallery.

    Args:
        index: its file; with a server, its name there.
        server: ``postgresql://...``, the database that holds it; None: a file.
        sha256: of the weights in use; None where no face is compared.
        make: make an empty gallery of these weights where there is none.

    Raises:
        GalleryError: no such gallery, a damaged one, one made with other weights, or no such server.
        MissingPackage: what a server needs is not installed.
    """
    if server is None:
        from rim_plugin.tools.gallery.sqlite_store import SqliteStore

        return SqliteStore(index, sha256, make)

    from rim_plugin.tools.gallery.postgres_store import SCHEMES, PostgresStore

    if not server.startswith(SCHEMES):
        raise GalleryError(f'--store: no {SCHEMES[0]}... address; a gallery in a file needs no --store')
    return PostgresStore(server, str(index), sha256, make)


def check_store(index: AnyPath, server: str | None, sha256: str, cut: str | None = None) -> None:
    """Check that faces can be enrolled in a gallery of these weights, or that there is none yet and one can be made.

    Args:
        index, server, sha256: see :func:`open_store`.
        cut: how the faces are cut, see :func:`rim_plugin.tools.gallery.store.cut_of`; None: not known.

    Raises:
        GalleryError, MissingPackage: see :func:`open_store`; the file or its folder may not be written to; or the
            gallery's faces are cut otherwise.
    """
    if server is None:
        try:
            require_writable(Path(index))
        except PermissionError as error:
            raise GalleryError(f'{index}: {error}') from None
    with suppress(NoSuchGallery), open_store(index, server, sha256) as store:
        joined_cut(str(index), store.cut(), store.size(), cut)
