"""What a Keras layer is besides: nothing, for now, of a module."""


class PlaitLayer:
    """The mixin of layers."""
