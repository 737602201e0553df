"""Label tables in Parquet and Arrow: values of any type, a struct's `path` as a name."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sortal.tasks.labels.formats.table import SAMPLE, Table
from sortal.tasks.labels.formats.values import class_names, text_array


def open_columnar(data: bytes) -> Table:
    """The table of a file's bytes; raises ValueError or OSError where it is damaged."""
    if data.startswith(b"PAR1"):
        file = pq.ParquetFile(pa.BufferReader(data))
        return _table(file.schema_arrow, next(file.iter_batches(SAMPLE), None), file.read)
    is_file = data.startswith(b"ARROW1")
    whole = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(data).read_all()
    whole.validate(full=True)  # what lies would end the process
    first = next(iter(whole.slice(0, SAMPLE).combine_chunks().to_batches()), None)
    return _table(whole.schema, first, whole.select)


def _table(
    schema: pa.Schema, first: pa.RecordBatch | None, select: Callable[[list[str]], pa.Table]
) -> Table:
    def texts(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
        values = batch.column(name)
        if pa.types.is_struct(values.type) and values.type.get_field_index("path") >= 0:
            values = pc.struct_field(values, "path")
        return text_array(values, class_names(schema, name))

    def read(columns: list[int]) -> list[pa.Array]:
        names = [schema.names[n] for n in columns]
        table = select(names)
        return [texts(table, name) for name in names]

    columns = [texts(first, name).to_pylist() for name in schema.names] if first else []
    sample = [[value or "" for value in row] for row in zip(*columns, strict=True)]
    return Table(list(schema.names), sample, read)
