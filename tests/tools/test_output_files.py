import numpy as np
import pytest

from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.output_files import require_folder, write_png


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, make_face):
    write_png(tmp_path / 'new' / 'ü.png', make_face(20))
    assert np.array_equal(read_rgb(tmp_path / 'new' / 'ü.png'), make_face(20))
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['ü.png']


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    require_folder(tmp_path / 'new' / 'deeper')
    (tmp_path / 'file').write_text('')
    with pytest.raises(NotADirectoryError, match='file is a file: name a folder'):
        require_folder(tmp_path / 'file' / 'deeper')
