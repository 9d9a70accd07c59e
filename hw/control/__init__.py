"""What runs a program: fetch, checks, tokens, and the supervisor of a run."""
