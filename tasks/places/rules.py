"""Which files are left out: what is hidden, in a bin, or a thumbnail; and what a user says.

`docs/inputs.md` lists the folders. A file that is left out is always counted.
"""

import re
from dataclasses import dataclass, field
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
    # The globs that have decided about a file so far, as (exclude or include, its number).
    used: set[tuple[str, int]] = field(default_factory=set, compare=False, repr=False)

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
        return self._match("exclude", path) if self.exclude else False

    def _included(self, path: str) -> bool:
        return self._match("include", path) if self.include else False

    def _match(self, kind: str, path: str) -> bool:
        found = self._patterns[kind].fullmatch(path)
        if found and found.lastindex:
            self.used.add((kind, found.lastindex - 1))
        return bool(found)

    def idle(self) -> list[tuple[str, str]]:
        """The user's globs, as (exclude or include, glob), that have decided about no file."""
        globs = {"exclude": self.exclude, "include": self.include}
        return [
            (kind, glob)
            for kind, of_it in globs.items()
            for number, glob in enumerate(of_it)
            if (kind, number) not in self.used
        ]

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {"exclude": _one_of(self.exclude), "include": _one_of(self.include)}


def of_folder(name: str) -> str | None:
    """Why a folder of this name is left out with all that is in it; None: it is not."""
    if name.startswith(".") and name not in (".", ".."):
        return HIDDEN
    lower = name.lower()
    return f"in {name}" if lower in FOLDERS or lower.endswith(_LIBRARIES) else None


def _one_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern with a group for each glob, and no other."""
    return re.compile("|".join(f"({_regex(glob)})" for glob in globs), re.IGNORECASE | re.DOTALL)


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
