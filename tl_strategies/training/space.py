"""Codes before a classifier sees them: shifted, scaled, dropped, in as few values as there are."""

import dataclasses
from typing import NamedTuple

import numpy as np

MASKS = 4  # of each training image, where code values are dropped
UNUSED = 1e15  # what a value that is not used is divided by
CONSTANT = 1e-6  # deviation, in shares of the largest one, below which a value is not used


class Sample(NamedTuple):
    """Images as a classifier sees them."""

    codes: np.ndarray  # float32 of shape (images, values)
    labels: np.ndarray  # as in a Listing
    weights: np.ndarray

    def and_also(self, other: "Sample") -> "Sample":
        """The images of both."""
        return Sample(*map(np.concatenate, zip(self, other, strict=True)))

    def dropped(self, share: float, seed: int) -> "Sample":
        """Several copies of each image, of which a share of the values is 0, in place of it."""
        if not share:
            return self
        codes, labels, weights = (np.concatenate([values] * MASKS) for values in self)
        kept = np.float32(1 - share)
        mask = np.random.default_rng(seed).random(codes.shape, "float32") < kept
        return Sample(codes * mask / kept, labels, weights)


@dataclasses.dataclass(frozen=True)
class Space:
    """How codes are shifted and scaled before they are compared, value by value."""

    mean: np.ndarray
    scale: np.ndarray

    @property
    def used(self) -> np.ndarray:
        """Which values count."""
        return self.scale < UNUSED

    def project(self, codes: np.ndarray) -> np.ndarray:
        """Codes, of shape (images, values), in this space."""
        return ((codes - self.mean) / self.scale).astype("float32")

    def without(self, values: np.ndarray) -> "Space":
        """The same, but some values are not used."""
        scale = self.scale.copy()
        scale[values] = UNUSED
        return Space(self.mean, scale)


def plain_space(codes: np.ndarray) -> Space:
    """The one in which codes are what they are."""
    return Space(np.zeros(codes.shape[1]), np.ones(codes.shape[1]))


def standard_space(codes: np.ndarray) -> Space:
    """The one in which values have the mean 0 and one deviation, and codes unit length on mean."""
    deviation = codes.std(axis=0, dtype="float64")
    scale = np.maximum(deviation, CONSTANT**2) * np.sqrt(codes.shape[1])
    space = Space(codes.mean(axis=0, dtype="float64"), scale)
    return space.without(deviation < CONSTANT * deviation.max())


def spanned(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Codes in the space that the images span, where that is smaller, and its axes.

    A linear classifier with an L2 penalty is the same there.
    """
    if codes.shape[1] <= len(codes):
        return codes, None
    axes = np.linalg.svd(codes, full_matrices=False)[2].T
    return codes @ axes, axes


def unit_length(codes: np.ndarray) -> np.ndarray:
    """Each image's codes scaled to unit L2 norm."""
    return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
