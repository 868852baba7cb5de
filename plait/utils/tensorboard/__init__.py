"""`torch.utils.tensorboard`: event files that TensorBoard shows, written without it."""

from plait.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
