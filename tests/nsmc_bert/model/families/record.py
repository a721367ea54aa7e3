"""Records what transformers' PyTorch models say: USE_TORCH=1 python -m tests.nsmc_bert.model.families.record

Writes recorded/tensors.json, the names and shapes of what its folders hold, and recorded/NAME.npz, the hidden
states of every layer, the classifier's logits and the masked language model's, over the weights of make.py; and
recorded/detection.npz, what ElectraForPreTraining says (recorded with torch 2.13.0, transformers 4.57.6). The
argument `detection` records that file alone.
"""

import json
import sys

import numpy as np
import torch
import transformers
from transformers import AutoConfig

from tests.nsmc_bert.model.families import make
from tests.probing.encoders.make import uniform

TASKS = ("ForSequenceClassification", "ForMaskedLM")


def model_of(name, task):
    """A PyTorch model of a configuration, its weights still random."""
    values = dict(make.CONFIGS[name])
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    return getattr(transformers, f"AutoModel{task}").from_config(config).eval()


def is_tied(model, name):
    """Whether a tensor is another one under a second name, which transformers does not write."""
    return name.endswith(tuple(model._tied_weights_keys or ()))


def detection():
    """What ElectraForPreTraining says of the texts, and its loss with the pieces of odd ids as replaced."""
    out = {}
    for name in [name for name in make.CONFIGS if name.startswith("electra")]:
        values = uniform(len(name), make.tensors(name), 0.7)
        values |= {f"discriminator_predictions.{key}": value for key, value in make.detection().items()}
        model = model_of(name, "ForPreTraining")
        missing, _ = model.load_state_dict({key: torch.from_numpy(x) for key, x in values.items()}, strict=False)
        assert not missing, missing
        with torch.inference_mode():
            for i, ids in enumerate(make.inputs()):
                said = model(torch.from_numpy(ids)[None].long(), labels=torch.from_numpy(ids % 2)[None].long())
                out[f"{name}: logits {i}"], out[f"{name}: loss {i}"] = said.logits[0].numpy(), said.loss.numpy()
    np.savez_compressed(make.FOLDER / "detection.npz", **out)


def main():
    if sys.argv[1:] == ["detection"]:
        detection()
        return
    make.FOLDER.mkdir(exist_ok=True)
    lines = []
    for name in make.CONFIGS:
        models = [model_of(name, task) for task in TASKS]
        both = {
            key: list(value.shape)
            for model in models
            for key, value in model.state_dict().items()
            if not is_tied(model, key)
        }
        lines.append(f"{json.dumps(name)}: {json.dumps(both)}")
    (make.FOLDER / "tensors.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for name in make.CONFIGS:
        values = {key: torch.from_numpy(value) for key, value in uniform(len(name), make.tensors(name), 0.7).items()}
        classifier, masked = models = [model_of(name, task) for task in TASKS]
        for model in models:
            missing, _ = model.load_state_dict(values, strict=False)
            assert all(is_tied(model, key) for key in missing), missing
            model.tie_weights()
        out = {}
        with torch.inference_mode():
            for i, ids in enumerate(make.inputs()):
                ids = torch.from_numpy(ids)[None].long()
                said = classifier(ids, output_hidden_states=True)
                out["states %d" % i] = np.stack([states[0].numpy() for states in said.hidden_states])
                out["logits %d" % i], out["pieces %d" % i] = said.logits[0].numpy(), masked(ids).logits[0].numpy()
        np.savez_compressed(make.FOLDER / f"{name}.npz", **out)
    detection()


if __name__ == "__main__":
    main()
