"""What a method teaches by, shown to whoever observes a run; in any other run nobody looks."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_bench.errors import PluginError


class Exposed(NamedTuple):
    """One target of a method, on the CPU, in the frame of the images that the batch holds."""

    name: str
    target: Tensor
    """T(x) that is taught, (B, O, H, W)."""
    keep: Tensor | None
    """Pixels that are taught, (B, 1, H, W) bool; None for all."""
    doubt: Tensor | None
    """What tells poor pixels from good ones, larger where poorer, (B, 1, H, W); None where nothing does."""
    student: nn.Module | None
    """Who is taught, images to logits."""
    labeled: bool
    """Whether it is of the labelled rows."""


class Observe:
    """Takes the targets of a method on the rows of a batch; without an observer it does nothing.

    `progress.observe(target, keep=keep, student=self.student)`, before rows are mixed, so that a pixel of the target
    and the image's own pixel are at one place. It gives nothing back, and what is shown is copied.
    """

    def __init__(self, *, looking: bool = False) -> None:
        """`looking`: whether somebody observes."""
        self._looking = looking
        self._taken: list[Exposed] = []

    def __call__(
        self,
        target: Tensor | Sequence[Tensor],
        *,
        keep: Tensor | None = None,
        doubt: Tensor | None = None,
        student: nn.Module | None = None,
        name: str = "target",
        labeled: bool = False,
    ) -> None:
        """Show T(x) (B, O, H, W) that unlabelled rows are taught by, or that of several views of them, the first of
        which is taught, and whose differences are the doubt where no other is given.

        `keep`: pixels (B, 1, H, W) bool that a gate lets through. `doubt`: (B, 1, H, W), larger where a target is
        thought to be poorer. `student`: who is taught. `name`: of a method's several targets, which. `labeled`: the
        rows are the labelled ones. PluginError for other shapes.
        """
        if not self._looking:
            return
        views = [target] if isinstance(target, Tensor) else list(target)
        first = views[0]
        if doubt is None and len(views) > 1:
            doubt = (views[0] - views[1]).abs().mean(1, keepdim=True)
        plane = (len(first), 1, *first.shape[2:])
        for what, given in (("target", first), ("keep", keep), ("doubt", doubt)):
            shape = first.shape if what == "target" else plane
            # Of a subclass, whoever measures it would run the method's code.
            if given is not None and (type(given) is not Tensor or given.dim() != 4 or given.shape != shape):
                raise PluginError(
                    f"observe('{name}', ...): {what} is to be a plain tensor, (B, O, H, W) for targets and "
                    "(B, 1, H, W) for the rest"
                )
        if any(taken.name == name for taken in self._taken):
            raise PluginError(
                f"observe('{name}', ...): given twice in a step; give each target a name of its own"
            )
        if keep is not None and keep.dtype != torch.bool:
            # As places in an array, 0 and 1 would name its first two pixels.
            raise PluginError(f"observe('{name}', ...): keep is to be bool, not {keep.dtype}")
        copied = (None if each is None else each.detach().cpu().clone() for each in (first, keep, doubt))
        shown, kept, doubted = copied
        assert shown is not None
        self._taken.append(Exposed(name, shown, kept, doubted, student, labeled))

    def take(self) -> list[Exposed]:
        """All that was shown; for the observer."""
        taken, self._taken = self._taken, []
        return taken
