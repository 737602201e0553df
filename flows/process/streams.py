"""stdout and stderr never end a run: what they cannot say is replaced, a reader may have gone."""

import errno
import io
import os
import sys
from typing import Any, TextIO

from sortal.configs.errors import RunError


class ForgivingFile(io.FileIO):
    """A stream's file that takes everything; `gone` says that its reader has closed it."""

    gone = False

    def write(self, data: Any) -> int:
        """Write, or drop what nobody will read. Raises RunError once, as for a full disk."""
        if self.gone:
            return len(data)
        try:
            return super().write(data) or 0
        except OSError as error:
            self.gone = True
            if error.errno == errno.EPIPE or (error.errno == errno.EIO and self.isatty()):
                return len(data)
            name = "stdout" if self.name == 1 else "stderr"
            raise RunError(f"{name} must take what is printed, got: {error.strerror}") from error


def forgive_streams() -> None:
    """Put forgiving streams in place of the process's own; call it before anything is printed."""
    if isinstance(getattr(getattr(sys.stdout, "buffer", None), "raw", None), ForgivingFile):
        return
    for number in range(3):  # a closed one would be the number of the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _forgiving(sys.stdout, 1)
    sys.stderr = _forgiving(sys.stderr, 2)


def _forgiving(stream: TextIO | None, number: int) -> TextIO:
    file = ForgivingFile(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=stream.encoding if stream else "utf-8",
        errors="replace",
        line_buffering=number == 2 or file.isatty(),
    )


def reader_is_gone() -> bool:
    """Whether nobody reads stdout any more, as after `head`: what takes long may stop."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, ForgivingFile) and raw.gone
