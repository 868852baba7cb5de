"""autograd.Function, gradients on demand, switches, checks and products with Jacobians."""

import gc
import weakref

import pytest

import plait
from plait import autograd
from plait.nn import functional as F


class Exp(autograd.Function):
    """Saves its own output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class Square(autograd.Function):
    """Saves its input; its derivative is not differentiable."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @autograd.function.once_differentiable
    def backward(ctx, grad):
        return grad * 2 * ctx.saved_tensors[0]


@pytest.fixture
def x():
    return plait.tensor([0.5, 1.0, -2.0], dtype=plait.float64, requires_grad=True)


def test_function_of_its_output_differentiates_twice(x):
    y = Exp.apply(x)
    (first,) = autograd.grad(y.sum(), x, create_graph=True)
    (second,) = autograd.grad(first.sum(), x)
    assert first.tolist() == pytest.approx(x.exp().tolist())
    assert second.tolist() == pytest.approx(x.exp().tolist())
    assert y.grad_fn.name() == "ExpBackward"


def test_a_saved_output_makes_no_cycle(x):
    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(x)
        gone = weakref.ref(y)
        del y
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.once  # its gradients add up in the fixture
def test_setup_context_mixed_outputs_and_flags(x):
    seen = []

    class Scale(autograd.Function):
        @staticmethod
        def forward(x, w, k):
            return x * w * k, x > 0, 7

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, w, ctx.factor = inputs
            ctx.save_for_backward(x, w)
            ctx.mark_non_differentiable(output[1])

        @staticmethod
        def backward(ctx, grad, grad_mask, grad_number):
            seen.append((ctx.needs_input_grad, grad_mask.tolist(), grad_number))
            x, w = ctx.saved_tensors
            return grad * w * ctx.factor, grad * x * ctx.factor, None

    w = plait.tensor(2.0, dtype=plait.float64, requires_grad=True)
    scaled, mask, number = Scale.apply(x, w, 3)
    assert (scaled.requires_grad, mask.requires_grad, number) == (True, False, 7)
    scaled.sum().backward()
    assert x.grad.tolist() == [6.0] * 3
    assert w.grad.item() == -1.5  # summed to w's shape
    assert seen == [((True, True, False), [False] * 3, None)]


@pytest.mark.once  # its gradients add up in the fixture
def test_dirty_input_continues_the_graph(x):
    class Double(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    y = x * 1
    assert Double.apply(y) is y
    (y * y).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0, -16.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad has been used"):
        Double.apply(x)


@pytest.mark.once  # its gradients add up in the fixture
def test_argument_handed_through_is_another_tensor(x):
    class Reverse(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return -grad

    y = Reverse.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [-1.0] * 3
    with pytest.raises(autograd.GradcheckError, match="Jacobian mismatch"):
        autograd.gradcheck(Reverse.apply, (x,))
    assert not autograd.gradcheck(Reverse.apply, (x,), raise_exception=False)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g: g, "incorrect number of gradients .expected 2, got 1."),
        (lambda g: (g[:2], g), "invalid gradient at index 0 - got .2. but expected shape"),
        (lambda g: (3, g), "expected Variable or None .got int."),
    ],
)
def test_faulty_backward(x, returned, message):
    class Add(autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, grad):
            return returned(grad)

    with pytest.raises((RuntimeError, TypeError), match=message):
        Add.apply(x, x * 2).sum().backward()


def test_gradient_for_a_number_is_refused(x):
    class Add(Exp):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    with pytest.raises(RuntimeError, match="different than None at position 2"):
        Add.apply(x, 3).sum().backward()


def test_saved_tensor_written_to_later(x):
    y = x * 1
    z = Square.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize(
    "values",
    [
        lambda x: x.topk(2)[0],
        lambda x: x.sort().values,
        lambda x: x.max(1).values,
        lambda x: x.cummax(1).values,
        lambda x: F.max_pool1d(x[None], 2),
        lambda x: F.max_pool2d(x[None], 2),
        lambda x: x.pow(3),
        lambda x: x.pow(plait.tensor([0.5, 2.0, 3.0, 1.0])),
    ],
)
def test_results_that_no_derivative_reads_may_be_written_to(values):
    """A rule reads the positions of the greatest alone, and of a power its operands: the values may
    be normalised in place (a router of experts), or rectified (after a pool)."""
    x = plait.tensor([[3.0, 1.0, 2.0, 5.0], [0.5, 4.0, 0.25, 6.0]], requires_grad=True)
    weights = plait.tensor([0.5, 2.0])
    for _ in range(4):  # recorded, remembered, and replayed
        expected = plait.autograd.grad((values(x) / 2).relu().square().sum(), x)[0]
        y = values(x)
        y /= 2
        y.relu_()
        y.square().sum().backward()
        plait.testing.assert_close(x.grad, expected)
        x.grad = None
    y = x.sort().values.mul_(weights[:1])
    assert plait.autograd.grad(y.sum(), x)[0].eq(0.5).all()


def test_a_gradient_that_is_nan_is_found():
    x = plait.tensor([0.0, 4.0], requires_grad=True)

    def loss():
        return (x.sqrt() * plait.tensor([0.0, 1.0])).sum()

    for _ in range(4):  # recorded, remembered, and replayed
        loss().backward()
    with autograd.detect_anomaly():
        assert autograd.is_anomaly_enabled()
        with pytest.raises(RuntimeError, match=r"Function 'SqrtBackward0' returned nan values"):
            loss().backward()
        with pytest.raises(RuntimeError, match="returned nan values in its 0th output"):
            autograd.grad(loss(), x, create_graph=True)
        x[1].sqrt().backward()
    with autograd.detect_anomaly(check_nan=False):
        loss().backward()
    with autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan values"):
        loss().backward()
    loss().backward()
    assert not autograd.is_anomaly_enabled()


def test_backward_twice_needs_retain_graph(x):
    y = Exp.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_once_differentiable(x):
    # The gradient that reaches the function depends on x: a second derivative would need its rule.
    (first,) = autograd.grad((Square.apply(x) * x).sum(), x, create_graph=True)
    assert first.tolist() == [0.75, 3.0, 12.0]
    with pytest.raises(RuntimeError, match="differentiate twice a function"):
        autograd.grad(first.sum(), x)


def test_function_is_not_instantiated():
    with pytest.raises(RuntimeError, match="Exp should not be instantiated"):
        Exp()


def test_grad_of_unused_input(x):
    w = plait.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        autograd.grad(x.sum(), w)
    assert autograd.grad(x.sum(), w, allow_unused=True) == (None,)
    (zeros,) = autograd.grad(x.sum(), w, materialize_grads=True)
    assert zeros.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="allow_unused"):
        autograd.grad(x.sum(), w, allow_unused=False, materialize_grads=True)


@pytest.mark.once  # its gradients add up in the fixture
def test_backward_of_several(x):
    autograd.backward([x.sum(), x * 2], [None, plait.ones(3, dtype=plait.float64)])
    assert x.grad.tolist() == [3.0] * 3
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):
        autograd.backward([x.sum()], [None, None])


def test_variable(x):
    assert isinstance(x, autograd.Variable)
    twin = autograd.Variable(x, requires_grad=True)
    assert twin is not x
    assert twin.is_leaf
    twin.data.zero_()
    assert x.tolist() == [0.0] * 3
    with pytest.raises(TypeError, match="data has to be a tensor, but got list"):
        autograd.Variable([1.0])


# -- switches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "switch",
    [
        lambda: plait.no_grad,
        lambda: plait.no_grad(),
        lambda: plait.inference_mode,
        lambda: plait.inference_mode(),
        lambda: plait.set_grad_enabled(False),
    ],
)
def test_switch_as_decorator(switch, x):
    @switch()
    def tracked():
        return (x * 2).requires_grad

    assert not tracked()
    assert (x * 2).requires_grad


def test_switch_in_a_generator_holds_for_its_own_code(x):
    @plait.no_grad()
    def steps():
        received = yield (x * 2).requires_grad
        yield received, (x * 2).requires_grad

    running = steps()
    assert next(running) is False
    assert (x * 2).requires_grad
    assert running.send(5) == (5, False)
    running.close()
    assert plait.is_grad_enabled()


def test_switches_nest_and_restore_after_errors(x):
    with plait.no_grad():
        with plait.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), plait.no_grad():
        raise ZeroDivisionError
    assert plait.is_grad_enabled()
    with plait.set_grad_enabled(False):
        assert not plait.is_grad_enabled()
    assert plait.is_grad_enabled()
    plait.set_grad_enabled(False)
    assert not plait.is_grad_enabled()
    plait.set_grad_enabled(True)
    with plait.inference_mode():
        assert plait.is_inference_mode_enabled()
    assert not plait.is_inference_mode_enabled()


# -- checks and matrices ----------------------------------------------------------------------


def test_gradcheck(x):
    assert autograd.gradcheck(lambda v: v.sin() * v, (x,))
    assert autograd.gradgradcheck(lambda v: v.sin() * v, (x,))
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        autograd.gradcheck(lambda v: v, (x.detach(),))


def test_functional_matrices():
    a, b = plait.tensor([1.0, 2.0]), plait.tensor([3.0, -1.0])

    def cube(v):
        return (v**3).sum()

    jacobian = autograd.functional.jacobian(lambda u, v: (u * v, u.sum()), (a, b))
    assert jacobian[0][0].tolist() == [[3.0, 0.0], [0.0, -1.0]]
    assert jacobian[1][1].tolist() == [0.0, 0.0]
    assert autograd.functional.hessian(cube, a).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert autograd.functional.hvp(cube, a, b)[1].tolist() == [18.0, -12.0]
    assert autograd.functional.vjp(lambda v: v**2, a, b)[1].tolist() == [6.0, -4.0]
    assert autograd.functional.jvp(lambda v: v**2, a, b)[1].tolist() == [6.0, -4.0]
    with pytest.raises(RuntimeError, match="should contain a single element"):
        autograd.functional.hessian(lambda v: v * 2, a)


def test_unbuilt_parts_say_so():
    with pytest.raises(NotImplementedError, match="saved_tensors_hooks is not built"):
        autograd.graph.saved_tensors_hooks(lambda v: v, lambda v: v)
    with pytest.raises(NotImplementedError, match="dual_level is not built"):
        _ = autograd.forward_ad.dual_level


@pytest.mark.parametrize(
    ("spread", "slope"),
    [
        (lambda x: x.std(0), 0.5**0.5),
        (lambda x: plait.std_mean(x, 0)[0], 0.5**0.5),
        (lambda x: x.std(0, False), 0.5),
    ],
)
def test_equal_values_have_no_gradient_of_their_deviation(spread, slope):
    """The root's slope is infinite where they do not vary: a row of zeros in a layer norm written
    by hand gave nan to every weight before it."""
    x = plait.tensor([[2.0, 1.0], [2.0, 3.0]], requires_grad=True)
    spread(x).sum().backward()
    plait.testing.assert_close(x.grad, plait.tensor([[0.0, -slope], [0.0, slope]]))
    assert spread(x)[0].item() == 0
