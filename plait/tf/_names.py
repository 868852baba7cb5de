"""Names of TensorFlow that Plait does not have yet: using one says so."""

#: At the top of `tensorflow`.
UNBUILT = frozenset(
    [
        "CriticalSection",
        "RaggedTensor",
        "RaggedTensorSpec",
        "audio",
        "estimator",
        "experimental",
        "feature_column",
        "NodeDef",
        "python",
        "graph_util",
        "lite",
        "profiler",
        "quantization",
        "queue",
        "ragged",
        "raw_ops",
        "sets",
        "sysconfig",
        "tpu",
        "types",
        "variable_creator_scope",
        "xla",
    ]
)
