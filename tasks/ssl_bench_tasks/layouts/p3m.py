"""P3M-10k: portraits and their mattes, faces blurred in training.

Li, Ma, Zhang, Tao: Privacy-Preserving Portrait Matting. ACM Multimedia 2021.
"""

from ssl_bench import Files, FolderDataset


def _validation(part: str, images: str) -> Files:
    folder = f"validation/{part}"
    return Files(images=f"{folder}/{images}", targets=(f"{folder}/mask",), unknown=f"{folder}/trimap")


class P3M(FolderDataset):
    """The test set is P3M-500-P (blurred faces), P3M-500-NP (public portraits) or both, whichever are there."""

    layout = (
        "P3M-10k: train/{blurred_image,mask}, with validation/P3M-500-P/{blurred_image,mask} "
        "or validation/P3M-500-NP/{original_image,mask}; with trimap beside them or without"
    )
    targets_are = "alpha"
    marks = (("train/blurred_image",),)
    train_files = (Files(images="train/blurred_image", targets=("train/mask",)),)
    test_files = (_validation("P3M-500-P", "blurred_image"), _validation("P3M-500-NP", "original_image"))
