"""`tf.metrics` of TensorFlow 1: (a value over all that was seen, the operation that adds some).

What is counted is kept in local variables: `tf.local_variables_initializer()` sets them to zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf._ops import arrays, elementwise, reduction
from plait.tf._ops.creation import convert_to_tensor, ones_like
from plait.tf._ops.reduction import confusion_matrix
from plait.tf._variable import Variable, assign_add
from plait.tf.compat._scopes import GraphKeys, default_graph


def _local(name: str, shape: tuple[int, ...] = ()) -> Variable:
    keys = [GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES]
    return Variable(np.zeros(shape, np.float32), trainable=False, collections=keys, name=name)


def _f(x: Any) -> Any:
    return elementwise.cast(convert_to_tensor(x), "float32")


def _noted(value: Any, update: Any, values: Any, updates: Any) -> tuple[Any, Any]:
    default_graph().add_to_collections(values, value)
    default_graph().add_to_collections(updates, update)
    return value, update


def _mean(
    values: Any, weights: Any, name: str, last: Callable[[Any], Any] = lambda x: x
) -> tuple[Any, Any]:
    """(the mean of all values so far, the same with more added), through `last`."""
    total, count = _local(f"{name}/total"), _local(f"{name}/count")
    given = _f(values)
    scale = ones_like(given) if weights is None else ones_like(given) * _f(weights)
    added = assign_add(total, reduction.reduce_sum(given * scale))
    counted = assign_add(count, reduction.reduce_sum(scale))
    return (
        last(elementwise.divide_no_nan(total, count)),
        last(elementwise.divide_no_nan(added, counted)),
    )


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str = "mean",
) -> tuple[Any, Any]:
    """The mean of all values so far."""
    return _noted(*_mean(values, weights, name), metrics_collections, updates_collections)


def _metric(
    name: str, doc: str, measured: Callable[[Any, Any, Any, str], tuple[Any, Any]]
) -> Callable[..., tuple[Any, Any]]:
    """A metric of labels and predictions. measured: (labels, predictions, weights, name) ->
    (value, update)."""

    def metric(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str = name,
    ) -> tuple[Any, Any]:
        value, update = measured(labels, predictions, weights, name)
        return _noted(value, update, metrics_collections, updates_collections)

    metric.__name__, metric.__doc__ = name, doc
    return metric


# -- means over what is measured of each label and prediction --------------------------------------


def _right(labels: Any, predictions: Any, weights: Any, name: str) -> tuple[Any, Any]:
    y, p = convert_to_tensor(labels), convert_to_tensor(predictions)
    return _mean(elementwise.equal(elementwise.cast(p, y.dtype), y), weights, name)


def _distance(measure: Any, last: Callable[[Any], Any] = lambda x: x) -> Any:
    """A mean of what `measure` gives of labels and predictions."""
    return lambda labels, predictions, weights, name: _mean(
        measure(_f(labels), _f(predictions)), weights, name, last
    )


accuracy = _metric("accuracy", "The share of predictions that are right.", _right)
mean_squared_error = _metric(
    "mean_squared_error", "The mean square of errors.", _distance(elementwise.squared_difference)
)
root_mean_squared_error = _metric(
    "root_mean_squared_error",
    "The root of the mean square of errors.",
    _distance(elementwise.squared_difference, elementwise.sqrt),
)
mean_absolute_error = _metric(
    "mean_absolute_error",
    "The mean of errors' absolute values.",
    _distance(lambda y, p: elementwise.abs(y - p)),
)

# -- counts of labels and predictions that are 0 or 1 ----------------------------------------------


def _count(labels: Any, predictions: Any, weights: Any, kind: str, name: str) -> tuple[Any, Any]:
    """How often labels and predictions are as `kind` says: "tp", "fp", "tn" or "fn"."""
    y, p = (elementwise.cast(convert_to_tensor(x), "bool") for x in (labels, predictions))
    wanted = p if kind[1] == "p" else elementwise.logical_not(p)
    right = y if kind in ("tp", "fn") else elementwise.logical_not(y)
    hits = _f(elementwise.logical_and(wanted, right))
    if weights is not None:
        hits = hits * _f(weights)
    held = _local(name)
    return held, assign_add(held, reduction.reduce_sum(hits))


def _counter(kind: str) -> Any:
    def measured(labels: Any, predictions: Any, weights: Any, name: str) -> tuple[Any, Any]:
        held, update = _count(labels, predictions, weights, kind, f"{name}/count")
        return elementwise.add(held, 0.0), update

    return measured


def _ratio(other: str) -> Any:
    """Hits by hits and those of another kind."""

    def measured(labels: Any, predictions: Any, weights: Any, name: str) -> tuple[Any, Any]:
        (hits, more), (misses, others) = (
            _count(labels, predictions, weights, kind, f"{name}/{kind}") for kind in ("tp", other)
        )
        return (
            elementwise.divide_no_nan(hits, hits + misses),
            elementwise.divide_no_nan(more, more + others),
        )

    return measured


true_positives = _metric("true_positives", "The number of 1s predicted as such.", _counter("tp"))
false_positives = _metric("false_positives", "The number of 0s predicted as 1.", _counter("fp"))
true_negatives = _metric("true_negatives", "The number of 0s predicted as such.", _counter("tn"))
false_negatives = _metric("false_negatives", "The number of 1s predicted as 0.", _counter("fn"))
precision = _metric("precision", "The share of 1s among what is predicted as 1.", _ratio("fp"))
recall = _metric("recall", "The share of 1s that are predicted as 1.", _ratio("fn"))


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str = "auc",
    summation_method: str = "trapezoidal",
) -> tuple[Any, Any]:
    """The area under the curve of hits over false alarms, by thresholds evenly between 0 and 1.

    Raises NotImplementedError for other curves and sums.
    """
    if curve != "ROC" or summation_method != "trapezoidal":
        from plait._unbuilt import not_built

        raise not_built(f"tf.metrics.auc(curve={curve!r}, summation_method={summation_method!r})")
    tiny = 1e-7
    inside = [(k + 1) / (num_thresholds - 1) for k in range(num_thresholds - 2)]
    bounds = np.array([-tiny, *inside, 1 + tiny], np.float32)[:, None]
    y = arrays.reshape(elementwise.cast(convert_to_tensor(labels), "bool"), [1, -1])
    above = elementwise.greater(arrays.reshape(_f(predictions), [1, -1]), bounds)
    scale = 1.0 if weights is None else arrays.reshape(_f(weights) * ones_like(_f(labels)), [1, -1])
    held, new = {}, {}
    for kind, hits in (("tp", y), ("fp", elementwise.logical_not(y))):
        for word, chosen in (("", above), ("all ", elementwise.logical_or(above, True))):
            both = _f(elementwise.logical_and(chosen, hits)) * scale
            variable = _local(f"{name}/{(word + kind).replace(' ', '_')}", (num_thresholds,))
            held[word + kind] = variable
            new[word + kind] = assign_add(variable, reduction.reduce_sum(both, 1))

    def area(counts: dict[str, Any]) -> Any:
        hits = (counts["tp"] + tiny) / (counts["all tp"] + tiny)
        alarms = counts["fp"] / (counts["all fp"] + tiny)
        widths = alarms[:-1] - alarms[1:]
        return reduction.reduce_sum(widths * (hits[:-1] + hits[1:]) / 2.0)

    return _noted(area(held), area(new), metrics_collections, updates_collections)


def _by_class(
    labels: Any, predictions: Any, num_classes: int, weights: Any, name: str
) -> tuple[Any, Any]:
    """(how often each class was taken for each so far, the same with more added)."""
    table = confusion_matrix(
        arrays.reshape(labels, [-1]),
        arrays.reshape(predictions, [-1]),
        num_classes,
        weights=None if weights is None else arrays.reshape(_f(weights), [-1]),
        dtype="float32",
    )
    held = _local(f"{name}/total_confusion_matrix", (num_classes, num_classes))
    return held, assign_add(held, table)


def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str = "mean_iou",
) -> tuple[Any, Any]:
    """The mean, over classes that were seen, of what label and prediction share of what either
    has. The update gives the table of counts."""
    held, update = _by_class(labels, predictions, num_classes, weights, name)
    table = convert_to_tensor(held)
    right = reduction.reduce_sum(table * np.eye(num_classes, dtype=np.float32), 1)
    either = reduction.reduce_sum(table, 0) + reduction.reduce_sum(table, 1) - right
    seen = reduction.reduce_sum(_f(elementwise.not_equal(either, 0.0)))
    shares = elementwise.divide_no_nan(right, either)
    value = elementwise.divide_no_nan(reduction.reduce_sum(shares), seen)
    return _noted(value, update, metrics_collections, updates_collections)


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str = "mean_accuracy",
) -> tuple[Any, Any]:
    """The mean over classes of the share that is right. The update gives each class's."""
    held, update = _by_class(labels, predictions, num_classes, weights, name)

    def shares(table: Any) -> Any:
        right = reduction.reduce_sum(table * np.eye(num_classes, dtype=np.float32), 1)
        return elementwise.divide_no_nan(right, reduction.reduce_sum(table, 1))

    value = reduction.reduce_mean(shares(convert_to_tensor(held)))
    return _noted(value, shares(update), metrics_collections, updates_collections)


def __getattr__(name: str) -> Any:
    from plait._unbuilt import NotBuilt

    if name in _UNBUILT:
        raise NotBuilt(f"tf.metrics.{name} is not built in Plait yet")
    raise error(AttributeError, f"module 'tensorflow.metrics' has no attribute {name!r}")


_UNBUILT = frozenset([
    "average_precision_at_k", "false_negatives_at_thresholds", "false_positives_at_thresholds",
    "mean_cosine_distance", "mean_relative_error", "mean_tensor", "percentage_below",
    "precision_at_k", "precision_at_thresholds", "precision_at_top_k", "recall_at_k",
    "recall_at_thresholds", "recall_at_top_k", "sensitivity_at_specificity",
    "sparse_average_precision_at_k", "sparse_precision_at_k", "specificity_at_sensitivity",
    "true_negatives_at_thresholds", "true_positives_at_thresholds",
])  # fmt: skip
