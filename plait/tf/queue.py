"""`tf.queue`."""

from plait.tf.compat._queues import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
