"""Archives that are written in memory, for the tests."""

import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

Members = list[tuple[str, bytes]]


def tar_of(
    members: Members, mode: str = "w", links: tuple[tuple[str, bytes, str], ...] = ()
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return out.getvalue()


def zip_of(members: Members, method: int = zipfile.ZIP_DEFLATED, stream: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(Unseekable(out) if stream else out, "w", method) as archive:  # type: ignore[arg-type]
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


class Unseekable(io.RawIOBase):
    """A pipe: what is written to it has its sizes behind the data."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._out.write(data)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def parquet_of(members: Members) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [data for _, data in members]}), out, row_group_size=2)
    return out.getvalue()
