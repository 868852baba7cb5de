"""`tf.errors`: what operations raise."""

from __future__ import annotations

from typing import Any


class OpError(Exception):
    """The base of the errors of operations; `message` and `error_code` as in TensorFlow."""

    code = 2

    def __init__(self, node_def: Any = None, op: Any = None, message: str | None = None) -> None:
        # `OpError("text")` is what the core makes; TensorFlow's own form has three arguments.
        text = message if message is not None else str(node_def)
        super().__init__(text)
        self.node_def = node_def if message is not None else None
        self.op = op
        self.message = text
        self.error_code = self.code

    def __str__(self) -> str:
        return self.message


class CancelledError(OpError):
    code = 1


class UnknownError(OpError):
    code = 2


class InvalidArgumentError(OpError):
    """Arguments that do not fit the operation: shapes, dtypes, values."""

    code = 3


class DeadlineExceededError(OpError):
    code = 4


class NotFoundError(OpError):
    code = 5


class AlreadyExistsError(OpError):
    code = 6


class PermissionDeniedError(OpError):
    code = 7


class ResourceExhaustedError(OpError):
    code = 8


class FailedPreconditionError(OpError):
    code = 9


class AbortedError(OpError):
    code = 10


class OutOfRangeError(OpError):
    """The end of a sequence."""

    code = 11


class UnimplementedError(OpError):
    code = 12


class InternalError(OpError):
    code = 13


class UnavailableError(OpError):
    code = 14


class DataLossError(OpError):
    code = 15


class UnauthenticatedError(OpError):
    code = 16
