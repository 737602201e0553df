"""Which column of a table is what, by its name: of paths, of labels, of splits."""

import re
import unicodedata
from collections.abc import Sequence

PATHS = (
    "file_name", "filename", "file", "file_path", "filepath", "path", "image", "image_path",
    "image_name", "image_file", "image_filename", "img", "img_path", "img_name", "image_id",
    "img_id", "relative_path", "rel_path", "fname", "photo", "picture", "name", "id",
    "key", "uid", "url",
)  # fmt: skip
NAMED_LABELS = (
    "label", "labels", "label_name", "class", "classes", "class_name", "classname", "category",
    "categories", "category_name", "target", "targets", "species", "breed", "fine_label",
    "fine_label_name", "label_text", "category_label", "class_label", "ground_truth", "cls",
    "coarse_label", "label_id", "class_id", "category_id",
    "label_idx", "class_idx", "class_index", "target_id",
)  # fmt: skip
# In tables alone: beside or around an image they say something else as a rule.
LABELS = (*NAMED_LABELS, "gt", "y", "tag", "tags", "kind", "type")
TEXTS = (
    "caption", "captions", "text", "title", "description", "alt", "prompt", "url", "source",
    "license", "author", "user", "date", "time", "comment", "notes",
)  # fmt: skip
SPLITS = ("split", "subset", "partition", "fold", "set")
_SPLIT = r"train|training|trn|val|valid|validation|dev|test|testing|tst|eval|evaluation|holdout"
_FOLDER = re.compile(
    rf"(?P<split>{_SPLIT})(?:[-_. ]?(?:set|data|images?|imgs?|split|\d{{1,4}}))?", re.IGNORECASE
)
_SHARD = re.compile(
    rf"(?:.*[-_. ])?(?P<split>{_SPLIT})(?:[-_. ]?(?:set|data|images?|imgs?|split))?"
    r"(?:[-_.]?\d+(?:[-_.]of[-_.]\d+)?)*",
    re.IGNORECASE,
)


def folded(name: str) -> str:
    """A column's name as it is compared: `File Name`, `fileName` and `#file-name` are file_name."""
    text = unicodedata.normalize("NFKC", name).strip().strip("#\"'\ufeff").strip()
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    return re.sub(r"[-\s.]+", "_", text.lower())


def column_for(names: Sequence[str], meanings: Sequence[str]) -> int | None:
    """The column whose name comes first among the meanings; None where no name is one."""
    plain = [folded(name) for name in names]
    squeezed = [name.replace("_", "") for name in plain]
    for meaning in meanings:
        for known, wanted in ((plain, meaning), (squeezed, meaning.replace("_", ""))):
            if wanted in known:
                return known.index(wanted)
    return None


def column_called(names: Sequence[str], name: str) -> int | None:
    """The column of this very name, else of one that differs in case or blanks; or None."""
    if name in names:
        return list(names).index(name)
    plain = [folded(each) for each in names]
    return plain.index(folded(name)) if folded(name) in plain else None


def count_known(names: Sequence[str]) -> int:
    """How many of the names say path, label or split."""
    meanings = {name.replace("_", "") for name in (*PATHS, *LABELS, *SPLITS)}
    return sum(1 for name in names if folded(name).replace("_", "") in meanings)


def split_of_folder(name: str) -> str | None:
    """The split that a folder's name means (`Train`, `val2017`, `test_set`), in lower case."""
    found = _FOLDER.fullmatch(name.strip())
    return found["split"].lower() if found else None


def split_of_file(name: str) -> str | None:
    """The split that a file's name ends with (`train-00000-of-00001.parquet`, `x-test-3.tar`)."""
    base = name.rpartition("/")[2]
    found = _SHARD.fullmatch(base.partition(".")[0]) or _SHARD.fullmatch(base.rpartition(".")[0])
    return found["split"].lower() if found else None
