"""What labels are found in, and what is found: Arrow arrays in the order of a listing's rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# path, offset, bytes of a listed file -> its bytes; raises ImageError. It is `Source.read`.
Read = Callable[[str, int | None, int | None], bytes]


class Inputs(NamedTuple):
    """A listed source, as far as labels need it.

    `images` has the columns path, offset (null for loose files), label (what its container says
    of it, such as a column of its Parquet file) and error_code. `texts` has path, offset and
    bytes of every other file of which `is_text` holds: of what tells about images. `column` is
    the label column that the user names.
    """

    images: pa.Table
    texts: pa.Table
    read: Read
    column: str | None = None


class Labels(NamedTuple):
    """One label and split a row of the listing, and then a path of `missing`; null for none.

    Where labels are names of folders, `group` numbers the rows of which all images must lie in
    one, shape (n_rows,); else it is None. `missing` are paths that tables name and nobody
    listed. `warnings` say in a line each what could not be used, and why.
    """

    label: pa.Array  # string
    split: pa.Array  # string: train, val, test, ... as the source calls it, in lower case
    group: NDArray[np.int64] | None
    missing: list[str]
    warnings: list[str]
