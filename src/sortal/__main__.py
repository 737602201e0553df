"""`python -m sortal` is the command line."""

from sortal.flows.cli.app import main

if __name__ == "__main__":
    main()
