"""The C++ harness, and the jobs that it runs."""
