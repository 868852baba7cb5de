"""`fit`, `evaluate` and `predict`: each step is one compiled program.

A step is recorded once for each kind of batch (shapes and dtypes), with the weights, the
optimizer's variables and the metrics as state that it updates in place. As with Keras' other
compiling backends, Python code in a step runs when it is recorded, and not again; `compile()` makes
the next step record anew, `run_eagerly=True` or `jit_compile=False` run the Python code in each
step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras.src import backend, tree
from keras.src import callbacks as callbacks_module
from keras.src import optimizers as optimizers_module
from keras.src.backend import config
from keras.src.trainers import trainer as base_trainer
from keras.src.trainers.data_adapters import array_slicing, data_adapter_utils
from keras.src.utils import traceback_utils
from keras.src.utils.python_utils import pythonify_logs

import plait as torch
from keras_plait.src.batches import Batches, as_batches, as_tensors
from keras_plait.src.steps import StepFunction, training
from plait.core.runtime.realize import load_compiler

#: Keras 3.16 calls it BaseTrainer.
_Base: Any = getattr(base_trainer, "BaseTrainer", None) or vars(base_trainer)["Trainer"]


class PlaitTrainer(_Base):
    """What `keras.Model` takes its training loops from."""

    if TYPE_CHECKING:
        # What the model class has that this is a part of.
        trainable_variables: Any
        trainable_weights: Any
        history: Any
        optimizer: Any
        call: Any
        _call_has_training_arg: bool
        _eval_epoch_iterator: Any
        _flatten_layers: Any
        _loss_tracker: Any

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __init__(self) -> None:
        super().__init__()
        self.train_function: Any = None
        self.test_function: Any = None
        self.predict_function: Any = None

    def _resolve_auto_jit_compile(self) -> bool:
        """Asked for by `compile()`, unless its `jit_compile` says: whether steps are compiled. What
        compiles is then loaded. (Keras takes a `compile` that is overridden for the user's own.)"""
        compiled = super()._resolve_auto_jit_compile()
        if compiled:
            load_compiler()
        return compiled

    # -- one step ------------------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update weights, optimizer and metrics by one batch; the metrics."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        y_pred = self._predicted(x, training=True)
        loss: Any = self._compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
        )
        self._loss_tracker.update_state(loss.detach(), sample_weight=_batch_size(x))
        if self.optimizer is not None and variables:
            scaled = self.optimizer.scale_loss(loss)
            gradients = torch.autograd.grad(
                scaled, [v._value for v in variables], allow_unused=True
            )
            with torch.no_grad():
                self.optimizer.apply(list(gradients), variables)
        elif not variables:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        with torch.no_grad():
            return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Update the metrics by one batch; the metrics."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        y_pred = self._predicted(x, training=False)
        loss = self._compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False
        )
        self._loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The model's outputs for one batch."""
        return self._predicted(data_adapter_utils.unpack_x_y_sample_weight(data)[0], training=False)

    def _predicted(self, x: Any, training: bool) -> Any:
        return self(x, training=training) if self._call_has_training_arg else self(x)

    # -- steps as functions of batches -----------------------------------------------------------

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            self.train_function = self._several(self._compiled(self._surrounded("train_step")))

    def make_test_function(self, force: bool = False) -> None:
        if self.test_function is None or force:
            step = self._compiled(self._surrounded("test_step"))
            self.test_function = self._several(_without_gradients(step))

    def make_predict_function(self, force: bool = False) -> None:
        if self.predict_function is None or force:
            step = self._compiled(self._surrounded("predict_step"))
            self.predict_function = self._several(_without_gradients(step), joined=True)

    def _needs_no_call(self) -> bool:
        """Whether the model has a training step of its own, and no `call`: it cannot be built
        before, and on TensorFlow need not be."""
        own = type(self).train_step is not PlaitTrainer.train_step
        return own and type(self).call.__module__ == "keras.src.models.model"

    def _surrounded(self, name: str) -> Callable[[Any], Any]:
        def step(data: Any) -> Any:
            with training.step():
                return getattr(self, name)(data)

        return step

    def _compiled(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return step if self.run_eagerly or not self.jit_compile else StepFunction(step)

    def _several(self, step: Callable[[Any], Any], joined: bool = False) -> Callable[[Any], Any]:
        """A function of `steps_per_execution` batches: the last step's result, or with `joined`
        all results, batch after batch."""

        def steps(batches: Sequence[Any]) -> Any:
            results = [step(as_tensors(data)) for data in batches]
            if not joined or len(results) == 1:
                return results[-1]
            return tree.map_structure(lambda *parts: torch.cat(parts), *results)

        return steps

    # -- loops -----------------------------------------------------------------------------------

    @traceback_utils.filter_traceback
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train for `epochs` epochs; the history. Arguments as in Keras' documentation."""
        self._assert_compile_called("fit")
        limit = config.max_epochs()
        if limit and limit < epochs:
            warnings.warn(f"Limiting epochs to {limit}", stacklevel=2)
            epochs = limit
        self._eval_epoch_iterator = None
        if validation_split and validation_data is None:
            parts: Any = array_slicing.train_validation_split(
                (x, y, sample_weight), validation_split=validation_split
            )
            (x, y, sample_weight), validation_data = parts
        batches = Batches(
            x=as_batches(x),
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
            steps_per_execution=self.steps_per_execution,
        )
        if not self._needs_no_call():
            self._symbolic_build(iterator=batches)
        batches.reset()
        callbacks = self._callbacks(callbacks, batches, verbose, epochs, history=True)
        self.make_train_function()
        self.stop_training = False
        logs: dict[str, Any] = {}
        callbacks.on_train_begin()
        for epoch in range(self._initial_epoch or initial_epoch, epochs):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            logs = self._train_epoch(batches, callbacks)
            if validation_data is not None and self._should_eval(epoch, validation_freq):
                found = self._validate(
                    validation_data,
                    validation_batch_size or batch_size,
                    validation_steps,
                    callbacks,
                )
                logs.update({f"val_{name}": value for name, value in found.items()})
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if isinstance(self.optimizer, optimizers_module.Optimizer) and epochs > 0:
            self.optimizer.finalize_variable_values(self.trainable_weights)
        if getattr(self, "_eval_epoch_iterator", None) is not None:
            del self._eval_epoch_iterator
        callbacks.on_train_end(logs=logs)
        return self.history

    def _train_epoch(self, batches: Batches, callbacks: Any) -> dict[str, Any]:
        logs: Any = {}
        for begin, end, group in batches:
            callbacks.on_train_batch_begin(begin)
            logs = self.train_function(group)
            callbacks.on_train_batch_end(end, logs)
            if self.stop_training:
                break
        return dict(pythonify_logs(self._get_metrics_result_or_logs(logs)))

    def _validate(self, data: Any, batch_size: Any, steps: Any, callbacks: Any) -> dict[str, Any]:
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        if getattr(self, "_eval_epoch_iterator", None) is None:
            self._eval_epoch_iterator = Batches(
                x=as_batches(x),
                y=y,
                sample_weight=sample_weight,
                batch_size=batch_size,
                steps_per_execution=self.steps_per_execution,
                steps_per_epoch=steps,
                shuffle=False,
            )
        return self.evaluate(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps=steps,
            callbacks=callbacks,
            return_dict=True,
            _use_cached_eval_dataset=True,
        )

    @traceback_utils.filter_traceback
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and the metrics over the data."""
        self._assert_compile_called("evaluate")
        cached = kwargs.pop("_use_cached_eval_dataset", False)
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        if cached:
            batches = self._eval_epoch_iterator
        else:
            batches = Batches(
                x=as_batches(x),
                y=y,
                sample_weight=sample_weight,
                batch_size=batch_size,
                steps_per_epoch=steps,
                shuffle=False,
                steps_per_execution=self.steps_per_execution,
            )
        self._symbolic_build(iterator=batches)
        batches.reset()
        callbacks = self._callbacks(callbacks, batches, verbose)
        self.make_test_function()
        self.stop_evaluating = False
        callbacks.on_test_begin()
        logs: Any = {}
        self.reset_metrics()
        for begin, end, group in batches:
            callbacks.on_test_batch_begin(begin)
            logs = self.test_function(group)
            callbacks.on_test_batch_end(end, logs)
            if self.stop_evaluating:
                break
        logs = pythonify_logs(self._get_metrics_result_or_logs(logs))
        callbacks.on_test_end(logs)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    @traceback_utils.filter_traceback
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all the data, as arrays."""
        batches = Batches(
            x=as_batches(x),
            batch_size=batch_size,
            steps_per_epoch=steps,
            shuffle=False,
            steps_per_execution=self.steps_per_execution,
        )
        if not all(layer.built for layer in self._flatten_layers()):
            for _, _, group in batches:
                data = data_adapter_utils.unpack_x_y_sample_weight(group[0])[0]
                with backend.StatelessScope():
                    self(as_tensors(data))
                break
            batches.reset()
        callbacks = self._callbacks(callbacks, batches, verbose)
        self.make_predict_function()
        self.stop_predicting = False
        callbacks.on_predict_begin()
        parts: list[Any] = []
        for begin, end, group in batches:
            callbacks.on_predict_batch_begin(begin)
            made = self.predict_function(group)
            parts.append(tree.map_structure(backend.convert_to_numpy, made))
            callbacks.on_predict_batch_end(end, {"outputs": made})
            if self.stop_predicting:
                break
        callbacks.on_predict_end()
        if not parts:
            raise ValueError("Unexpected result of `predict_function`: the data has no batch.")
        return tree.map_structure(lambda *arrays: _joined(arrays), *parts)

    def _callbacks(
        self,
        callbacks: Any,
        batches: Batches,
        verbose: Any,
        epochs: int = 1,
        history: bool = False,
    ) -> Any:
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        return callbacks_module.CallbackList(
            callbacks,
            add_history=history,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=batches.num_batches,
            model=self,
        )

    # -- single batches --------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "Arguments `sample_weight` and `class_weight` cannot be specified at the same "
                    f"time. Received: sample_weight={sample_weight}, class_weight={class_weight}"
                )
            sample_weight = data_adapter_utils.class_weight_to_sample_weights(y, class_weight)
        data = as_tensors((x, y, sample_weight))
        self._symbolic_build(data_batch=data)
        self.make_train_function()
        self.reset_metrics()
        return self._logs(self.train_function([data]), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        self._assert_compile_called("test_on_batch")
        data = as_tensors((x, y, sample_weight))
        self._symbolic_build(data_batch=data)
        self.make_test_function()
        self.reset_metrics()
        return self._logs(self.test_function([data]), return_dict)

    def _logs(self, logs: Any, return_dict: bool) -> Any:
        logs = pythonify_logs(tree.map_structure(backend.convert_to_numpy, logs))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        if not all(layer.built for layer in self._flatten_layers()):
            with backend.StatelessScope():
                self(as_tensors(x))
        self.make_predict_function()
        made = self.predict_function([(as_tensors(x),)])
        return tree.map_structure(backend.convert_to_numpy, made)


def _batch_size(x: Any) -> int:
    return next(leaf for leaf in tree.flatten(x) if leaf is not None).shape[0]


def _without_gradients(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def quiet(data: Any) -> Any:
        with torch.no_grad():
            return step(data)

    return quiet


def _joined(arrays: tuple[Any, ...]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


#: The name by which Keras 3.16 finds it.
Trainer = PlaitTrainer
