"""`python -m batch`: the commands."""

from batch.cli import main

if __name__ == "__main__":
    main()
