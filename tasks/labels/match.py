"""Names that people write in tables, matched to the listed paths: exactly, then ever more freely.

All in Arrow: a million names cost a few hash joins and no Python objects.
"""

from collections.abc import Callable
from functools import cached_property, partial
from posixpath import normpath
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sortal.tasks.labels.formats.values import composed

Rows = NDArray[np.int64]
_EXTENSION = r"\.[a-z0-9]{1,5}$"
Key = Callable[[pa.Array], pa.Array]
_DEEPEST = 12  # leading folders that are dropped from a name, one by one


class Paths:
    """The images' paths, found by the names that tables give them."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        self.exact = _whole(paths)
        self._bases: dict[tuple[str, bool], pa.Array] = {}

    @cached_property
    def loose(self) -> pa.Array:
        """As `loosened`; as all that follow, null where two images would be the same."""
        return _unique(loosened(self.exact))

    @cached_property
    def stems(self) -> pa.Array:
        """`loose` without extensions."""
        return _unique(without_extension(loosened(self.exact)))

    @cached_property
    def folders(self) -> pa.Array:
        """The distinct folders of the images, as `loosened`."""
        return pc.unique(pc.replace_substring_regex(loosened(self.exact), r"/?[^/]*$", ""))

    def below(self, folder: str) -> tuple["Paths", Rows]:
        """The images below a folder, and their rows."""
        rows = np.flatnonzero(pc.starts_with(self.exact, folder).to_numpy(zero_copy_only=False))
        return Paths(self.exact.take(pa.array(rows))), rows

    def bases(self, folder: str, stem: bool) -> pa.Array:
        """The base names of images below a folder, without extensions with `stem`."""
        known = self._bases.get((folder, stem))
        if known is None:
            known = self._bases[folder, stem] = self._bases_of(folder, stem)
        return known

    def _bases_of(self, folder: str, stem: bool) -> pa.Array:
        names = (_base_stem if stem else _base)(self.exact)
        if folder:
            below = pc.starts_with(self.exact, folder)
            names = pc.if_else(below, names, pa.scalar(None, names.type))
        return _unique(names)

    @cached_property
    def all_bases(self) -> pa.Array:
        """The base names of all images, as `loosened`."""
        return _base(self.exact)

    def count(self, names: list[str]) -> int:
        """How many of the texts end as a path of an image does."""
        keys = pa.array(names, pa.string())
        known = [pc.is_in(key(keys), value_set=self.all_bases) for key in (_base, _base_unquoted)]
        return int(pc.sum(pc.or_(*known)).as_py() or 0)

    def find(self, names: pa.Array, folder: str) -> Rows:
        """The row of each name of a table in `folder` ("" or "a/b/"), -1 where there is none.

        A name is relative to the folder of the table, or to one above it. Exact names come
        first; what one of them means, no freer reading is given. Shape (len(names),).
        """
        search = _Search(self, names)
        roots = _roots(folder)
        if folder:  # most tables name what lies beside them: few paths, whatever the listing holds
            near, rows = self.below(folder)
            search.rows = near._relative(names, [folder]).rows
            search.rows = np.where(search.rows < 0, -1, np.append(rows, -1)[search.rows])
            if (search.rows >= 0).all():
                return search.rows
            self._bases.clear()
        self._look(search, roots)
        search.drop_folders(folder)
        search.by_base(folder)
        return search.rows

    def _relative(self, names: pa.Array, roots: list[str]) -> "_Search":
        search = _Search(self, names)
        self._look(search, roots)
        return search

    def _look(self, search: "_Search", roots: list[str]) -> None:
        """Find names that are relative to a folder: exactly, loosely, without extensions."""
        for root in roots:
            search.look(partial(_under, root, step=_tidy), partial(getattr, self, "exact"))
        for step in (loosened, _unquoted):
            for root in roots:
                search.look(
                    partial(_under, _loose(root), step=step), partial(getattr, self, "loose")
                )
        for root in roots:
            search.look(partial(_under, _loose(root)), partial(getattr, self, "stems"))


class _Search:
    """The names that are not found yet, and what the others mean."""

    def __init__(self, paths: Paths, names: pa.Array) -> None:
        self.paths, self.names = paths, names
        self.rows: Rows = np.full(len(names), -1, dtype=np.int64)

    def look(self, key: Key, among: Callable[[], pa.Array], only: Key | None = None) -> None:
        """Find names whose key is among the paths' keys.

        With `only`, those of which it holds, and no image that another name means better.
        """
        left = np.flatnonzero(self.rows < 0)
        names = self.names.take(pa.array(left))
        if only is not None and len(left):
            chosen = np.flatnonzero(pc.fill_null(only(names), False).to_numpy(zero_copy_only=False))
            left, names = left[chosen], names.take(pa.array(chosen))
        if names.null_count == len(names):
            return
        found = pc.fill_null(pc.index_in(key(names), value_set=among(), skip_nulls=True), -1)
        rows = found.to_numpy(zero_copy_only=False).astype(np.int64)
        if only is not None:
            rows[np.isin(rows, self.rows[self.rows >= 0])] = -1
        self.rows[left] = rows

    def drop_folders(self, folder: str) -> None:
        """Names that begin with folders above the source: absolute paths, copies elsewhere."""
        for times in range(1, _DEEPEST):
            key = partial(_under, _loose(folder), step=partial(_shortened, times=times))
            deep = partial(_is_deeper, times=times)
            self.look(key, lambda: self.paths.loose, deep)
            self.look(key, lambda: self.paths.stems, deep)

    def by_base(self, folder: str) -> None:
        """Names by their last part, unless their folder is listed and simply lacks them."""

        def free(names: pa.Array) -> pa.Array:
            parents = pc.replace_substring_regex(loosened(names), r"/?[^/]*$", "")
            known = pc.is_in(_under(_loose(folder), parents, _same), value_set=self.paths.folders)
            return pc.or_(pc.equal(parents, ""), pc.invert(known))

        for root in dict.fromkeys((folder, "")):
            for step, stem in (
                (_base, False),
                (_base_stem, True),
                (_base_unquoted, False),
                (_base, True),
            ):
                self.look(step, partial(self.paths.bases, root, stem), free)


def loosened(names: pa.Array) -> pa.Array:
    """Names in NFC and lower case, with slashes, without blanks around and `./` before them."""
    names = pc.utf8_trim_whitespace(names)
    names = pc.replace_substring(pc.utf8_lower(composed(names)), "\\", "/")
    if any(pc.any(pc.match_substring(names, odd)).as_py() for odd in (" /", "/ ", "//", "./")):
        names = pc.replace_substring_regex(names, r"\s*/[\s/]*(?:\./+)*", "/")
        names = pc.replace_substring_regex(names, r"^\./", "")
    return pc.if_else(pc.starts_with(names, "/"), pc.utf8_ltrim(names, "/"), names)


def without_extension(names: pa.Array) -> pa.Array:
    """Names without what looks like a file's extension."""
    return pc.replace_substring_regex(names, _EXTENSION, "")


def inside(folder: str, name: str) -> str | None:
    """The path in the source that a table in `folder` names; None where it leads out of it."""
    name = name.strip().replace("\\", "/") if "/" not in name else name.strip()
    path = normpath(folder + name)
    out = name.startswith("/") or "\0" in name or "://" in name or name[1:3] in (":/", ":\\")
    return (
        None if not name or out or path == "." or path.startswith("../") or path == ".." else path
    )


def _tidy(names: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(names, r"^(?:\./+)+", "")


def _under(folder: str, names: pa.Array, step: Key | None = None) -> pa.Array:
    """The paths of names in a folder; `step` is what is done to the names, `loosened` if none."""
    names = (step or loosened)(names)
    joined = pc.binary_join_element_wise(pa.scalar(folder), names, "") if folder else names
    if not pc.any(pc.match_substring(joined, "../")).as_py():
        return joined
    return pa.array([n and normpath(n) for n in joined.to_pylist()], pa.string())


def _same(names: pa.Array) -> pa.Array:
    return names


def _roots(folder: str) -> list[str]:
    """The folder, and those above it up to the source's root, each with its slash."""
    parts = folder.strip("/").split("/") if folder else []
    return ["/".join(parts[:n]) + "/" if n else "" for n in range(len(parts), -1, -1)]


def _loose(folder: str) -> str:
    loose = loosened(pa.array([folder]))[0].as_py()
    return str(loose)


def _unquoted(names: pa.Array) -> pa.Array:
    """Names, loosened, with `%20` and the like decoded, without what follows a URL's `?`."""
    texts = [n and unquote(n.partition("?")[0] if "://" in n else n) for n in names.to_pylist()]
    return loosened(pa.array(texts, pa.string()))


def _base(names: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(loosened(names), r"^.*/", "")


def _base_stem(names: pa.Array) -> pa.Array:
    return without_extension(_base(names))


def _base_unquoted(names: pa.Array) -> pa.Array:
    return _base(_unquoted(names))


def _shortened(names: pa.Array, times: int) -> pa.Array:
    return pc.replace_substring_regex(loosened(names), rf"^(?:[^/]*/){{{times}}}", "")


def _is_deeper(names: pa.Array, times: int) -> pa.Array:
    return pc.greater_equal(pc.count_substring(loosened(names), "/"), times)


def _whole(paths: pa.ChunkedArray | pa.Array) -> pa.Array:
    return paths.combine_chunks() if isinstance(paths, pa.ChunkedArray) else paths


def _unique(keys: pa.Array) -> pa.Array:
    """Keys, null where several rows have the same."""
    codes = keys.dictionary_encode()
    numbers = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(codes.dictionary))
    once = np.zeros(len(keys), dtype=bool)
    once[numbers >= 0] = counts[numbers[numbers >= 0]] == 1
    return pc.if_else(pa.array(once), keys, pa.scalar(None, keys.type))
