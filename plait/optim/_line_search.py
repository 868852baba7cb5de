"""Line search for the strong Wolfe conditions, with cubic interpolation.

Source: Nocedal & Wright, Numerical Optimization (2006), algorithms 3.5 (bracketing) and 3.6 (zoom).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_DECREASE = 1e-4  # c1: sufficient decrease
_CURVATURE = 0.9  # c2: of the slope
_TOLERANCE = 1e-9
_MAX_EVALUATIONS = 25


@dataclass(frozen=True)
class Point:
    """A step length, the loss and gradient there, and the slope along the direction."""

    length: float
    loss: float
    grad: Any
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]],
    length: float,
    direction_size: float,
    direction: Any,
    loss: float,
    grad: Any,
    slope: float,
) -> tuple[float, Any, float, int]:
    """(loss, gradient, length, evaluations) where the strong Wolfe conditions hold.

    evaluate(length): loss and gradient at that distance. loss, grad, slope: those at the start.
    """
    start = Point(0.0, loss, grad.clone(), slope)

    def at(distance: float) -> Point:
        value, there = evaluate(distance)
        there = there.clone()
        return Point(distance, value, there, float(there.dot(direction)))

    bracket, count, done = _bracket(at, start, length)
    if not done:
        bracket, count = _zoom(at, start, bracket, count, direction_size)
    best = min(bracket, key=lambda point: point.loss)
    return best.loss, best.grad, best.length, count


def _too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _DECREASE * point.length * start.slope


def _flat_enough(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_CURVATURE * start.slope


def _bracket(
    at: Callable[[float], Point], start: Point, length: float
) -> tuple[list[Point], int, bool]:
    """Points that bracket a suitable length; or one that is suitable already (True)."""
    previous, point = start, at(length)
    count = 1
    while count - 1 < _MAX_EVALUATIONS:
        first = count == 1
        if _too_high(point, start) or (not first and point.loss >= previous.loss):
            return [previous, point], count, False
        if _flat_enough(point, start):
            return [point], count, True
        if point.slope >= 0:
            return [previous, point], count, False
        lower = point.length + 0.01 * (point.length - previous.length)
        following = cubic_minimum(previous, point, (lower, point.length * 10))
        previous, point = point, at(following)
        count += 1
    return [start, point], count, False


def _zoom(
    at: Callable[[float], Point],
    start: Point,
    bracket: list[Point],
    count: int,
    direction_size: float,
) -> tuple[list[Point], int]:
    """Shrink a bracket until a point in it is suitable."""
    stalled = False
    low, high = sorted(bracket, key=lambda point: point.loss)
    iterations = count - 1
    while iterations < _MAX_EVALUATIONS:
        left, right = sorted((low.length, high.length))
        if (right - left) * direction_size < _TOLERANCE:
            break
        length = cubic_minimum(*bracket, None)
        length, stalled = _away_from_ends(length, left, right, stalled)
        point = at(length)
        count += 1
        iterations += 1
        if _too_high(point, start) or point.loss >= low.loss:
            bracket = _replaced(bracket, high, point)
            low, high = sorted(bracket, key=lambda p: p.loss)
            continue
        if _flat_enough(point, start):
            return [point], count
        if point.slope * (high.length - low.length) >= 0:
            bracket = _replaced(bracket, high, low)
            high = low
        bracket = _replaced(bracket, low, point)
        low = point
    return [low, high], count


def _replaced(bracket: list[Point], old: Point, new: Point) -> list[Point]:
    result = list(bracket)
    result[next(i for i, point in enumerate(bracket) if point is old)] = new
    return result


def _away_from_ends(length: float, left: float, right: float, stalled: bool) -> tuple[float, bool]:
    """A length not too near an end of the bracket twice running: progress would stall."""
    margin = 0.1 * (right - left)
    if min(right - length, length - left) >= margin:
        return length, False
    if not stalled and left < length < right:
        return length, True
    if abs(length - right) < abs(length - left):
        return right - margin, False
    return left + margin, False


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None) -> float:
    """The minimum of the cubic through two points and their slopes, within bounds or the points."""
    low, high = bounds if bounds is not None else sorted((a.length, b.length))
    if a.length == b.length:
        return (low + high) / 2
    slope = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = slope**2 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2
    root = math.sqrt(square)
    if a.length > b.length:
        a, b = b, a
    minimum = b.length - (b.length - a.length) * (
        (b.slope + root - slope) / (b.slope - a.slope + 2 * root)
    )
    return min(max(minimum, low), high)
