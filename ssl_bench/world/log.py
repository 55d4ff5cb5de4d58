"""Values that a method shows beside its losses: shares of pixels, confidences, disagreements."""

from collections.abc import Mapping

from torch import Tensor

from ssl_bench.errors import PluginError


class Log:
    """Takes values of one part of a batch; they go into the curves as means over all parts, as losses do.

    `progress.log("kept", share)`, before the yield that it belongs to. Values carry no gradient and stop no run: one
    that is not finite is missing from the curves.
    """

    def __init__(self, alone: bool = True) -> None:
        """`alone`: no trainer takes the values, and they are their own means."""
        self._alone = alone
        self._own: dict[str, Tensor] = {}
        self._means: Mapping[str, Tensor] = {}

    def __call__(self, name: str, value: Tensor) -> None:
        """Show a scalar as `name`, without a slash: a name with one is a loss. PluginError for anything else."""
        if not name or "/" in name or not isinstance(value, Tensor) or value.numel() != 1:
            raise PluginError(f"log('{name}', ...): a value is a scalar tensor, and its name has no slash")
        self._own[name] = value.detach().reshape(())

    def mean(self, name: str) -> Tensor:
        """Of what was logged in this step before the last yield, the mean over all parts of the batch in all processes.

        A method whose losses depend on such a mean logs it and first yields `{}`, by which nobody steps. PluginError
        where there was no such yield.
        """
        if self._alone and name in self._own:
            return self._own[name]
        if name not in self._means:
            raise PluginError(
                f"log.mean('{name}') is known after the next yield; yield {{}} before it is needed"
            )
        return self._means[name]

    def take(self) -> Mapping[str, Tensor]:
        """What was logged since the last time; for the trainer."""
        own, self._own = self._own, {}
        return own

    def tell(self, means: Mapping[str, Tensor]) -> None:
        """The means of what all parts gave; for the trainer."""
        self._means = {**self._means, **means}
