"""`python -m mpi.cli.demo [--once]`: the demonstration."""

from mpi.cli.demo.run import main

if __name__ == "__main__":
    main()
