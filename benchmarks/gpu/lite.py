"""Tier lite with every method, seed after seed, until the time is over; what has finished then is a leaderboard."""

import os
import signal
import subprocess
import sys
import time

from benchmarks.gpu.part import read_options


def main() -> None:
    """Run, stop, write tables and records beside the other results, and print the tables of scores."""
    options = read_options(__doc__)
    device = "cuda:0" if options.device.type == "cuda" else "cpu"
    runs, command = options.out / "runs", [sys.executable, "-m", "ssl_bench"]
    environment = {**os.environ, **({"SSL_BENCH_DATA": str(options.data)} if options.data else {})}
    ends = time.monotonic() + 0.85 * options.seconds
    line = [*command, "run", f"--devices={device}", "--out", str(runs)]
    if options.quick:
        line += [
            "--tier=smoke",
            "--tasks=denoising",
            "--methods=supervised,mt",
            "--set=denoising.iterations=2",
        ]
    else:
        line += ["--tier=lite", "--tasks=all", "--methods=all", "--jobs=8"]
    for seed in range(100):
        if time.monotonic() > ends:
            break
        process = subprocess.Popen([*line, f"--seeds={seed}"], env=environment, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=max(1.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        if options.quick or process.returncode not in (0, 1):
            break
    subprocess.run([*command, "collect", str(runs), "--out", str(options.out / "records")], check=False)
    subprocess.run(
        [*command, "leaderboard", str(runs), "--out", str(options.out / "leaderboards")], check=True
    )


if __name__ == "__main__":
    main()
