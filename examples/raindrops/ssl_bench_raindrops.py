"""Photographs through a wet pane: wet/a_wet.png with dry/a_dry.png, several views of a scene in one folder."""

from collections.abc import Iterable

from ssl_bench import DatasetSpec, Files, FolderDataset, hookimpl


class RaindropsDataset(FolderDataset):
    layout = "raindrops: wet/<scene>/*_wet.png and dry/<scene>/*_dry.png"
    targets_are = "picture"  # of "picture", "indices" and "alpha"
    marks = (("wet", "dry"),)
    train_files = (
        Files(
            images="wet",
            targets=("dry",),
            nested=True,
            image_id=lambda path: str(path).removesuffix("_wet"),
            target_id=lambda path: str(path).removesuffix("_dry"),
        ),
    )
    holds_out = True

    @classmethod
    def group(cls, name: str) -> str:
        """A scene is never torn between training and test."""
        return name.partition("/")[0]


@hookimpl
def provide_datasets() -> Iterable[DatasetSpec]:
    return [DatasetSpec(name="raindrops", task="night", dataset=RaindropsDataset, title="Raindrops")]
