"""`python -m sortal`, and the program `sortal`: the command line."""

from sortal.flows.process.begin import begin
from sortal.flows.process.end import end_quickly


def main() -> None:
    """The command line, with signals seen to before anything that takes time is imported."""
    with end_quickly():
        begin()
        from sortal.flows.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
