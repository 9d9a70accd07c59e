"""The commands of ``polymap``, a file each."""

NAME = "polymap"
