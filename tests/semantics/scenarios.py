"""Programs about views, in-place writes and shared memory, written once for any `torch`.

Each takes the framework and NumPy and returns plain data. `expected.json` holds what PyTorch 2.13
returned; `test_aliasing.py` compares Plait with it, and with PyTorch itself where it is installed.
"""

import numpy as np

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def grid(torch, rows=3, columns=4):
    return torch.arange(rows * columns, dtype=torch.float64).reshape(rows, columns)


@scenario
def view_sees_base_write(torch):
    a = grid(torch)
    v = a.view(-1)
    a[1] = 7.0
    return v.tolist()


@scenario
def base_sees_view_write(torch):
    a = grid(torch)
    a.view(-1)[3:6].zero_()
    return a.tolist()


@scenario
def write_through_transpose(torch):
    a = grid(torch)
    a.t()[1] = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    return a.tolist()


@scenario
def write_through_permute_and_slice(torch):
    a = torch.zeros(2, 3, 4)
    a.permute(2, 0, 1)[1:3, :, ::2] += 1
    return a.tolist()


@scenario
def augmented_slice(torch):
    a = grid(torch)
    a[1:, 1:3] *= -1
    return a.tolist()


@scenario
def chain_of_views(torch):
    a = grid(torch, 4, 6)
    v = a[1:].view(3, 2, 3)[:, 1].t()[::2]
    v.mul_(100)
    return [a.tolist(), v.tolist()]


@scenario
def stale_view_rederives(torch):
    a = grid(torch)
    v = a[0]
    w = v[1:3]
    a.mul_(2)
    v.add_(1)
    return [w.tolist(), a[0].tolist()]


@scenario
def detach_shares_memory(torch):
    a = grid(torch).requires_grad_()
    d = a.detach()
    d[0] = -1.0
    return a.tolist()


@scenario
def data_write_on_leaf(torch):
    w = torch.ones(3, requires_grad=True)
    w.data.mul_(5)
    w.data[1] = 0
    return [w.tolist(), w.requires_grad]


@scenario
def data_assignment(torch):
    w = torch.ones(3, requires_grad=True)
    b = torch.zeros(2)
    w.data = b
    b[0] = 4
    return [w.tolist(), w.requires_grad, list(w.shape)]


@scenario
def clone_is_separate(torch):
    a = grid(torch)
    b = a.clone()
    a.zero_()
    return b.tolist()


@scenario
def reshape_of_transpose_copies(torch):
    a = grid(torch)
    b = a.t().reshape(-1)
    b.zero_()
    return a.tolist()


@scenario
def contiguous_of_transpose_copies(torch):
    a = grid(torch)
    b = a.t().contiguous()
    b.zero_()
    return [a.tolist(), b.is_contiguous(), list(b.stride())]


@scenario
def contiguous_of_contiguous_is_itself(torch):
    a = grid(torch)
    a.contiguous().zero_()
    return a.tolist()


@scenario
def select_is_a_view(torch):
    a = grid(torch)
    a.select(1, 2).fill_(9)
    a[2][3] = -3
    return a.tolist()


@scenario
def unbind_and_split_are_views(torch):
    a = grid(torch)
    for i, row in enumerate(a.unbind(0)):
        row[i] = -1
    a.split(3, dim=1)[1].zero_()
    a.chunk(2, dim=0)[0][0, 0] = 50
    return a.tolist()


@scenario
def squeeze_unsqueeze_are_views(torch):
    a = grid(torch)
    a.unsqueeze(1).squeeze(1)[0] = 1
    a[:, None, :, None][2] = 8
    return a.tolist()


@scenario
def narrow_and_diagonal_are_views(torch):
    a = grid(torch, 4, 4)
    a.narrow(0, 1, 2).add_(100)
    a.diagonal().zero_()
    a.diagonal(1).fill_(-1)
    return a.tolist()


@scenario
def as_strided_is_a_view(torch):
    a = torch.arange(10.0)
    a.as_strided((3, 2), (3, 1), 1).mul_(-1)
    return a.tolist()


@scenario
def overlapping_as_strided_reads(torch):
    a = torch.arange(6.0)
    v = a.as_strided((4, 3), (1, 1))
    a[2] = 99
    return v.tolist()


@scenario
def unfold_is_a_view(torch):
    a = torch.arange(8.0)
    v = a.unfold(0, 3, 2)
    a[3] = -5
    return [v.tolist(), list(v.stride())]


@scenario
def expand_reads_and_refuses_writes(torch):
    a = torch.tensor([[1.0], [2.0]])
    e = a.expand(2, 3)
    a[1] = 5
    try:
        e.add_(1)
        refused = False
    except RuntimeError:
        refused = True
    return [e.tolist(), refused]


@scenario
def integer_index_copies(torch):
    a = grid(torch)
    b = a[[0, 2]]
    b.zero_()
    return a.tolist()


@scenario
def integer_index_assignment(torch):
    a = grid(torch)
    a[[0, 2], [1, 3]] = torch.tensor([-1.0, -2.0], dtype=torch.float64)
    a[torch.tensor([1]), 2:] = 0
    return a.tolist()


@scenario
def mask_assignment(torch):
    a = grid(torch)
    a[a > 6] = 0
    a[a == 3] += 0.5
    return a.tolist()


@scenario
def mask_assignment_through_view(torch):
    a = grid(torch)
    v = a[:, 1:]
    v[v % 2 == 0] = -1
    return a.tolist()


@scenario
def index_put_accumulates(torch):
    a = torch.zeros(4)
    a.index_put_((torch.tensor([1, 1, 3]),), torch.tensor([1.0, 2.0, 4.0]), accumulate=True)
    return a.tolist()


@scenario
def scatter_in_place_through_view(torch):
    a = torch.zeros(2, 6)
    a[:, 2:5].scatter_(1, torch.tensor([[0, 2], [1, 1]]), 7.0)
    return a.tolist()


@scenario
def copy_between_overlapping_types(torch):
    a = torch.zeros(2, 3, dtype=torch.int64)
    a.copy_(torch.tensor([1.9, -2.9, 3.5]))
    return a.tolist()


@scenario
def out_argument(torch):
    a = torch.zeros(3)
    v = a[:2]
    torch.add(torch.ones(3), 2, out=a)
    return [a.tolist(), v.tolist()]


@scenario
def setitem_broadcasts(torch):
    a = torch.zeros(2, 3, 2)
    a[:, 1] = torch.tensor([1.0, 2.0])
    a[..., 0] = 5
    return a.tolist()


@scenario
def from_numpy_sees_writes(torch):
    n = np.zeros(4, np.float32)
    t = torch.from_numpy(n)
    n[1] = 3
    seen = t.tolist()
    t[2] = 9
    t[:1] += 4
    return [seen, n.tolist()]


@scenario
def staging_array_is_refilled(torch):
    staging = np.zeros(3, np.float32)
    t = torch.from_numpy(staging)
    results = []
    for step in range(3):
        staging[:] = step
        results.append((t * 2).sum())
    return [r.item() for r in results]


@scenario
def numpy_export_sees_later_writes(torch):
    t = torch.arange(4.0)
    n = t.numpy()
    t[0] = 50
    t.mul_(2)
    n[3] = -1
    return [n.tolist(), t.tolist()]


@scenario
def numpy_export_of_view(torch):
    t = grid(torch)
    n = t.t()[1:3].numpy()
    n[0] = 0
    t[2, 2] = 77
    return [t.tolist(), n.tolist()]


@scenario
def pending_result_keeps_the_old_value(torch):
    t = torch.arange(3.0)
    doubled = t * 2
    n = t.numpy()
    n[:] = 100
    t.zero_()
    return doubled.tolist()


@scenario
def from_numpy_strided(torch):
    n = np.arange(12.0).reshape(3, 4)
    t = torch.from_numpy(n.T)
    t[1, 1] = -8
    return [n.tolist(), list(t.stride()), t.is_contiguous()]


@scenario
def gradient_through_in_place_on_view(torch):
    x = grid(torch).requires_grad_()
    y = x * 1
    y[0].mul_(x[1])
    (y * torch.arange(4.0, dtype=torch.float64)).sum().backward()
    return x.grad.tolist()


@scenario
def gradient_through_slice_assignment(torch):
    x = torch.ones(4, dtype=torch.float64, requires_grad=True)
    y = torch.zeros(4, 2, dtype=torch.float64)
    y[:, 0] = x * 3
    y[1:3, 1] = x[:2] ** 2
    (y * y).sum().backward()
    return x.grad.tolist()


@scenario
def gradient_of_view_after_base_changes(torch):
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = x * 2
    v = y[1:]
    y.mul_(10)
    v.sum().backward()
    return x.grad.tolist()


@scenario
def gradient_stops_at_overwritten_values(torch):
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = x * 4
    y[0] = 0.0
    y.sum().backward()
    return x.grad.tolist()


@scenario
def in_place_activation_chain(torch):
    x = torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    y = ((x * 2).relu_() + 1).exp_()
    y.sum().backward()
    return x.grad.tolist()


@scenario
def in_place_after_saved_output_is_refused(torch):
    x = torch.ones(3, requires_grad=True)
    y = (x * 2).relu_().add_(1)
    try:
        y.sum().backward()
        return "accepted"
    except RuntimeError as fault:
        return "modified by an inplace operation" in str(fault)


@scenario
def saved_value_overwritten_is_refused(torch):
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    z = y * 2
    y.add_(1)
    try:
        z.sum().backward()
        y.sum().backward()
        return "accepted"
    except RuntimeError as fault:
        return "modified by an inplace operation" in str(fault)


@scenario
def leaf_in_place_is_refused(torch):
    x = torch.ones(3, requires_grad=True)
    answers = []
    for write in (lambda: x.add_(1), lambda: x[0].add_(1), lambda: x.__setitem__(0, 1.0)):
        try:
            write()
            answers.append("accepted")
        except RuntimeError as fault:
            answers.append("leaf Variable that requires grad" in str(fault))
    return answers


@scenario
def no_grad_update_of_leaf(torch):
    w = torch.ones(3, requires_grad=True)
    (w * w).sum().backward()
    with torch.no_grad():
        w -= 0.25 * w.grad
        w[0] = 9
    return [w.tolist(), w.requires_grad, w.is_leaf]


@scenario
def gradient_accumulates_in_place(torch):
    w = torch.ones(2, requires_grad=True)
    (w * 3).sum().backward()
    g = w.grad
    (w * 4).sum().backward()
    return [g.tolist(), g is w.grad]


@scenario
def view_dtype(torch):
    a = torch.tensor([1.0, -2.0])
    bits = a.view(torch.int32)
    bits[0] = 0
    return [bits.tolist(), a.tolist()]


@scenario
def shared_parameter_view(torch):
    w = torch.zeros(4)
    first = torch.nn.Parameter(w[:2])
    with torch.no_grad():
        first.add_(3)
    return w.tolist()


@scenario
def swap_rows_by_index(torch):
    a = grid(torch)
    a[[0, 1]] = a[[1, 0]]
    return a.tolist()


@scenario
def read_own_neighbour(torch):
    a = torch.arange(6.0)
    a[1:] = a[:-1].clone()
    return a.tolist()


@scenario
def strides_and_offsets(torch):
    a = grid(torch, 4, 6)
    v = a[1:, ::2].t()
    return [list(v.stride()), v.storage_offset(), v.is_contiguous(), list(v.shape)]


@scenario
def view_of_incompatible_memory_is_refused(torch):
    a = grid(torch)
    try:
        a.t().view(-1)
        return "accepted"
    except RuntimeError as fault:
        return "view size is not compatible" in str(fault)


@scenario
def unsqueeze_in_place(torch):
    a = torch.arange(3.0)
    b = a.view(3)
    a.unsqueeze_(0)
    a[0, 1] = 10
    return [list(a.shape), b.tolist()]


@scenario
def masked_fill_in_place_on_view(torch):
    a = grid(torch)
    a[1].masked_fill_(torch.tensor([True, False, True, False]), -9)
    return a.tolist()


@scenario
def read_as_integers_through_an_expanded_view(torch):
    """What a view of an expanded one shows, read as other numbers, is written into the memory."""
    wide = torch.arange(4.0).expand(2, 4)
    wide[0].view(torch.int32).fill_(0x40000000)
    column = torch.zeros(3, 1).expand(3, 2)
    column[:, 0].view(torch.int32)[1] = 0x3F800000
    rolling = torch.arange(6.0).as_strided((3, 2), (1, 1))
    rolling[1].view(torch.int32).fill_(0)
    return [wide.tolist(), column.tolist(), rolling.tolist()]


@scenario
def bytes_of_an_expanded_view(torch):
    memory = torch.zeros(4)
    memory.expand(2, 4)[0].view(torch.int8)[7] = 64
    return memory.tolist()


@scenario
def data_that_is_a_view(torch):
    flat = torch.zeros(6)
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    parameter.data = flat[1:5].view(2, 2).t()
    flat.add_(torch.arange(6.0))
    (parameter * parameter).sum().backward()
    with torch.no_grad():
        parameter.sub_(parameter.grad)
    told = [parameter.is_leaf, list(parameter.stride()), parameter.storage_offset()]
    return [flat.tolist(), parameter.tolist(), parameter.grad.tolist(), told]


@scenario
def fill_expanded_views(torch):
    memory = torch.arange(8.0).reshape(2, 4)
    memory[:, 1:3].unsqueeze(1).expand(2, 5, 2).fill_(9)
    row = torch.arange(3.0)
    row.expand(4, 3).t().zero_()
    return [memory.tolist(), row.tolist()]
