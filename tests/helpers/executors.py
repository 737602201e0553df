"""Executors that are no cluster, for what must not depend on which one a run has."""

import pickle
from contextlib import contextmanager
from itertools import pairwise

from sortal.tasks.executor.base import ALIGNED, Decoders, Part
from sortal.tasks.executor.local import LocalExecutor


class InParts(LocalExecutor):
    """This machine as two workers would do it: work and shards arrive pickled, one by one.

    Rows are in parts of 1,024, and each call finds what it holds made anew.
    """

    n_workers = 2
    mapped = 0  # shards so far

    def decoders(self, processes):
        return Decoders(threads=1)

    def map(self, work, shards, how):
        for shard in shards:
            self.mapped += 1
            function, given = pickle.loads(pickle.dumps((work, shard)))
            yield function(given)

    def parts(self, rows):
        edges = [*range(0, rows.shape[0], ALIGNED), rows.shape[0]]
        return [Part(rows, *edge) for edge in pairwise(edges)]

    @contextmanager
    def hold(self, make, parts):
        yield MadeAnew(make, parts)


class MadeAnew:
    def __init__(self, make, parts):
        self.make, self.parts = make, parts

    def reduce(self, function, *arguments):
        return [function(self.make(part), *arguments) for part in self.parts]
