"""`tf.losses` of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf._dispatch import state
from plait.tf._ops import arrays, elementwise, neural, reduction
from plait.tf._ops.creation import convert_to_tensor, ones_like, zeros
from plait.tf.compat._scopes import GraphKeys, default_graph


class Reduction:
    """How losses of single elements are made one."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS)


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """Losses times weights, reduced, and put into a collection. Raises ValueError."""
    from plait.tf._ops import reduction as reduce

    if reduction not in Reduction.all():
        raise error(ValueError, f"Invalid Reduction Key {reduction}.")
    values = elementwise.cast(convert_to_tensor(losses), "float32")
    scale = elementwise.cast(convert_to_tensor(weights), "float32")
    weighted = values * scale
    if reduction == Reduction.NONE:
        made = weighted
    else:
        made = reduce.reduce_sum(weighted)
        spread = ones_like(values) * scale
        if reduction == Reduction.MEAN:
            made = elementwise.divide_no_nan(made, reduce.reduce_sum(spread))
        elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
            count = reduce.reduce_sum(
                elementwise.cast(elementwise.not_equal(spread, 0.0), "float32")
            )
            made = elementwise.divide_no_nan(made, count)
        elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
            made = elementwise.divide_no_nan(made, reduce.reduce_sum(ones_like(values)))
    if loss_collection:
        add_loss(made, loss_collection)
    return made


def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Put a loss into a collection of the graph; nothing while operations run at once."""
    if loss_collection and state.graph is not None:
        state.graph.add_to_collection(loss_collection, loss)


def _loss(public: str, compute: Callable[..., Any], first: str, second: str, doc: str) -> Any:
    def loss(
        labels: Any = None,
        predictions: Any = None,
        weights: Any = 1.0,
        scope: Any = None,
        loss_collection: Any = GraphKeys.LOSSES,
        reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
        **options: Any,
    ) -> Any:
        given = options.pop(second, predictions)
        labels = options.pop(first, labels)
        if labels is None or given is None:
            raise error(ValueError, f"{first} and {second} must not be None.")
        values = compute(convert_to_tensor(labels), convert_to_tensor(given), **options)
        return compute_weighted_loss(values, weights, scope, loss_collection, reduction)

    loss.__name__ = public
    loss.__doc__ = doc
    return loss


def _f(x: Any) -> Any:
    return elementwise.cast(x, "float32")


def _squeezed(labels: Any, logits: Any) -> Any:
    """Labels (batch, 1) as (batch,)."""
    if labels.shape.rank is not None and labels.shape.rank == logits.shape.rank:
        return arrays.squeeze(labels, [-1])
    return labels


def _huber(labels: Any, predictions: Any, delta: float = 1.0) -> Any:
    distance = elementwise.abs(_f(predictions) - _f(labels))
    inside = elementwise.minimum(distance, delta)
    return 0.5 * inside * inside + delta * (distance - inside)


def _log(labels: Any, predictions: Any, epsilon: float = 1e-7) -> Any:
    y, p = _f(labels), _f(predictions)
    return -y * elementwise.log(p + epsilon) - (1 - y) * elementwise.log(1 - p + epsilon)


def _softmax(labels: Any, logits: Any, label_smoothing: float = 0) -> Any:
    y = elementwise.cast(labels, logits.dtype)
    if label_smoothing:
        y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1]
    return neural.softmax_cross_entropy_with_logits(labels=y, logits=logits)


def _sigmoid(labels: Any, logits: Any, label_smoothing: float = 0) -> Any:
    y = elementwise.cast(labels, logits.dtype)
    if label_smoothing:
        y = y * (1 - label_smoothing) + 0.5 * label_smoothing
    return neural.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)


def _sparse(labels: Any, logits: Any) -> Any:
    return neural.sparse_softmax_cross_entropy_with_logits(
        labels=_squeezed(labels, logits), logits=logits
    )


def _hinge(labels: Any, logits: Any) -> Any:
    return neural.relu(1.0 - (2 * _f(labels) - 1) * _f(logits))


def _cosine(labels: Any, predictions: Any, axis: Any = None, dim: Any = None) -> Any:
    where = axis if axis is not None else dim
    return 1 - reduction.reduce_sum(_f(labels) * _f(predictions), axis=(where,), keepdims=True)


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = GraphKeys.LOSSES,
) -> Any:
    """The squared differences between the differences of all pairs of a row (Eigen et al. 2014)."""
    given = _f(convert_to_tensor(predictions)) - _f(convert_to_tensor(labels))
    axes = list(range(1, given.shape.rank or 1))

    def total(x: Any) -> Any:
        return reduction.reduce_sum(x, axes, True)

    scale = _f(convert_to_tensor(weights))
    count = total(_f(elementwise.not_equal(ones_like(given) * scale, 0.0)))
    squares = elementwise.divide_no_nan(total(given * given), elementwise.maximum(count - 1, 0.0))
    sums = elementwise.square(total(given))
    mixed = elementwise.divide_no_nan(sums, elementwise.maximum(count * (count - 1), 0.0))
    made = reduction.reduce_sum((squares - mixed) * 2.0 * scale)
    if loss_collection:
        add_loss(made, loss_collection)
    return made


def _differences(labels: Any, predictions: Any) -> Any:
    return elementwise.squared_difference(_f(predictions), _f(labels))


def _distances(labels: Any, predictions: Any) -> Any:
    return elementwise.abs(_f(predictions) - _f(labels))


mean_squared_error = _loss(
    "mean_squared_error", _differences, "labels", "predictions", "The mean of squared differences."
)
absolute_difference = _loss(
    "absolute_difference", _distances, "labels", "predictions", "The mean of absolute differences."
)
huber_loss = _loss("huber_loss", _huber, "labels", "predictions", "Squares near 0, lines beyond.")
log_loss = _loss("log_loss", _log, "labels", "predictions", "The cross-entropy of probabilities.")
hinge_loss = _loss("hinge_loss", _hinge, "labels", "logits", "max(0, 1 - label logit).")
cosine_distance = _loss(
    "cosine_distance", _cosine, "labels", "predictions", "1 minus the product of unit vectors."
)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: Any = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of softmax(logits) with labels that are distributions."""
    values = _softmax(convert_to_tensor(onehot_labels), convert_to_tensor(logits), label_smoothing)
    return compute_weighted_loss(values, weights, scope, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: Any = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of sigmoid(logits) with labels in [0, 1]."""
    values = _sigmoid(
        convert_to_tensor(multi_class_labels), convert_to_tensor(logits), label_smoothing
    )
    return compute_weighted_loss(values, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: Any = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of softmax(logits) with integer labels."""
    values = _sparse(convert_to_tensor(labels), convert_to_tensor(logits))
    return compute_weighted_loss(values, weights, scope, loss_collection, reduction)


def get_losses(scope: Any = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """The losses in a collection of the graph."""
    return default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: Any = None) -> list[Any]:
    """The penalties on weights."""
    return get_losses(scope, GraphKeys.REGULARIZATION_LOSSES)


def get_regularization_loss(scope: Any = None, name: str = "total_regularization_loss") -> Any:
    """The sum of the penalties on weights."""
    found = get_regularization_losses(scope)
    return elementwise.add_n(found) if found else zeros((), "float32")


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: Any = None
) -> Any:
    """The sum of all losses."""
    found = get_losses(scope)
    if add_regularization_losses:
        found += get_regularization_losses(scope)
    return elementwise.add_n(found)
