"""`tf.summary` of TensorFlow 1: operations that give summary messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._records import block
from plait.tf._shape import TensorSpec
from plait.tf._tensor import of_array
from plait.tf.compat._scopes import GraphKeys, default_graph
from plait.tf.data._files import scalar as scalar_string
from plait.tf.summary import FileWriter, histogram_value, image_value, scalar_value, text_value


@op
def _scalar(tag: str, tensor: Any) -> Any:
    return of_array(scalar_string(block(1, scalar_value(tag, tensor))))


@op
def _histogram(tag: str, values: Any) -> Any:
    return of_array(scalar_string(block(1, histogram_value(tag, values))))


@op
def _text(tag: str, values: Any) -> Any:
    return of_array(scalar_string(block(1, text_value(tag, values))))


@op
def _image(tag: str, tensor: Any, most: int) -> Any:
    pictures = np.asarray(convert(tensor)._array())[:most]
    parts = [block(1, image_value(f"{tag}/image/{k}", p)) for k, p in enumerate(pictures)]
    return of_array(scalar_string(b"".join(parts)))


@op
def _merge(inputs: Any) -> Any:
    return of_array(scalar_string(b"".join([convert(x)._array()[()] for x in inputs])))


for _function in (_scalar, _histogram, _text, _image, _merge):
    _function.__dict__.update(infer=lambda *args, **kwargs: TensorSpec((), "string"), host=True)


def _collected(summary: Any, collections: Any) -> Any:
    default_graph().add_to_collections(
        [GraphKeys.SUMMARIES] if collections is None else collections, summary
    )
    return summary


def scalar(name: str, tensor: Any, collections: Any = None, family: Any = None) -> Any:
    """A summary of a number."""
    return _collected(_scalar(_tag(name), tensor), collections)


def histogram(name: str, values: Any, collections: Any = None, family: Any = None) -> Any:
    """A summary of the distribution of values."""
    return _collected(_histogram(_tag(name), values), collections)


def text(name: str, tensor: Any, collections: Any = None) -> Any:
    """A summary of strings."""
    return _collected(_text(_tag(name), tensor), collections)


def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: Any = None
) -> Any:
    """A summary of pictures (batch, height, width, channels)."""
    return _collected(_image(_tag(name), tensor, max_outputs), collections)


def _tag(name: str) -> str:
    return default_graph()._scope + name.replace(" ", "_")


def merge(inputs: Any, collections: Any = None, name: Any = None) -> Any:
    """Several summaries as one."""
    return _merge(list(inputs))


def merge_all(key: Any = GraphKeys.SUMMARIES, scope: Any = None, name: Any = None) -> Any:
    """All summaries of the graph as one; None where there are none."""
    found = default_graph().get_collection(key, scope)
    return _merge(found) if found else None


__all__ = ["FileWriter", "histogram", "image", "merge", "merge_all", "scalar", "text"]
