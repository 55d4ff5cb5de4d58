"""`python -m ssl_bench` is `ssl-bench`."""

import sys

if __name__ == "__main__":
    # Python has put the working folder first, in which a user's `signal.py` is no module of ours.
    if not sys.flags.safe_path:
        del sys.path[0]
    from ssl_bench.cli import main

    main()
