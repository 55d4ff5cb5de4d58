"""Settings of tier `lite` that a search found: four trials of each method on each task, on labelled images of a split
that no table reports (`leaderboards/search/lite.toml` and the records beside it). Torch-free.

0 was among the values of every weight of what is not supervised, and where it won, a method adds nothing there in so
short a run. SupOnly tried four learning rates and kept the recipe's on all four tasks.
"""

from collections.abc import Mapping
from typing import Any

from ssl_bench import Found, Tier

TRIALS = 4
LITE: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "mt": {
        "segmentation": {"lambda_mt": 0.0},
        "denoising": {"lambda_mt": 1.0},
        "matting": {"lambda_mt": 0.0},
        "night": {"lambda_mt": 0.1},
    },
    "s4l": {
        "segmentation": {"lambda_s4l": 1.0},
        "denoising": {"lambda_s4l": 0.0},
        "matting": {"lambda_s4l": 0.0},
        "night": {"lambda_s4l": 0.1},
    },
    "advssl": {
        "segmentation": {"lambda_adv_l": 0.01, "lambda_adv_u": 0.01},
        "denoising": {"lambda_adv_l": 0.0, "lambda_adv_u": 0.0},
        "matting": {"lambda_adv_l": 0.0, "lambda_adv_u": 0.001},
        "night": {"lambda_adv_l": 0.0, "lambda_adv_u": 0.0},
    },
    "gct": {
        "segmentation": {"lambda_dc": 0.0, "lambda_fc": 0.01},
        "denoising": {"lambda_dc": 0.0, "lambda_fc": 0.0},
        "matting": {"lambda_dc": 0.0, "lambda_fc": 0.0},
        "night": {"lambda_dc": 0.0, "lambda_fc": 0.01},
    },
}


def searched(
    method: str, others: Mapping[Tier, Mapping[str, Found]] | None = None
) -> dict[Tier, dict[str, Found]]:
    """Tier defaults of a method, those of `others` and what was found for each task."""
    tiers = {tier: dict(found) for tier, found in (others or {}).items()}
    found = {task: Found(settings, TRIALS) for task, settings in LITE[method].items()}
    tiers["lite"] = {**tiers.get("lite", {}), **found}
    return tiers
