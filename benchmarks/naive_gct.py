"""GCT as it would be without any reuse, to compare with."""

from collections.abc import Iterator

import torch

from benchmarks.pipeline_c import dense_blur, max_pool, with_parts
from ssl_bench.method import Batch, Losses, Progress
from ssl_bench.task import masked_mean
from ssl_bench_plugins.methods.flaw_maps import both_flawed, exchange, readable
from ssl_bench_plugins.methods.gct import GCT


class NaiveGCT(GCT):
    """GCT without any reuse: targets, networks and F each with passes of their own (six of F, where published code
    does with four), C with dense convolutions and for unlabelled rows too. Its gradients are those of GCT."""

    def losses(self, batch: Batch, progress: Progress) -> Iterator[Losses]:
        """Targets and masks without gradient; each network; F."""
        config, images, rows = self.config, batch.images, slice(batch.labeled, None)
        valid = torch.cat([batch.targets.valid, batch.unlabeled_valid])
        labels = self.task.encode(batch.targets).value
        labels = torch.cat([labels, labels.new_zeros(len(images) - batch.labeled, *labels.shape[1:])])
        networks = {"first": self.first, "second": self.second}
        with torch.no_grad():
            predictions = [self.task.activate(network(images)) for network in networks.values()]
            seen = [network.normalize(images) for network in networks.values()]
            pairs = list(zip(predictions, seen, strict=True))
            first, second = (readable(self.detector(prediction, view), valid) for prediction, view in pairs)
            targets = exchange((predictions[0], predictions[1]), (first, second), config.xi)
            mask = both_flawed((first, second), config.xi)
        for (name, network), target, view in zip(networks.items(), targets, seen, strict=True):
            logits = network(images)
            prediction = self.task.activate(logits)
            flaws = self.detector(prediction, view)
            error = torch.zeros_like(prediction)
            error[rows] = (prediction - target)[rows].square()
            yield {
                name: {
                    "task": self.task.loss(logits[: batch.labeled], batch.targets),
                    "consistency": self.lambda_dc * masked_mean(error, valid),
                    "correction": config.lambda_fc * masked_mean((mask * flaws.square())[rows], valid[rows]),
                }
            }
        errors = []
        for prediction, view in pairs:
            truth = with_parts(dense_blur, max_pool)(prediction, labels, config.nu)
            errors.append((self.detector(prediction, view) - truth)[: batch.labeled].square().mean())
        yield {"detector": {"flaw": torch.stack(errors).mean()}}
