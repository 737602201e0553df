"""What goes to a worker and back: a path of the workspace arrives as that of the workspace there.

Large arrays are not copied: they lie beside what is pickled, as Ray would have them.
"""

import io
import pickle
from pathlib import Path, PurePath
from typing import Any, NamedTuple


class Packed(NamedTuple):
    """A thing on its way, with its large buffers beside it."""

    data: bytes
    buffers: list[pickle.PickleBuffer]

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        """Buffers as pickle knows them: Ray's client server gets Ray's own, and sends them on."""
        return Packed, (self.data, [pickle.PickleBuffer(each) for each in self.buffers])


def pack(thing: Any, root: Path) -> Packed:
    """`thing`, with what lies in the workspace at `root` named from there on."""
    from ray import cloudpickle  # takes functions that are defined in a script, too

    class Packer(cloudpickle.CloudPickler):  # type: ignore[misc]
        def persistent_id(self, each: Any) -> str | None:
            inside = isinstance(each, PurePath) and each.is_relative_to(root)
            return each.relative_to(root).as_posix() if inside else None

    file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    Packer(file, protocol=5, buffer_callback=buffers.append).dump(thing)
    return Packed(file.getvalue(), buffers)


def unpack(packed: Packed, root: Path) -> Any:
    """The thing, for which the workspace is at `root`."""

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, name: Any) -> Path:
            return root / str(name)

    return Unpacker(io.BytesIO(packed.data), buffers=packed.buffers).load()
