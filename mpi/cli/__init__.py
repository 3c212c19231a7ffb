"""The command line: `mpi ...`; it starts the doors."""
