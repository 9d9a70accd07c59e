"""The sub-commands, one file each: options in, a call of the API, and words for its result."""
