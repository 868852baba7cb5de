"""Names of TensorFlow that Plait does not have yet: using one says so."""

#: At the top of `tensorflow`.
UNBUILT = frozenset(
    [
        "CriticalSection",
        "audio",
        "estimator",
        "experimental",
        "feature_column",
        "python",
        "graph_util",
        "lite",
        "profiler",
        "quantization",
        "raw_ops",
        "sets",
        "sysconfig",
        "tpu",
        "types",
        "variable_creator_scope",
        "xla",
    ]
)
