"""What people look at, made in the background when a page asks for it: one thing at a time."""

import logging
import threading
import time
from dataclasses import dataclass, field

from sortal.configs.looks import Look
from sortal.flows.operations.find import Shelf
from sortal.tasks.progress import told_to

log = logging.getLogger("sortal")


@dataclass
class Job:
    """A look that is being made, or could not be."""

    line: str = "waiting"
    error: str | None = None
    ended: bool = False
    started: float = field(default_factory=time.monotonic)
    thread: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """Since it was asked for."""
        return time.monotonic() - self.started

    def tell(self, line: str) -> None:
        """How far it is."""
        self.line = line


@dataclass
class Making:
    """The jobs of a server, by run and look."""

    _jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def start(self, shelf: Shelf, look: Look) -> None:
        """Begin to make a look of a run, unless that goes on already."""
        place = (shelf.stored.run_id, look)
        with self._lock:
            known = self._jobs.get(place)
            if known and not known.ended:
                return
            job = self._jobs[place] = Job()
        job.thread = threading.Thread(target=self._make, args=(shelf, look, job), daemon=True)
        job.thread.start()

    def job(self, run_id: str, look: str) -> Job | None:
        """The last job for a look of a run."""
        return self._jobs.get((run_id, look))

    def _make(self, shelf: Shelf, look: Look, job: Job) -> None:
        try:
            with self._turn, told_to(job.tell):
                job.line = "starting"
                shelf.ensure(look)
        except Exception as error:  # whatever it is, the page says it, and the server goes on
            log.warning("%s of run %s: %s", look, shelf.stored.run_id, error)
            job.error = " ".join(str(error).split()) or type(error).__name__
        finally:
            job.ended = True
