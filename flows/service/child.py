"""A module run as a program that ends with its starter: `python -m … STARTER MODULE ARGUMENTS`."""

import runpy
import signal
import sys

from sortal.storage.processes import Process, end_with

if __name__ == "__main__":
    # The command line awaits signals with these blocked, and what it starts inherits that: no run
    # could be cancelled.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    end_with(Process.parse(sys.argv.pop(1)))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
