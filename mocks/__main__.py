"""`python -m mocks`."""

from mocks.cli import main

if __name__ == "__main__":
    main()
