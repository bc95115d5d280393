"""The size of images in pixels: a side where they are square, else height and width."""

import re
from typing import Any

from tl_strategies.errors import UsageError

LARGEST = 4096  # side

ImageSize = int | tuple[int, int]


def parse_size(given: Any) -> ImageSize | None:
    """A size from what a user gives: a side, "HEIGHTxWIDTH", two numbers; None stays None."""
    if given is None:
        return None
    numbers = given
    if isinstance(given, str) and re.fullmatch(r"\s*\d+\s*([x×,]\s*\d+\s*)?", given):
        numbers = [int(number) for number in re.findall(r"\d+", given)]
    elif isinstance(given, int) and not isinstance(given, bool):
        numbers = [given]
    whole = isinstance(numbers, list | tuple) and all(type(number) is int for number in numbers)
    if not whole or len(numbers) not in (1, 2):
        raise UsageError(
            f"--image_size must be a whole number, or two of them: HEIGHTxWIDTH. Received: {given}."
        )
    if not all(1 <= number <= LARGEST for number in numbers):
        raise UsageError(f"--image_size must be from 1 to {LARGEST}. Received: {size_text(given)}.")
    height, width = numbers[0], numbers[-1]
    return height if height == width else (height, width)


def sides(size: ImageSize) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def size_text(size: Any) -> str:
    """As it is typed: "64", or "64x96"."""
    if isinstance(size, list | tuple):
        height, width = size
        return str(height) if height == width else f"{height}x{width}"
    return str(size)
