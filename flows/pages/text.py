"""Names out of a collection, as Markdown that says no more than the name."""

import re

from sortal.tasks.shown import shown

_MARKUP = re.compile(r"[\\`*_\[\]<>&|~]|^[#+-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")


def markdown(text: object) -> str:
    """`text` without what Markdown would read as a table, a link, a list, markup or HTML.

    Prefect's pages read Markdown in descriptions and in the cells of tables, too.
    """
    return _MARKUP.sub(r"\\\g<0>", shown(text))
