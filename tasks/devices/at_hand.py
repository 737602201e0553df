"""Whether there is a GPU, told without torch where it can be: its import takes two seconds."""

import sys
from pathlib import Path

_DRIVERS = "/dev/nvidiactl", "/dev/kfd", "/dev/dxg"  # of NVIDIA, AMD, and of Windows' Linux


def gpu() -> str | None:
    """torch's name of the GPU that steps compute on, None where there is none."""
    if "torch" not in sys.modules and not any(Path(driver).exists() for driver in _DRIVERS):
        return None
    import torch

    return "cuda" if torch.cuda.is_available() else None
