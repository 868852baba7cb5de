"""Cases for both TensorFlows: strings, and how records are read and written."""

from __future__ import annotations

from tests.tf.cases import register

CASES, case = register()

for text in """
tf.strings.lower(["ABC"])
tf.strings.upper("abc")
tf.strings.length(["a", "bcd"])
tf.strings.join(["a", ["b", "c"]], "-")
tf.strings.reduce_join(["a", "b"], separator=" ")
tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1)
tf.strings.regex_replace("hello world", "o", "0")
tf.strings.regex_replace("a1b22", r"(\\d+)", r"<\\1>")
tf.strings.regex_full_match(["ab", "abc"], "ab")
tf.strings.substr("hello", 1, 3)
tf.strings.strip("  a ")
tf.strings.to_number(["1.5", "2"])
tf.strings.to_number("7", tf.int32)
tf.strings.to_number("x")
tf.strings.as_string([1, 2])
tf.strings.as_string([1.5], precision=2)
tf.strings.split("a b  c")
tf.strings.split("a,b,c", ",")
tf.strings.bytes_split("abc")
tf.strings.unicode_decode("ab", "UTF-8")
tf.strings.ngrams(["a", "b", "c"], 2)
tf.strings.ngrams(["a", "b", "c"], [1, 3], "-")
tf.strings.ngrams(["a"], 3, pad_values=("<", ">"))
tf.strings.ngrams(["a", "b"], 3, pad_values="x", padding_width=1)
tf.strings.ngrams(["a", "b"], 3, preserve_short_sequences=True)
tf.strings.ngrams(["a", "b"], 3)
tf.strings.ngrams(tf.strings.split(["a b c", "d", ""]), 2).to_list()
tf.strings.ngrams(tf.strings.split(["a b c", "d", ""]), 2, preserve_short_sequences=True).to_list()
tf.strings.format("x: {}", tf.constant([1, 2]))
tf.io.decode_raw(b"\\x01\\x02\\x03\\x04", tf.uint8)
tf.io.decode_csv(["1,2.5,a", "3,,b"], [[0], [0.5], [""]])
tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant([[1., 2.]])), tf.float32)
tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant(["a"])), tf.string)
""".strip().splitlines():
    case(text.strip())
