"""The command line: a module for each command or small family, which parses and calls a function.

Each function of a command is imported when its command runs, so that `--help` starts at once.
"""
