"""Instructions, programs, and their files."""
