"""What is chosen where nobody has: batches by the hardware and the data, learning rates by the encoder."""

import pytest

from nsmc_bert import recipe


@pytest.mark.parametrize(
    ("tokens", "kind", "budget"),
    [
        (2_700_000, "CPU", 3072),
        (2_700_000, "GPU", 16384),
        (2_700_000, "TPU", 16384),
        (8_000, "CPU", 256),
        (8_000, "GPU", 256),
        (40_000, "GPU", 1000),
    ],
)
def test_batches_go_by_the_hardware_and_the_data(tokens, kind, budget):
    assert recipe.token_budget(tokens, kind) == budget


@pytest.mark.parametrize(
    ("width", "pretrained", "rate"),
    [
        (256, True, 3e-4),
        (128, True, 3e-4),
        (768, True, 5e-5),
        (1024, True, 5e-5),
        (256, False, 5e-4),
        (768, False, 1e-4),
        (512, True, 9.7e-5),  # 3e-4 * 2 ** (log(1/6) / log(3))
    ],
)
def test_learning_rates_go_by_the_width(width, pretrained, rate):
    assert recipe.learning_rate(width, pretrained) == rate
