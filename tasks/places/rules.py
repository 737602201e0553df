"""Which files are left out: what is hidden, in a bin, or a thumbnail; and what a user says.

`docs/inputs.md` lists the folders. A file that is left out is always counted.
"""

import re
from dataclasses import dataclass
from functools import cached_property

# Names of folders in lower case. Hidden ones (.Trash-1000, .thumbnails, .git) need no line here.
FOLDERS = frozenset({
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@sharebin", "@tmp",
    "@__thumb", "$recycle.bin", "recycler", "recycled", "system volume information",
    "found.000", "lost+found", "lost.dir", "__macosx", "thumbnails", "thumbs", "_thumbs",
    "_thumbnails", "ipod photo cache", "node_modules", "__pycache__", "_temporary",
})  # fmt: skip
_LIBRARIES = (".lrdata",)  # a photo program's previews
HIDDEN, EXCLUDED = "hidden", "excluded"


@dataclass(frozen=True)
class Rules:
    """What is left out by default, and by a user's globs; a match of `include` is never left out.

    A glob without a slash is compared with every part of a path (`*.png`, `drafts`), one with a
    slash with the whole path from the source on (`2019/*/raw`); `**` crosses folders, case does
    not count, and what lies in a folder that matches does too.
    """

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    def reason(self, path: str) -> str | None:
        """Why a file is left out, by its path from the source on; None: it is not."""
        folders = path.split("/")
        name = folders.pop()
        within = next(filter(None, map(of_folder, folders)), None)
        return self.of_file(path, name, within)

    def of_file(self, path: str, name: str, within: str | None) -> str | None:
        """The same, where `within` says why its folder is left out, if it is."""
        reason = within or (HIDDEN if name.startswith(".") else None)
        if self.has_globs:
            reason = reason or (EXCLUDED if self._excluded(path) else None)
            return None if reason and self._included(path) else reason
        return reason

    @property
    def has_globs(self) -> bool:
        """Whether paths have to be compared with a user's globs."""
        return bool(self.exclude or self.include)

    def _excluded(self, path: str) -> bool:
        return bool(self._patterns[0].fullmatch(path)) if self.exclude else False

    def _included(self, path: str) -> bool:
        return bool(self._patterns[1].fullmatch(path)) if self.include else False

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return _one_of(self.exclude), _one_of(self.include)


def of_folder(name: str) -> str | None:
    """Why a folder of this name is left out with all that is in it; None: it is not."""
    if name.startswith(".") and name not in (".", ".."):
        return HIDDEN
    lower = name.lower()
    return f"in {name}" if lower in FOLDERS or lower.endswith(_LIBRARIES) else None


def _one_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_regex(glob)})" for glob in globs), re.IGNORECASE | re.DOTALL)


def _regex(glob: str) -> str:
    glob = glob.removeprefix("./").rstrip("/")
    start = "" if "/" in glob else r"(?:.*/)?"
    return start + _translate(glob.lstrip("/")) + r"(?:/.*)?"


def _translate(glob: str) -> str:
    out, i = "", 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out, i = out + r"(?:.*/)?", i + 3
        elif glob.startswith("**", i):
            out, i = out + r".*", i + 2
        else:
            closing = glob.find("]", i + 2) if glob[i] == "[" else -1
            end = closing + 1 if closing > 0 else i + 1
            out, i = out + _part(glob[i:end]), end
    return out


def _part(part: str) -> str:
    if len(part) > 1:  # [abc], [!abc]
        inside = part[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[{'^' + inside[1:] if inside[0] in '!^' else inside}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
