import json
from collections import Counter
from urllib.parse import unquote

from http_server import serving
from sortal.tasks.places.bucket import Bucket
from sortal.tasks.places.rules import Rules

FILES = {"README.md": b"# hi", "train/cat/0.jpg": b"zero", "train/cat/1.jpg": b"one"}


def hub(request):
    """As much of a Hugging Face Hub as reading a dataset needs."""
    path = unquote(request.path.partition("?")[0])
    if "/tree/main" in path:
        below = path.partition("/tree/main")[2].strip("/")
        inside = {n: d for n, d in FILES.items() if n.startswith(f"{below}/" if below else "")}
        depth = below.count("/") + 1 if below else 0
        found = {"/".join(n.split("/")[: depth + 1]): (n, d) for n, d in inside.items()}
        rows = [
            {"type": "file" if n == short else "directory", "path": short, "oid": f"id-{short}",
             "size": len(d) if n == short else 0}
            for short, (n, d) in found.items()
        ]  # fmt: skip
        return request.answer(body=json.dumps(rows).encode(), Content_Type="application/json")
    if "/resolve/main/" in path:
        data = FILES[path.partition("/resolve/main/")[2]]
        start, stop = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        return request.answer(206, data[start : stop + 1], X_Repo_Commit="a" * 40, ETag='"x"')
    info = {"id": "owner/set", "sha": "a" * 40, "siblings": [], "private": False, "tags": []}
    return request.answer(body=json.dumps(info).encode(), Content_Type="application/json")


def test_a_dataset_repository_is_a_place(reading):
    with serving(hub) as server:
        place = Bucket("hf://datasets/owner/set", reading, options={"endpoint": server.url})
        rows = {row["path"]: row for b in place.files(Rules(), Counter()) for row in b.to_pylist()}
        assert list(rows) == list(FILES)
        assert [row["bytes"] for row in rows.values()] == [4, 4, 3]
        assert rows["README.md"]["version"] == "id-README.md"
        server.forget()
        assert [place.open(name).read() for name in FILES] == list(FILES.values())
        assert len(server.requests) == 3
