"""Whether torch.compile can be tried here: on a CPU it needs a compiler and Python's headers."""

import shutil
import sysconfig
from pathlib import Path

import pytest

_HEADERS = Path(sysconfig.get_paths()["include"], "Python.h")

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") and _HEADERS.exists()),
    reason="no C++ compiler, or no headers of Python",
)
