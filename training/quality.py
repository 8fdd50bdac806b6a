"""Measurements of images and of a classifier's answers: numbers that gates decide by."""

import torch
from torch import Tensor
from torch.nn import functional

THUMBNAIL = 8


def neighbour_correlation(images: Tensor) -> float:
    """Return the mean correlation between horizontally and vertically neighbouring pixels.

    Real photos have 0.86 and more, noise has 0. An image without any contrast counts as 0.

    Args:
        images: `[N, S, S, C]`.
    """
    across = _correlation(images[:, :, 1:], images[:, :, :-1])
    down = _correlation(images[:, 1:], images[:, :-1])
    return float((across.mean() + down.mean()) / 2)


def _correlation(left: Tensor, right: Tensor) -> Tensor:
    left, right = (side.double().flatten(1) for side in (left, right))
    left, right = (side - side.mean(1, keepdim=True) for side in (left, right))
    scale = (left.square().sum(1) * right.square().sum(1)).sqrt()
    return torch.where(scale > 1e-9, (left * right).sum(1) / scale.clamp_min(1e-9), 0.0)


def thumbnail_distance(images: Tensor, reference: Tensor) -> float:
    """Return the Fréchet distance between two sets of images, by their 8 x 8 thumbnails.

    It needs no network: the 192 numbers of a thumbnail are the features. Their covariance wants
    more images than that; from fewer the distance is larger than it should be.

    Args:
        images: `[N, S, S, 3]` in -1 to 1; S a multiple of 8.
        reference: `[M, S', S', 3]` in -1 to 1.
    """
    mean_a, covariance_a = _moments(images)
    mean_b, covariance_b = _moments(reference)
    # The trace of the root of a product of covariances is the sum of the roots of the product's
    # eigenvalues.
    roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp_min(0).sqrt().sum()
    spread = covariance_a.trace() + covariance_b.trace() - 2 * roots
    return float((mean_a - mean_b).square().sum() + spread)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    channels_first = images.permute(0, 3, 1, 2).double()
    small = functional.interpolate(channels_first, size=(THUMBNAIL, THUMBNAIL), mode="area")
    features = small.flatten(1)
    return features.mean(0), torch.cov(features.T)


def confusion_matrix(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return `[K, K]` counts: row is the true class, column the predicted one."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 10) -> float:
    """Return the expected calibration error: how far confidence and accuracy lie apart, 0 to 1.

    Guo et al., https://arxiv.org/abs/1706.04599: answers are grouped by confidence in bins of equal
    width.

    Args:
        probabilities: `[N, K]`, rows sum to 1.
        labels: `[N]` true classes.
        bins: Number of groups.
    """
    confidence, predicted = probabilities.max(1)
    correct = (predicted == labels).double()
    group = (confidence * bins).long().clamp_max(bins - 1)
    gap = torch.zeros(bins, dtype=torch.float64).index_add_(0, group, correct - confidence.double())
    return float(gap.abs().sum() / len(labels))
