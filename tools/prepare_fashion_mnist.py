"""Prepare TFDS's fashion_mnist from Debian's package dataset-fashion-mnist, without a network.

    apt-get install dataset-fashion-mnist
    python tools/prepare_fashion_mnist.py
    tl-run --dataset tfds:fashion_mnist --limit 6000 --strategy head

Where the package cannot be installed, `dpkg-deb -x FILE.deb FOLDER` unpacks it; name the folder of
its .gz files with --files.
"""

import argparse
import json
import pathlib
import shutil

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.resource import get_dl_fname

NAME = "fashion_mnist"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", default="/usr/share/datasets/fashion-mnist", type=pathlib.Path)
    parser.add_argument("--data_dir", help="TFDS's directory; default: TFDS's own")
    arguments = parser.parse_args()
    builder = tfds.builder(NAME, data_dir=arguments.data_dir)
    downloads = pathlib.Path(builder.data_path).parents[1] / "downloads" / NAME
    downloads.mkdir(parents=True, exist_ok=True)
    # TFDS takes files that lie where it would have put them, with a note of their names beside.
    for url, info in tfds.builder_cls(NAME).url_infos.items():
        name = url.rpartition("/")[2]
        target = downloads / get_dl_fname(url, info.checksum)
        shutil.copyfile(arguments.files / name, target)
        pathlib.Path(f"{target}.INFO").write_text(json.dumps({"original_fname": name}))
    builder.download_and_prepare()
    print(builder.data_path)


if __name__ == "__main__":
    main()
