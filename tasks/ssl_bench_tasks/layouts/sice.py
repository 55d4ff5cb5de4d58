"""SICE: several exposures of a scene, and one good picture of it.

Cai, Gu, Zhang: Learning a Deep Single Image Contrast Enhancer from Multi-Exposure Images. IEEE TIP 2018.
"""

from pathlib import Path, PurePosixPath

from ssl_bench import Files, FolderDataset, file_stems, folder_at, parent_name, subfolders


def _exposure(path: PurePosixPath) -> str | None:
    scene = path.parent.name
    return f"{scene}/{path.name}" if scene and scene.lower() != "label" else None


class Sice(FolderDataset):
    """Every exposure of a scene has the scene's label. A fifth of the scenes, whole ones, is held out."""

    layout = "SICE: <scene>/{1,2,...}.JPG and Label/<scene>.JPG"
    targets_are = "picture"
    train_files = (Files(images=".", targets=("Label",), nested=True, image_id=_exposure, rule=parent_name),)
    holds_out = True

    @classmethod
    def is_root(cls, folder: Path) -> bool:
        """Whether Label and a folder called like one of its pictures lie here."""
        labels = set(file_stems(folder_at(folder, "Label")))
        return any(child.name in labels for child in subfolders(folder))

    @classmethod
    def group(cls, name: str) -> str:
        """The scene that an exposure is of."""
        return name.partition("/")[0]
