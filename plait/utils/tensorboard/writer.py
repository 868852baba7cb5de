"""`SummaryWriter`: what a training run reports, in event files that TensorBoard reads."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

import numpy as np

from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.utils.tensorboard import summary
from plait.utils.tensorboard._wire import field, record

_VERSION = "brain.Event:2"
_START = 1  # SessionLog's status


class FileWriter:
    """One event file in `log_dir`, made at once; written whenever `max_queue` events wait, or
    `flush_secs` have passed at an event, and by `flush` and `close`."""

    _made = 0
    _lock = threading.Lock()

    def __init__(
        self,
        log_dir: str | os.PathLike,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        self._log_dir = str(log_dir)
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._suffix = filename_suffix
        self._open()

    def _open(self) -> None:
        os.makedirs(self._log_dir, exist_ok=True)
        with FileWriter._lock:
            number = FileWriter._made
            FileWriter._made += 1
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
            f"{number}{self._suffix}"
        )
        # It stays open until `close`.
        self._file = open(os.path.join(self._log_dir, name), "wb")  # noqa: SIM115  (see above)
        self._waiting = 0
        self._flushed = time.monotonic()
        self.add_event(field(3, _VERSION))
        self.flush()

    def get_logdir(self) -> str:
        """The folder of the file."""
        return self._log_dir

    def add_event(
        self, event: bytes, step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write an event: encoded fields, to which time and step are added."""
        when = time.time() if walltime is None else float(walltime)
        head = field(1, when)
        if step is not None:
            head += field(2, int(step))
        self._file.write(record(head + event))
        self._waiting += 1
        late = time.monotonic() - self._flushed >= self._flush_secs
        if self._waiting >= self._max_queue or late:
            self.flush()

    def add_summary(
        self, value: bytes, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write a summary (see `summary.py`)."""
        self.add_event(field(5, value), global_step, walltime)

    def flush(self) -> None:
        """Hand what waits to the system."""
        if not self._file.closed:
            self._file.flush()
        self._waiting = 0
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what waits and close the file."""
        self._file.close()

    def reopen(self) -> None:
        """Go on in a new file, after `close`."""
        if self._file.closed:
            self._open()


class SummaryWriter:
    """Writes event files into `log_dir` (default: `runs/` with date, time, host and `comment`).

    purge_step: TensorBoard drops what an earlier, crashed run reported from this step on.
    The other arguments: see `FileWriter`.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue, self.flush_secs = max_queue, flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()
        # TensorBoard's own: from 1e-12 to 1e20, each bin 1.1 times as wide as the last.
        edges = [1e-12]
        while edges[-1] * 1.1 < 1e20:
            edges.append(edges[-1] * 1.1)
        self.default_bins = [-edge for edge in reversed(edges)] + [0.0] + edges

    def _get_file_writer(self) -> FileWriter:
        """The writer of `log_dir`, anew after `close`."""
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = self._new_writer(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                self.file_writer.add_event(field(3, _VERSION), self.purge_step)
                self.file_writer.add_event(field(7, field(1, _START)), self.purge_step)
                self.purge_step = None
        return self.file_writer

    def _new_writer(self, folder: Any) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def get_logdir(self) -> Any:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Report one number: a tensor of one element, an array or a Python number."""
        value = summary.scalar(tag, scalar_value, new_style, double_precision)
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Report several numbers for one plot: each in an event file of its own folder."""
        walltime = time.time() if walltime is None else walltime
        base = self._get_file_writer().get_logdir()
        assert self.all_writers is not None  # made by the line above
        for tag, value in tag_scalar_dict.items():
            folder = f"{base}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self.all_writers:
                self.all_writers[folder] = self._new_writer(folder)
            encoded = summary.scalar(main_tag, value)
            self.all_writers[folder].add_summary(encoded, global_step, walltime)

    def add_tensor(
        self,
        tag: str,
        tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Report a whole tensor."""
        value = summary.tensor(tag, tensor)
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Report how values are distributed. bins: "tensorflow", or what numpy.histogram takes."""
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        value = summary.histogram(tag, values, bins, max_bins)
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Report a histogram of known parts; `bucket_limits` are the bins' upper ends."""
        if len(bucket_limits) != len(bucket_counts):
            raise error(ValueError, "len(bucket_limits) != len(bucket_counts), see the document.")
        value = summary.histogram_of_parts(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Report a picture. dataformats: what its axes are, as CHW, HWC, HW."""
        value = summary.image(tag, img_tensor, dataformats)
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Report a batch of pictures as a grid, eight in a row."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Report a Matplotlib figure, or several as a grid. close: close them in pyplot after."""
        figures = figure if isinstance(figure, list) else [figure]
        pictures = np.stack([_drawn(one) for one in figures])
        if close:
            import matplotlib.pyplot as plt

            for one in figures:
                plt.close(one)
        if isinstance(figure, list):
            self.add_image(tag, pictures, global_step, walltime, "NHWC")
        else:
            self.add_image(tag, pictures[0], global_step, walltime, "HWC")

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Report text, which is shown as Markdown."""
        value = summary.text(tag, text_string)
        self._get_file_writer().add_summary(value, global_step, walltime)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Report the operations of one call of a model, `input_to_model` being its arguments.

        verbose, use_strict_trace: accepted; nothing is traced with them here.
        """
        from plait.utils.tensorboard._graph import graph

        self._get_file_writer().add_event(field(4, graph(model, input_to_model)))

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Report a run's hyper-parameters and what they led to, in a folder of its own."""
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise error(TypeError, "hparam_dict and metric_dict should be dictionary.")
        summaries = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for value in summaries:
                writer._get_file_writer().add_summary(value, global_step)
            for name, metric in metric_dict.items():
                writer.add_scalar(name, metric, global_step)

    def __getattr__(self, name: str) -> Any:
        if name in _UNBUILT:
            raise not_built(f"SummaryWriter.{name}")
        raise AttributeError(f"'SummaryWriter' object has no attribute '{name}'")

    def flush(self) -> None:
        """Hand all that waits to the system."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write all that waits and close the files; a later report opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()


_UNBUILT = frozenset(
    (
        "add_audio",
        "add_custom_scalars",
        "add_custom_scalars_marginchart",
        "add_custom_scalars_multilinechart",
        "add_embedding",
        "add_image_with_boxes",
        "add_mesh",
        "add_onnx_graph",
        "add_pr_curve",
        "add_pr_curve_raw",
        "add_video",
    )
)


def _drawn(figure: Any) -> np.ndarray:
    """A Matplotlib figure as pixels (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]
