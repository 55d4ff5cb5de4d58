"""Pipeline C on the device against its dense and separable forms, kornia, torchvision, and OpenCV on the CPU."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.gpu.part import read_options, seconds_of
from benchmarks.measure import absent, table
from benchmarks.pipeline_c import (
    dense_blur,
    max_pool,
    separable_blur,
    with_kornia,
    with_opencv,
    with_parts,
    with_torchvision,
)
from ssl_bench.worker.build import prepare_torch
from ssl_bench_plugins.methods.pipeline_c import flaw_target

SIZES = ((128, 8, 21), (321, 16, 21), (512, 8, 3))
NU = 1


def main() -> None:
    """Print microseconds of a call, the memory's bound, and whether the host ever waits for the device."""
    options = read_options(__doc__)
    device = options.device
    prepare_torch(1, device)
    calls, rounds = (1, 1) if options.quick else (20, 15)
    bandwidth = copied_per_second(device, 2**22 if options.quick else 2**28)
    peers: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
        "dense": with_parts(dense_blur, max_pool),
        "separable": with_parts(separable_blur, max_pool),
    }
    for name, module, make in (
        ("kornia", "kornia", with_kornia),
        ("torchvision", "torchvision", with_torchvision),
    ):
        if not absent(module):
            peers[name] = make()
    opencv = None if absent("cv2") else with_opencv()
    rows = []
    for side, batch, channels in SIZES[:1] if options.quick else SIZES:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, channels, side, side)
        here = [torch.rand(shape, generator=generator) for _ in range(2)]
        prediction, target = (tensor.to(device) for tensor in here)
        ours = partial(flaw_target, prediction, target, mu=1.0, nu=NU)
        with torch.no_grad():
            found = [seconds_of(ours, device, calls=calls, rounds=rounds)]
            for pipeline in peers.values():
                call = partial(pipeline, prediction, target, NU)
                found.append(
                    seconds_of(call, device, calls=1 if device.type == "cpu" else 3, rounds=min(rounds, 3))
                )
            if opencv is not None:
                found.append(seconds_of(partial(opencv, *here, NU), torch.device("cpu"), calls=1, rounds=1))
            waits = "-" if device.type != "cuda" else waiting(ours)
        # Both inputs are read once, and one channel is written.
        bound = 4 * batch * side * side * (2 * channels + 1) / bandwidth
        figures = [1e6 * seconds for seconds in (*found, bound)]
        rows.append([f"{side}, {batch}, {channels}", *(f"{figure:.0f}" for figure in figures), waits])
    head = ["side, batch, channels", "ours, us", *(f"{name}, us" for name in peers)]
    head += [*(["OpenCV on the CPU, us"] if opencv else []), "bound by memory, us", "does the host wait"]
    print(table(head, rows))
    print(
        f"Bound: both inputs read and the map written once, at the {bandwidth / 1e9:.0f} GB/s of a copy in this run."
    )


def copied_per_second(device: torch.device, count: int) -> float:
    """Bytes that a copy reads and writes in a second."""
    source = torch.ones(count // 4, device=device)
    copy = torch.empty_like(source)
    return 2 * count / seconds_of(lambda: copy.copy_(source), device, calls=5, rounds=5)


def waiting(call: Callable[[], object]) -> str:
    """Whether a call waits for the device, by torch's own debug mode."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        return f"yes: {str(error).splitlines()[0]}"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "no"


if __name__ == "__main__":
    main()
