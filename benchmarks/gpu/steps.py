"""A training step of every method on the papers' networks, with each switch: `benchmarks train` within a time."""

import argparse

from benchmarks import train
from benchmarks.gpu.part import read_options


def main() -> None:
    """Print its table."""
    options = read_options(__doc__)
    train.SECONDS, train.ROUNDS = (0.0, 1) if options.quick else (0.8, 4)
    parser = argparse.ArgumentParser()
    train.add_options(parser)
    line = ["--device", str(options.device), "--seconds", f"{0.8 * options.seconds:.0f}"]
    if options.quick:
        line += ["--networks", "unet-small", "--methods", "supervised,mt", "--side", "16", "--rows", "4"]
    print(train.run(parser.parse_args(line)))


if __name__ == "__main__":
    main()
