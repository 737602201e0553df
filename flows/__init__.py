"""What runs, in what order: a flow is a table of contents, one line a step."""

import os

from sortal.configs import PREFECT_DEFAULTS

for _name, _value in {**PREFECT_DEFAULTS, "DO_NOT_TRACK": "1"}.items():
    os.environ.setdefault(_name, _value)
