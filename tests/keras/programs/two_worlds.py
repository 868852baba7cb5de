"""Programs of both worlds: data, optimizers, modules and layers of each in the other's loops; and
what is made of them: one graph, one compiled step."""

import sys

import keras
import numpy as np
from keras import layers, ops

import plait as torch
import plait.tf as tf
from keras_plait.crossing import LayerModule, ModuleLayer, apply_gradients
from plait import nn
from plait.compiler.direct import Direct
from plait.compiler.step import MISS, Step
from plait.tf.crossing import as_variable
from plait.utils.data import DataLoader, IterableDataset, TensorDataset
from tests.keras.programs.data import digits

F = nn.functional
WEIGHTS = np.array([[1.0], [-2.0], [0.5]], "float32")


def lines(rows: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Data that a linear layer learns: y = x WEIGHTS + 0.25."""
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype("float32")
    return x, x @ WEIGHTS + np.float32(0.25)


def replayed(run) -> list[Step]:
    """The compiled steps that were replayed while a function ran, each time that one was."""
    found: list[Step] = []
    replay, call = Step.replay, Direct.call

    def noted(self, arguments):
        made = replay(self, arguments)
        if made is not MISS:
            found.append(self)
        return made

    def noted_direct(self, arguments):
        made = call(self, arguments)
        if made is not MISS:  # else it goes by `Step.replay`
            found.append(self.step)
        return made

    Step.replay, Direct.call = noted, noted_direct
    try:
        run()
    finally:
        Step.replay, Direct.call = replay, call
    return found


# -- data -----------------------------------------------------------------------------------------


def data_set_in_a_torch_loop() -> None:
    (x, y), (x_test, y_test) = digits(flat=True)
    data = tf.data.Dataset.from_tensor_slices((x * 255, y)).shuffle(4000, seed=0)
    data = data.map(lambda image, label: (image / 255.0, label)).batch(64, drop_remainder=True)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(3):
        for images, labels in data:
            logits = model(torch.as_tensor(images))
            loss = F.cross_entropy(logits, torch.as_tensor(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    right = model(torch.tensor(x_test)).argmax(1) == torch.tensor(y_test)
    assert right.float().mean() > 0.88, right.float().mean()


class Rows(IterableDataset):
    """A `tf.data` pipeline as a data set of PyTorch's kind."""

    def __init__(self, data) -> None:
        self.data = data

    def __iter__(self):
        return self.data.as_numpy_iterator()


def data_set_in_a_loader() -> None:
    x, y = lines(20)
    data = tf.data.Dataset.from_tensor_slices((x, y)).filter(lambda x, y: x[0] > 0)
    batches = list(DataLoader(Rows(data), batch_size=4))
    assert all(isinstance(part, torch.Tensor) for batch in batches for part in batch)
    assert sum(len(a) for a, _ in batches) == int((x[:, 0] > 0).sum())


def loader_in_fit() -> None:
    x, y = lines()
    loader = DataLoader(
        TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=32, shuffle=True
    )
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(loader, epochs=20, validation_data=loader, verbose=0)
    assert model.evaluate(loader, verbose=0) < 1e-3
    only = DataLoader(TensorDataset(torch.tensor(x)), batch_size=100)
    np.testing.assert_allclose(model.predict(only, verbose=0), y, atol=0.1)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], WEIGHTS, atol=0.05)


# -- optimizers -----------------------------------------------------------------------------------


def optimizers_on_each_others_variables() -> None:
    """One step of plain descent by each optimizer moves the variables of each kind alike."""
    x, y = lines(32)
    start = np.array([[0.3], [0.1], [-0.2]], "float32")
    moved = start - 0.1 * 2 / len(x) * x.T @ (x @ start - y)
    torch_x, torch_y = torch.tensor(x), torch.tensor(y)

    def parameter():
        made = nn.Parameter(torch.tensor(start))
        return made, made

    def of_tensorflow():
        made = tf.Variable(start)
        return made, torch.as_tensor(made)

    def of_keras():
        made = keras.Variable(start)
        return made, torch.as_tensor(made)

    def descent_of_torch(variable, leaf) -> None:
        optimizer = torch.optim.SGD([variable], lr=0.1)
        F.mse_loss(torch_x @ leaf, torch_y).backward()
        optimizer.step()

    def descent_of_keras(variable, leaf) -> None:
        F.mse_loss(torch_x @ leaf, torch_y).backward()
        if isinstance(variable, nn.Parameter):
            apply_gradients(keras.optimizers.SGD(0.1), [variable])
        else:
            keras.optimizers.SGD(0.1).apply_gradients([(leaf.grad, variable)])

    def descent_of_tensorflow_1(variable, leaf) -> None:
        held = variable if isinstance(variable, tf.Variable) else as_variable(leaf)

        def loss():
            return tf.reduce_mean(tf.square(tf.matmul(x, held) - y))

        tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=[held])

    for optimize in (descent_of_torch, descent_of_keras, descent_of_tensorflow_1):
        for make in (parameter, of_tensorflow, of_keras):
            variable, leaf = make()
            optimize(variable, leaf)
            name = f"{optimize.__name__} of {make.__name__}"
            np.testing.assert_allclose(leaf.detach().numpy(), moved, rtol=1e-5, err_msg=name)
            shown = variable.detach() if isinstance(variable, torch.Tensor) else variable
            np.testing.assert_allclose(np.asarray(shown), moved, rtol=1e-5, err_msg=name)


def adam_on_each_others_variables() -> None:
    """The same three steps of Adam: PyTorch's on Keras' variable is Keras' on a parameter."""
    x, y = (torch.tensor(v) for v in lines(32))
    found = []
    for optimize_keras_variable in (True, False):
        variable = keras.Variable(np.full((3, 1), 0.5, "float32"))
        leaf = torch.as_tensor(variable)
        of_torch = torch.optim.Adam([variable], lr=0.1, eps=1e-7)
        of_keras = keras.optimizers.Adam(0.1)
        held = nn.Parameter(leaf.detach().clone())
        target = leaf if optimize_keras_variable else held
        for _ in range(3):
            target.grad = None
            F.mse_loss(x @ target, y).backward()
            if optimize_keras_variable:
                of_torch.step()
            else:
                apply_gradients(of_keras, [held])
        found.append(target.detach().numpy())
    # Keras adds epsilon beside another correction of the moments; after few steps it is 1e-6.
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


# -- gradients ------------------------------------------------------------------------------------


def gradients_through_both() -> None:
    x = torch.linspace(-1, 1, 5).requires_grad_()
    y = tf.reduce_sum(tf.square(torch.tanh(x)))
    torch.as_tensor(y).backward()
    value = np.tanh(np.linspace(-1, 1, 5))
    np.testing.assert_allclose(x.grad, 2 * value * (1 - value**2), rtol=1e-5, atol=1e-6)

    module = nn.Linear(3, 2)
    data = tf.constant(np.ones((4, 3), "float32"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(torch.as_tensor(data)))
    grads = tape.gradient(loss, list(module.parameters()))
    assert all(isinstance(g, tf.Tensor) for g in grads)
    np.testing.assert_allclose(grads[1], [4.0, 4.0])

    shared = as_variable(module.weight, "weight")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.matmul(data, shared, transpose_b=True) + module.bias)
    np.testing.assert_allclose(tape.gradient(loss, shared), np.full((2, 3), 4.0))


# -- weights --------------------------------------------------------------------------------------


def weights_are_shared() -> None:
    linear = nn.Linear(3, 2)
    wrapped = ModuleLayer(linear)
    variable = as_variable(linear.weight)
    with torch.no_grad():
        linear.weight.fill_(1.0)
    assert (np.asarray(wrapped.weights[0]) == 1).all() and (variable.numpy() == 1).all()
    wrapped.weights[0].assign(np.full((2, 3), 2.0))
    assert (linear.weight == 2).all() and (variable.numpy() == 2).all()
    variable.assign_add(np.ones((2, 3), "float32"))
    assert (linear.weight == 3).all() and (np.asarray(wrapped.weights[0]) == 3).all()

    dense = layers.Dense(2)
    dense.build((None, 3))
    first, second = LayerModule(dense), LayerModule(dense)
    dense.kernel.assign(np.full((3, 2), 5.0))
    assert all(
        (p == 5).all() for m in (first, second) for n, p in m.named_parameters() if "kernel" in n
    )
    state = first.state_dict()
    assert len(state) == 2
    first.load_state_dict({name: torch.zeros_like(value) for name, value in state.items()})
    assert (np.asarray(dense.kernel) == 0).all()


# -- one graph, one step --------------------------------------------------------------------------


def mixed_model() -> tuple[keras.Model, nn.Module]:
    """A functional Keras model: a module, functions of Keras, a layer, and a module of layers."""
    body = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh())
    inner = layers.Dense(8, activation="relu")
    inner.build((None, 8))
    inputs = keras.Input((3,))
    hidden = ModuleLayer(body)(inputs)
    hidden = ops.concatenate([hidden, layers.Dense(4)(hidden)], axis=-1)
    hidden = ModuleLayer(nn.Sequential(nn.Linear(12, 8), LayerModule(inner)))(hidden)
    return keras.Model(inputs, layers.Dense(1)(hidden)), body


def fit_is_one_program() -> None:
    x, y = lines()
    model, body = mixed_model()
    assert len(model.trainable_weights) == 12, [w.path for w in model.trainable_weights]
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    before = body[0].weight.detach().clone()
    mean = body[1].running_mean.clone()
    steps = replayed(lambda: model.fit(x, y, batch_size=32, epochs=2, verbose=0))
    assert len(steps) == 16 and len(set(map(id, steps))) == 1, len(steps)
    assert not torch.equal(before, body[0].weight) and not torch.equal(mean, body[1].running_mean)
    model.fit(x, y, batch_size=32, epochs=40, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.05, model.evaluate(x, y, verbose=0)


def one_step_of_torch_compile() -> None:
    """PyTorch's loop over a module, a layer and functions of TensorFlow."""
    x, y = (torch.tensor(v) for v in lines(64))
    dense = layers.Dense(8, activation="relu")
    dense.build((None, 8))
    model = nn.Sequential(nn.Linear(3, 8), LayerModule(dense), nn.Linear(8, 1))
    scale = tf.Variable(1.0)
    optimizer = torch.optim.Adam([*model.parameters(), scale], lr=0.01)

    @torch.compile
    def step(x, y):
        optimizer.zero_grad()
        error = tf.square(model(x) * torch.as_tensor(scale) - y)
        loss = torch.as_tensor(tf.reduce_mean(error))
        loss.backward()
        optimizer.step()
        return loss

    first = float(step(x, y))
    for _ in range(5):
        step(x, y)
    steps = replayed(lambda: [step(x, y) for _ in range(100)])
    assert len(steps) == 100 and len(set(map(id, steps))) == 1, len(steps)
    assert float(step(x, y)) < 0.1 * first and float(scale) != 1.0


def one_step_of_tf_function() -> None:
    """TensorFlow's loop over a module and a layer, by an optimizer of Keras."""
    x, y = lines(64)
    module, dense = nn.Linear(3, 8), layers.Dense(1)
    dense.build((None, 8))
    variables = [*(as_variable(p) for p in module.parameters()), *dense.trainable_variables]
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            made = dense(torch.relu(module(torch.as_tensor(x))))
            loss = tf.reduce_mean(tf.square(made - y))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    first = float(step(tf.constant(x), tf.constant(y)))
    for _ in range(5):
        step(tf.constant(x), tf.constant(y))
    steps = replayed(lambda: [step(tf.constant(x), tf.constant(y)) for _ in range(100)])
    assert len(steps) == 100 and len(set(map(id, steps))) == 1, len(steps)
    assert float(step(tf.constant(x), tf.constant(y))) < 0.1 * first


NAMES = (
    "data_set_in_a_torch_loop", "data_set_in_a_loader", "loader_in_fit",
    "optimizers_on_each_others_variables", "adam_on_each_others_variables",
    "gradients_through_both", "weights_are_shared", "fit_is_one_program",
    "one_step_of_torch_compile", "one_step_of_tf_function",
)  # fmt: skip

if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    for name in sys.argv[1:] or NAMES:
        globals()[name]()
        print(name, "ok")
