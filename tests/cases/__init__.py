"""Small inputs that once failed, each an example of a kind, run against the real server by `python -m tests.cases`."""
