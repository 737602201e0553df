"""`python -m sortal`, and the program `sortal`: the command line."""

from sortal.flows.process.begin import begin


def main() -> None:
    """The command line, with signals seen to before anything that takes time is imported."""
    begin()
    from sortal.flows.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
