"""One file that holds a home: what is taken, its format and checks, which ones are kept, and how one is put back in place."""
