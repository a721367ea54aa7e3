"""What a user would run instead, on PyTorch with none of this project's code: peers.py predict | training …"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["USE_TORCH"] = "1"


def read(path, count):
    rows = [line.split("\t") for line in open(path, encoding="utf-8").read().split("\n")[1:] if line][:count]
    return [row[1] for row in rows], [int(row[2]) for row in rows]


def predict(folder, path, count):
    """A stock text-classification pipeline, longest reviews first, 64 a batch."""
    from transformers import pipeline

    texts, _ = read(path, int(count))
    classify = pipeline("text-classification", model=folder, device="cpu", top_k=None, truncation=True, max_length=128)
    classify(texts[:64], batch_size=64)
    start = time.perf_counter()
    classify(sorted(texts, key=len, reverse=True), batch_size=64)
    print(len(texts) / (time.perf_counter() - start))


def training(path, count):
    """The Trainer with bf16 and batches of 128 grouped by length; its own figure for one epoch."""
    import sentencepiece
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    pieces = sentencepiece.SentencePieceProcessor(
        model_file=str(Path(__file__).parents[2] / "nsmc_bert" / "bundled" / "encoder" / "spiece.model")
    )
    texts, labels = read(path, int(count))
    data = [
        {"input_ids": [2, *ids[:126], 3], "labels": label, "length": min(len(ids), 126) + 2}
        for ids, label in zip(pieces.encode(texts), labels)
    ]

    def collate(rows):
        longest = max(row["length"] for row in rows)
        ids = torch.tensor([row["input_ids"] + [0] * (longest - row["length"]) for row in rows])
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    config = BertConfig(
        vocab_size=8000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
        max_position_embeddings=128,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=128, num_train_epochs=1, learning_rate=2e-4, save_strategy="no",
            report_to=[], disable_tqdm=True, use_cpu=True, bf16=True, group_by_length=True, length_column_name="length",
            remove_unused_columns=False, logging_strategy="no",
        )  # fmt: skip
        trainer = Trainer(
            model=BertForSequenceClassification(config), args=arguments, train_dataset=data, data_collator=collate
        )
        from transformers.trainer_pt_utils import LengthGroupedSampler

        lengths = [row["length"] for row in data]
        trainer._get_train_sampler = lambda *_, **__: LengthGroupedSampler(128, lengths=lengths)
        print(trainer.train().metrics["train_samples_per_second"])


if __name__ == "__main__":
    {"predict": predict, "training": training}[sys.argv[1]](*sys.argv[2:])
