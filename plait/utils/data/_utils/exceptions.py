"""Exceptions that cross from a worker to the main process, with the worker's traceback as text."""

import sys
import traceback


class KeyErrorMessage(str):
    """A message that KeyError shows as it is: KeyError would show the repr, line breaks escaped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception being handled, as type and text; `where` says which process caught it."""

    def __init__(self, where: str = "in background") -> None:
        exc_type, exc_value, exc_traceback = sys.exc_info()
        if exc_type is None:
            raise RuntimeError(
                "ExceptionWrapper is made while an exception is handled; there is none"
            )
        self.exc_type: type[BaseException] = exc_type
        self.type_name = exc_type.__name__
        self.exc_msg = "".join(traceback.format_exception(exc_type, exc_value, exc_traceback))
        self.where = where

    def without_type(self) -> "ExceptionWrapper":
        """Itself as a RuntimeError: for a type that cannot be pickled. The name stays."""
        self.exc_type = RuntimeError
        return self

    def reraise(self) -> None:
        """Raise an exception of the same type (RuntimeError if it cannot be made of a message)."""
        message = f"Caught {self.type_name} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(KeyErrorMessage(message))
        try:
            if getattr(self.exc_type, "message", None):
                exception = self.exc_type(message=message)  # type: ignore[call-arg]  # its own rule
            else:
                exception = self.exc_type(message)
        except Exception:  # the type's own constructor: anything may happen there
            raise RuntimeError(message) from None
        raise exception
