"""Distances between two samples of points as distributions: kernel mean embeddings, and transport along lines."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mmd2(points: Tensor, targets: Tensor, weights: Tensor, widths: tuple[float, ...], unit: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between points that weigh the same and targets with weights v.

        1/n² sum_ij k(x_i, x_j)  -  2/n sum_ij v_j k(x_i, y_j)  +  sum_ij v_i v_j k(y_i, y_j),

    k the mean of Gaussian kernels exp(-d² / (2 s² m²)) over widths s in a unit m. Read as a contrastive loss, the
    second term pulls points to the targets, the first pushes them from each other. Gradients flow into both sides and
    are finite where points coincide. It is computed in the precision of its inputs, whatever autocast says.

    Args:
        points: float32 or float64 [n, D].
        targets: Same dtype [m, D].
        weights: v, non-negative and of sum 1, [m].
        widths: s of each kernel, positive.
        unit: m², a positive scalar, such as the `median_distance` of the targets.

    Returns:
        Non-negative scalar of the points' dtype up to rounding; 0 where both are one distribution.

    Source: Gretton et al., "A Kernel Two-Sample Test" (JMLR 2012), equation 5, with weights.
    """
    with torch.autocast(device_type=points.device.type, enabled=False):
        everything = torch.cat([points, targets])
        signed = torch.cat([torch.full_like(points[:, 0], 1 / max(1, len(points))), -weights.to(points)])
        squared = _squared_distances(everything)
        kernel = torch.stack([(-squared / (2 * (width**2) * unit)).exp() for width in widths]).mean(0)
        return signed @ kernel @ signed


def median_distance(points: Tensor) -> Tensor:
    """Median of the squared distances between different points [N, D], as a constant; 1 where that is 0."""
    with torch.no_grad(), torch.autocast(device_type=points.device.type, enabled=False):
        squared = _squared_distances(points)
        above = squared[torch.ones_like(squared, dtype=torch.bool).triu(1)]
        middle = above.median() if len(above) else squared.new_zeros(())
        return torch.where(middle > 0, middle, torch.ones_like(middle))


def _squared_distances(points: Tensor) -> Tensor:
    products = points @ points.T
    lengths = products.diagonal()
    return (lengths[:, None] + lengths[None, :] - 2 * products).clamp(min=0)


def sliced_wasserstein2(points: Tensor, targets: Tensor, weights: Tensor, directions: Tensor) -> Tensor:
    """Mean over directions of the squared 2-Wasserstein distance of the projections, by the quantiles of the points.

    Along a direction the i-th smallest of n points stands for the level (i - 1/2) / n and is compared with the target
    at that level of the weighted distribution; exact where all weights are 1/n.

    Args:
        points: float32 or float64 [n, D].
        targets: Same dtype [m, D].
        weights: Non-negative and of sum 1, [m].
        directions: Unit vectors [K, D].

    Returns:
        Non-negative scalar of the points' dtype; 0 where both have the same quantiles.

    Source: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures" (2015).
    """
    with torch.autocast(device_type=points.device.type, enabled=False):
        ours = (points @ directions.T).sort(0).values.T.contiguous()
        theirs, order = (targets @ directions.T).T.sort(1)
        cumulated = weights.to(points)[order].cumsum(1)
        levels = ((torch.arange(len(points), device=points.device) + 0.5) / len(points)).to(points)
        # Rounding may leave the last sum a little below the last level.
        found = torch.searchsorted(cumulated, levels.expand(len(directions), -1).contiguous()).clamp(
            max=len(targets) - 1
        )
        return (ours - theirs.gather(1, found)).square().mean()


def probe_r2(points: Tensor, targets: Tensor, weights: Tensor, penalty: float = 0.1) -> Tensor:
    """How much of 'point or target' the best ridge probe of this batch explains: an adversary solved in closed form.

    With t = 1 for points and -1 for targets, both sides weighing a half, b the covariance of t and the coordinates and
    S the covariance matrix of these, it is b' (S + r I)^-1 b, r the penalty times the mean variance. Its minimum over
    representations is the saddle point that gradient reversal looks for, without a second optimizer.

    Args:
        points: float32 or float64 [n, D].
        targets: Same dtype [m, D].
        weights: Non-negative and of sum 1, [m].
        penalty: Of the ridge, in mean variances; bounds what a batch of few samples seems to tell.

    Returns:
        In [0, 1]; 0 where the means agree. Without a penalty it is R² of the weighted least-squares fit of t.

    Source: Ganin et al., "Domain-Adversarial Training of Neural Networks" (JMLR 2016), with the ridge probe in the
    place of the trained one.
    """
    with torch.autocast(device_type=points.device.type, enabled=False):
        everything = torch.cat([points, targets])
        mass = torch.cat([torch.full_like(points[:, 0], 0.5 / max(1, len(points))), 0.5 * weights.to(points)])
        centred = everything - mass @ everything
        sign = torch.ones_like(mass)
        sign[len(points) :] = -1
        b = (mass * sign) @ centred
        spread = centred.T @ (mass[:, None] * centred)
        ridge = penalty * spread.diagonal().mean() + torch.finfo(points.dtype).tiny
        return b @ torch.linalg.solve(spread + ridge * torch.eye(len(b), device=b.device, dtype=b.dtype), b)
