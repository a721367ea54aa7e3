"""What a frozen encoder knows about language: edge probing (Tenney et al. 2019), from corpus to table.

Sentences with labelled spans (`records`) come from published JSON lines or from corpora in their native formats
(`sources`, `python -m probing.convert`); `tasks` says what the ten published tasks are.
"""

import nsmc_bert  # noqa: F401  selects the Keras that TFBertModel needs
