"""Memory that one picture may take, however small its file is."""

import subprocess
import sys

SIDE = 1400
BYTES = 40
"""Of memory for a pixel, at the most, whatever a picture is read as; `docs/reliability.md` states it."""

SCRIPT = f"""
import io, re
from pathlib import Path
from PIL import Image
from ssl_bench.data import pictures
from ssl_bench.errors import DataError
from ssl_bench.pixels.rasters import read_raster

def peak():
    return int(re.search("VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

readers = [read_raster] + [getattr(pictures, f"read_{{name}}") for name in ("indices", "alpha", "unknown", "picture")]
for side in (16, {SIDE}):
    for mode in ("L", "P", "RGB", "I;16", "RGBA"):
        file = io.BytesIO()
        Image.new(mode, (side, side)).save(file, "PNG")
        data = file.getvalue()
        assert len(data) < 40_000
        for read in readers:
            try:
                read(data, Path("x.png"))
            except DataError:
                pass
    base = base if side > 16 else peak()
print((peak() - base) / {SIDE} ** 2)
"""


def test_a_picture_that_unfolds_takes_a_bounded_memory() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 3 < float(done.stdout) < BYTES
