"""Many that begin the same new file of thumbnails at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sortal.configs.looks import ThumbnailConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.looks.thumbnails import Thumbnails


def test_readers_and_writers_of_a_new_file_wait_for_one_another(tmp_path):
    for attempt in range(10):
        kept = Thumbnails(Workspace(tmp_path / str(attempt)), ThumbnailConfig())
        together = Barrier(24)

        def begin(number: int, kept: Thumbnails = kept, together: Barrier = together) -> bool:
            together.wait()
            kept.add([(str(number), b"picture")])
            return kept.get([str(number)]) == {str(number): b"picture"}

        with ThreadPoolExecutor(24) as threads:
            assert all(threads.map(begin, range(24)))
        assert len(kept.all_keys()) == 24
