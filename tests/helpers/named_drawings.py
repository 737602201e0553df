"""Drawn pictures of three kinds, sorted by a flow whose names an endpoint writes.

To the packaged encoder discs look like plates and ping-pong balls, squares like screens, bars like
envelopes and monitors.
"""

from fastapi.testclient import TestClient

from chat_server import ChatServer
from drawn import draw
from sortal.configs.load import make_config
from sortal.flows.browse.app import make_app
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.safety import Guard
from sortal.flows.operations.verify import verify
from sortal.flows.recluster import recluster
from sortal.storage.lake.lake import Lake
from sortal.storage.workspace import Workspace

KEY = "sk-very-secret-0123456789"
KINDS = {"makeup": "square", "plate": "disc", "wall clock": "bar"}  # by a term of each
RIGHT = {"square": "screen", "disc": "ping-pong ball", "bar": "envelope"}
QUICK = ("backoff=0.001", "retries=1", "timeout=5")


def kind_of(words):
    """The kind of the cluster that a question is about."""
    return next(kind for term, kind in KINDS.items() if f" {term}" in words)


def saying(answers):
    return lambda words: answers[kind_of(words)]


class Drawings:
    """A folder of drawn pictures, sorted by kind; a server answers `say` of each question."""

    def __init__(self, root, monkeypatch):
        self.folder, self.workspace = root / "in", Workspace(root / "w")
        self._setenv = monkeypatch.setenv
        draw(self.folder, 0, 14)

    def config(self, *settings, writer="openai:tiny"):
        values = {"source": str(self.folder), "n_clusters": 3, "method": "kmeans", "report": False}
        values |= {"workspace": self.workspace.root, "captions": {"source": "none"}}
        quick = [f"naming.openai.{setting}" for setting in QUICK]
        return make_config(values, [f"naming.writer={writer}", *quick, *settings])

    def run(self, say=None, *settings, **options):
        """A run, and the requests that it made."""
        with ChatServer(say, of_words=True) as server:
            self._setenv("OPENAI_BASE_URL", server.url)
            if say is None:
                server.shutdown()
                server.server_close()
            result = recluster.fn(self.config(*settings, **options))
        return result, server

    def rows(self, query, **values):
        with Lake(self.workspace, read_only=True) as lake:
            return lake.execute(query, values).fetchall()

    def names(self, result):
        """The name of each kind of pictures, and who wrote it."""
        query = """
            SELECT split_part(typical, '-', 1), name, written_by FROM cluster_cards
            WHERE run_id = $run"""
        return {kind: (name, by) for kind, name, by in self.rows(query, run=result.run_id)}

    def browsed(self, address):
        """A page of `sortal browse`."""
        library = Library(self.workspace)
        app = make_app(library, Guard(frozenset({"127.0.0.1"})))
        with TestClient(app, base_url="http://127.0.0.1:4280") as client:
            page = client.get(address)
        library.close()
        assert page.status_code == 200
        return page.text

    def damage(self):
        """What `sortal verify` finds."""
        problems = []
        verify(self.workspace.root, False, problems.append)
        return problems

    def written(self, result):
        """What was written of each kind: answer, name, whether it was kept, why it was refused."""
        query = """
            SELECT split_part(typical, '-', 1), answer, own.name, kept, refused, error
            FROM written_names AS own JOIN cluster_cards AS card USING (run_id, cluster)
            WHERE run_id = $run"""
        return {row[0]: row[1:] for row in self.rows(query, run=result.run_id)}
