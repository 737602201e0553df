"""The configuration: one schema with commented defaults, and a preset a method.

Here are the defaults that the command line shows before anything heavy is imported.
"""

from pathlib import Path
from typing import Literal

METHOD = "cae"  # a preset's name
WORKSPACE = Path("sortal-workspace")
ENCODER = "conse"
SEEDS = 5  # of each method of a benchmark
PROTOCOL: Literal["whole", "split"] = "whole"
JOBS = 0  # worker processes of a benchmark; 0: one a core
