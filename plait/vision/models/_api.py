"""What the model builders share: weights that are named, the registry, old ways to call.

A builder is a function `name(*, weights=None, progress=True, **options)`. `@builder(enum)` enters
it in the registry of `get_model`, turns names of weights into members of the enum, and understands
`pretrained=`. Weights are read from the cache of `torch.hub`; nothing is downloaded.
"""

from __future__ import annotations

import fnmatch
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

from plait.core.ir.errors import error
from plait.hub import load_state_dict_from_url
from plait.nn import Module
from plait.vision.transforms._interpolation import InterpolationMode
from plait.vision.transforms._presets import ImageClassification

MODELS_URL = "https://download.pytorch.org/models/"
_BUILDERS: dict[str, Callable[..., Module]] = {}
_WEIGHTS: dict[str, type[WeightsEnum]] = {}  # by the builder's name

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Weights:
    """Trained weights: where they are published, what their inputs go through, what is known."""

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __hash__(self) -> int:
        return hash(self.url)


class WeightsEnum(Enum):
    """Base of the enumerations of the weights of one model; each value is a `Weights`."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member for a member, its name, or None; TypeError for what is not of this enum."""
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            name = obj.removeprefix(cls.__name__ + ".")
            if name not in cls.__members__:
                known = ", ".join(cls.__members__)
                raise error(KeyError, f"{cls.__name__} has no weights {name!r}; there are {known}")
            return cls[name]
        raise error(
            TypeError,
            f"Invalid Weight class provided; expected {cls.__name__} but received "
            f"{type(obj).__name__}.",
        )

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights, from the cache of `torch.hub`; RuntimeError naming the file if absent."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable[..., Any]:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


def imagenet(
    file: str,
    num_params: int,
    *,
    crop_size: int = 224,
    resize_size: int = 256,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    min_size: int = 1,
    **statistics: tuple[float, float, float],
) -> Weights:
    """Weights of a classifier of the 1000 classes of ImageNet-1K."""
    transforms = functools.partial(
        ImageClassification,
        crop_size=crop_size,
        resize_size=resize_size,
        interpolation=interpolation,
        **statistics,
    )
    meta = {"num_params": num_params, "num_classes": 1000, "min_size": (min_size, min_size)}
    return Weights(MODELS_URL + file, transforms, meta)


def builder(
    weights: type[WeightsEnum],
    *,
    backbone: tuple[type[WeightsEnum], Any] | None = None,
    old_default: Any = None,
) -> Callable[[Function], Function]:
    """Decorator of a function that builds a model.

    Args:
        weights: the enumeration of its weights.
        backbone: the enumeration for the argument `weights_backbone`, and its default.
        old_default: what `pretrained=True` means; the first of the enumeration if None.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def build(*positional: Any, **options: Any) -> Module:
            if positional:
                _take_positional(function, positional, options)
            first = old_default or next(iter(weights))
            _replace_old(options, "pretrained", "weights", first)
            options["weights"] = weights.verify(options.get("weights"))
            if backbone is not None:
                enum, default = backbone
                _replace_old(options, "pretrained_backbone", "weights_backbone", default)
                options["weights_backbone"] = enum.verify(options.get("weights_backbone", default))
            return function(**options)

        _BUILDERS[function.__name__] = build
        _WEIGHTS[function.__name__] = weights
        return build  # type: ignore[return-value]  # it takes all that `function` takes

    return decorate


def _take_positional(function: Callable, values: tuple, options: dict[str, Any]) -> None:
    """Positional arguments, which builders once took, go under the names of the parameters."""
    names = [name for name in inspect.signature(function).parameters if name != "kwargs"]
    if len(values) > len(names):
        raise error(
            TypeError,
            f"{function.__name__}() takes {len(names)} positional arguments but {len(values)} "
            "were given",
        )
    _warn(
        f"Using {' and '.join(map(repr, names[: len(values)]))} as positional parameter(s) is "
        "deprecated since 0.13 and may be removed in the future. Please use keyword parameter(s) "
        "instead."
    )
    for name, value in zip(names, values):
        if name in options:
            raise error(
                TypeError, f"{function.__name__}() got multiple values for argument {name!r}"
            )
        options[name] = value


def _replace_old(options: dict[str, Any], old: str, new: str, default: Any) -> None:
    """`pretrained=True` as the weights it stood for; a truth value given for the new name too."""
    if old in options:
        value = options.pop(old)
    elif isinstance(options.get(new), bool):
        value = options.pop(new)
    else:
        return
    _warn(
        f"The parameter {old!r} is deprecated since 0.13 and may be removed in the future, please "
        f"use {new!r} instead."
    )
    options.setdefault(new, default if value else None)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)


def assemble(
    make: Callable[..., Module], weights: Any, progress: bool, options: dict[str, Any]
) -> Any:
    """`make(**options)`, with the weights loaded where there are some.

    Raises ValueError where `num_classes` is not that of the weights, RuntimeError where their file
    is not at hand: before the model is made.
    """
    if weights is None:
        return make(**options)
    settle(options, "num_classes", weights.meta["num_classes"])
    state = weights.get_state_dict(progress=progress, check_hash=True)
    model = make(**options)
    model.load_state_dict(state)
    return model


def settle(options: dict[str, Any], name: str, value: Any) -> None:
    """Set an option that the weights fix; ValueError where the caller wants another value."""
    if options.get(name, value) != value:
        raise error(
            ValueError,
            f"The parameter '{name}' expected value {value} but got {options[name]} instead.",
        )
    options[name] = value


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the builders, sorted.

    `module` is one that has them in it; `include` and `exclude` are shell patterns.
    """
    names = set(_BUILDERS)
    if module is not None:
        names = {n for n in names if getattr(module, n, None) is _BUILDERS[n]}
    if include:
        names = set(_matching(names, include))
    if exclude:
        names -= set(_matching(names, exclude))
    return sorted(names)


def _matching(names: Iterable[str], patterns: Iterable[str] | str) -> list[str]:
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    return [name for name in names if any(fnmatch.fnmatch(name, p) for p in wanted)]


def get_model_builder(name: str) -> Callable[..., Module]:
    """The builder of that name; ValueError for an unknown one."""
    try:
        return _BUILDERS[name.lower()]
    except KeyError:
        raise error(ValueError, f"Unknown model {name.lower()}") from None


def get_model(name: str, **config: Any) -> Module:
    """The model that the builder `name` makes of the arguments."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable[..., Module] | str) -> type[WeightsEnum]:
    """The enumeration of the weights of a builder, given itself or its name."""
    build = get_model_builder(name) if isinstance(name, str) else name
    return _WEIGHTS[build.__name__]


def get_weight(name: str) -> WeightsEnum:
    """The member for its full name, such as "ResNet18_Weights.IMAGENET1K_V1"; else ValueError."""
    enum_name, dot, member = name.partition(".")
    if not dot or "." in member:
        raise error(ValueError, f"Invalid weight name provided: '{name}'.")
    for enum in _WEIGHTS.values():
        if enum.__name__ == enum_name and member in enum.__members__:
            return enum[member]
    raise error(ValueError, f"The weight '{name}' of {enum_name} is not known.")


def register_model(name: str | None = None) -> Callable[[Function], Function]:
    """Decorator: enter a user's own builder under `name`, or its own name."""

    def decorate(function: Function) -> Function:
        key = name if name is not None else function.__name__
        if key in _BUILDERS:
            raise error(ValueError, f"An entry is already registered under the name '{key}'.")
        _BUILDERS[key] = function
        found = _annotated_weights(function)
        if found is not None:
            _WEIGHTS[function.__name__] = found
        return function

    return decorate


def _annotated_weights(function: Callable) -> type[WeightsEnum] | None:
    """The enumeration that the function's parameter `weights` is annotated with."""
    parameter = inspect.signature(function).parameters.get("weights")
    if parameter is None:
        return None
    annotation = parameter.annotation
    if isinstance(annotation, str):
        name = annotation.replace("Optional[", "").split("|")[0].strip(" ]")
        annotation = getattr(sys.modules[function.__module__], name, None)
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, WeightsEnum)), None)
